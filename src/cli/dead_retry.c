/* penstock dead retry */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/parse.h>
#include <cli/dead.h>

#define VERB "dead retry"

struct retry_options {
        struct place place;
        bool json, all;
        const char *queue;
        char **places;
        size_t n_places;
};

static const struct option_row rows[] = {
        PLACE_OPTIONS(struct retry_options, place.),
        OPTION(FLAG, struct retry_options, all, .name = "all",
               .help = "all letters that are there when it begins"),
        OPTION(FLAG, struct retry_options, json, .name = "json",
               .help = "a line of JSON for each letter that stays, and one with the counts"),
};

static const struct option_table options_table = {
        .verb = VERB,
        .head = "Usage: penstock dead retry [OPTION…] QUEUE PLACE…\n"
                "       penstock dead retry [OPTION…] QUEUE --all\n"
                "\n"
                "Makes dead jobs ready again, with all their attempts before them. PLACE is what\n"
                "`penstock dead list` shows. A letter whose id a live job has stays.\n"
                "\n",
        .tail = "\n"
                "Exit: 0 all are ready again, 1 some stay, 2 usage, 69 the store or the daemon does not\n"
                "answer, 78 configuration.\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

struct retrying {
        struct client *client;
        const struct retry_options *options;
        uint64_t retried, stay;
        uint64_t left; /* of --all: that were there when it began */
};

static void tell_stays(const struct retrying *t, const char *place, const char *why)
{
        if (t->options->json)
                printf("{\"place\":\"%s\",\"error\":\"%s\"}\n", place, why);
        else
                cli_say(VERB, "%s stays: %s", place, why);
}

static int retry_one(struct retrying *t, const char *place)
{
        int r = t->client->class->dead_retry(t->client, t->options->queue, place);

        if (r == 0) {
                t->retried++;
                return 0;
        }
        if (r != -EEXIST && r != -ENOENT)
                return r;
        t->stay++;
        tell_stays(t, place,
                   r == -EEXIST ? "a live job has its id" : "there is no letter at this place");
        return 0;
}

static int retry_letter(void *data, const char *queue, const struct dead_letter *letter)
{
        struct retrying *t = data;

        (void)queue;
        if (t->left == 0)
                return 1;
        t->left--;
        return retry_one(t, letter->place);
}

/* Those that die again while we are at it are not taken again. */
static int retry_all(struct retrying *t)
{
        PEN_CLEANUP(freep) struct queue_state *state = NULL;
        ssize_t n = t->client->class->status(t->client, t->options->queue, &state);
        int r;

        if (n < 0)
                return (int)n;
        t->left = state->counts.dead_letters;
        r = dead_for_each(t->client, t->options->queue, retry_letter, t);
        return MIN(r, 0);
}

static int retry_main(struct client *client, void *arg)
{
        const struct retry_options *options = arg;
        struct retrying t = { .client = client, .options = options };
        int r = 0, flushed;

        if (options->all)
                r = retry_all(&t);
        for (size_t i = 0; i < options->n_places && r == 0; i++)
                r = retry_one(&t, options->places[i]);
        if (options->json)
                printf("{\"retried\":%" PRIu64 ",\"stay\":%" PRIu64 "}\n", t.retried, t.stay);
        else
                cli_say(VERB, "%" PRIu64 " ready again, %" PRIu64 " stay", t.retried, t.stay);
        flushed = cli_flush(VERB);
        return r < 0 ? r : t.stay > 0 ? EXIT_JOBS_FAILED : flushed;
}

/* As the stores make them; so a line of JSON needs no escapes, and a URL none. */
static bool is_place(const char *text)
{
        return parse_is_id(text, strlen(text)) &&
               strlen(text) < sizeof(((struct dead_letter *)NULL)->place);
}

static int retry_verb(const struct place *place, int argc, char **argv)
{
        struct retry_options options = { .place = *place };
        int index, r = options_parse(&options_table, argc, argv, &options, &index);

        if (r >= 0)
                return r;
        if (index == argc)
                return cli_usage_error(VERB, "which QUEUE?");
        options.queue = argv[index];
        options.places = argv + index + 1;
        options.n_places = (size_t)(argc - index - 1);
        if (!parse_is_name(options.queue, strlen(options.queue)))
                return cli_usage_error(VERB, "%s is not the name of a queue", options.queue);
        if (options.all == (options.n_places > 0))
                return cli_usage_error(VERB, "either the PLACE of letters, or --all");
        for (size_t i = 0; i < options.n_places; i++)
                if (!is_place(options.places[i]))
                        return cli_usage_error(VERB, "%s is no PLACE of `penstock dead list`",
                                               options.places[i]);
        return client_run(&options.place, VERB, retry_main, &options);
}

const struct verb verb_dead_retry = { "retry", "make dead jobs ready again", retry_verb };
