/* penstock dead list */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <base/parse.h>
#include <cli/dead.h>
#include <cli/table.h>
#include <job/json.h>

#define VERB "dead list"
#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000000

struct list_options {
        struct place place;
        bool json;
        const char *queue;
        uint64_t limit;
};

static const struct option_row rows[] = {
        PLACE_OPTIONS(struct list_options, place.),
        OPTION(TEXT, struct list_options, queue, .name = "queue", .value = "Q",
               .help = "only this queue's"),
        OPTION(NUMBER, struct list_options, limit, .name = "limit", .value = "N", .min = 1,
               .max = LIMIT_MAX, .help = "at most N (default 100), the oldest of each queue first"),
        OPTION(FLAG, struct list_options, json, .name = "json",
               .help = "a line of JSON for each letter, with its payload"),
};

static const struct option_table options_table = {
        .verb = VERB,
        .head = "Usage: penstock dead list [OPTION…]\n"
                "\n"
                "Shows the jobs that ended dead and are kept. PLACE is what `penstock dead retry` takes.\n"
                "\n",
        .tail = "\n"
                "Exit: 0 well, 2 usage, 69 the store or the daemon does not answer, 78 configuration.\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

struct listing {
        const struct list_options *options;
        struct table table;
        struct buffer json;
        uint64_t shown;
        bool more;
};

static const char *or_none(const char *text)
{
        return text && *text ? text : "-";
}

static int add_row(struct listing *l, const char *queue, const struct dead_letter *letter)
{
        time_t seconds = (time_t)(letter->failed_at / 1000);
        const struct job *job = letter->job;
        char at[32];
        struct tm tm;
        const char *const texts[] = { queue,
                                      letter->place,
                                      or_none(job->fields.id),
                                      or_none(job->fields.type),
                                      outcome_name(letter->outcome),
                                      at,
                                      or_none(letter->error) };
        int r = 0;

        strftime(at, sizeof(at), "%F %T", localtime_r(&seconds, &tm));
        for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++) {
                if (texts[i] == at)
                        r = table_add(&l->table, TABLE_PLAIN, "%u", job->attempts + job->crashes);
                if (r == 0)
                        r = table_add(&l->table, TABLE_PLAIN, "%s", texts[i]);
        }
        return r;
}

static int write_member(struct buffer *to, const char *name, const char *value)
{
        int r;

        if (!value)
                return 0;
        r = buffer_printf(to, ",\"%s\":", name);
        return r < 0 ? r : json_write_string(to, value, strlen(value));
}

static int write_json(struct buffer *to, const char *queue, const struct dead_letter *letter)
{
        const struct job *job = letter->job;
        int r = buffer_printf(to, "{\"queue\":\"%s\",\"place\":\"%s\"", queue, letter->place);

        if (r == 0)
                r = write_member(to, "id", job->fields.id);
        if (r == 0)
                r = write_member(to, "type", job->fields.type);
        if (r == 0)
                r = buffer_printf(to,
                                  ",\"outcome\":\"%s\",\"attempts\":%u,\"crashes\":%u"
                                  ",\"failed_at\":%" PRIu64,
                                  outcome_name(letter->outcome), job->attempts, job->crashes,
                                  letter->failed_at);
        if (r == 0)
                r = write_member(to, "error", letter->error);
        if (r == 0)
                r = write_member(to, "daemon", letter->daemon);
        if (r == 0)
                r = buffer_append(to, ",", 1);
        if (r == 0)
                r = json_write_payload(to, job->fields.payload);
        return r < 0 ? r : buffer_append(to, "}\n", 2);
}

static int show(void *data, const char *queue, const struct dead_letter *letter)
{
        struct listing *l = data;
        int r;

        if (l->shown == l->options->limit) {
                l->more = true;
                return 1;
        }
        l->shown++;
        if (!l->options->json)
                return add_row(l, queue, letter);
        buffer_clear(&l->json);
        r = write_json(&l->json, queue, letter);
        if (r == 0)
                fwrite(buffer_data(&l->json), 1, buffer_size(&l->json), stdout);
        return r;
}

static int list_all(struct client *client, struct listing *l)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        ssize_t n = client->class->status(client, NULL, &states);
        int r = n < 0 ? (int)n : 0;

        for (ssize_t i = 0; i < n && r == 0; i++)
                if (states[i].counts.dead_letters > 0)
                        r = dead_for_each(client, states[i].name, show, l);
        return r;
}

static int list_main(struct client *client, void *arg)
{
        static const struct table_column columns[] = {
                { .title = "QUEUE", .shrinks = true },
                { .title = "PLACE" },
                { .title = "ID", .shrinks = true },
                { .title = "TYPE", .shrinks = true },
                { .title = "OUTCOME" },
                { .title = "ATTEMPTS", .right = true },
                { .title = "FAILED AT" },
                { .title = "ERROR", .shrinks = true },
        };
        const struct list_options *options = arg;
        struct listing l = { .options = options };
        int r;

        table_init(&l.table, columns, ARRAY_SIZE(columns));
        r = options->queue ? dead_for_each(client, options->queue, show, &l) : list_all(client, &l);
        if (r >= 0 && !options->json && l.shown > 0)
                r = table_print(&l.table);
        if (r >= 0 && !options->json && l.shown == 0)
                cli_say(VERB, "there are none");
        if (r >= 0 && l.more)
                cli_say(VERB, "there are more than these %" PRIu64 "; see --limit", l.shown);
        table_deinit(&l.table);
        buffer_deinit(&l.json);
        return r < 0 ? r : cli_flush(VERB);
}

static int list_verb(const struct place *place, int argc, char **argv)
{
        struct list_options options = { .place = *place, .limit = LIMIT_DEFAULT };
        int index, r = options_parse(&options_table, argc, argv, &options, &index);

        if (r >= 0)
                return r;
        if (index < argc)
                return cli_usage_error(VERB, "%s: it takes no words; --queue %s?", argv[index],
                                       argv[index]);
        if (options.queue && !parse_is_name(options.queue, strlen(options.queue)))
                return cli_usage_error(VERB, "--queue %s: is not the name of a queue",
                                       options.queue);
        return client_run(&options.place, VERB, list_main, &options);
}

const struct verb verb_dead_list = { "list", "show the dead letters", list_verb };
