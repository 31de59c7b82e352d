/* penstock join: waits until queues are empty. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <cli/cli.h>
#include <cli/client.h>
#include <penstock/timeout.h>

struct join_options {
        struct place place;
        bool json;
        pen_usec timeout;
        char **queues;
        size_t n_queues;
};

static const struct option_row rows[] = {
        PLACE_OPTIONS(struct join_options, place.),
        OPTION(DURATION, struct join_options, timeout, .name = "timeout", .value = "D",
               .help = "wait no longer than that, like 30s or 2h"),
        OPTION(FLAG, struct join_options, json, .name = "json",
               .help = "a line of JSON for each queue at the end"),
};

static const struct option_table table = {
        .verb = "join",
        .head = "Usage: penstock join [OPTION…] QUEUE…\n"
                "\n"
                "Waits until nothing is ready, delayed or running in any of the queues.\n"
                "\n",
        .tail = "\n"
                "Exit: 0 all ended, 1 and a job died meanwhile, 2 usage, 69 the store or the daemon does\n"
                "not answer, 75 the time was over, 78 configuration.\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

/* A queue that nobody knows would be joined at once: that is a mistake in the name. */
static int look_at(struct client *client, const char *queue, uint64_t *ret_dead)
{
        PEN_CLEANUP(freep) struct queue_state *state = NULL;
        char error[INTAKE_ERROR_SIZE];
        ssize_t n;

        if (client_check_queue(client, queue, error) < 0)
                return client_fail(client, -EINVAL, "%s", error);
        n = client->class->status(client, queue, &state);
        if (n < 0)
                return (int)n;
        *ret_dead = state->counts.dead;
        return 0;
}

static int join_all(struct client *client, const struct join_options *options)
{
        int r = 0;

        for (size_t i = 0; i < options->n_queues && r == 0; i++)
                r = client->class->join(client, options->queues[i]);
        return r;
}

/* Whether a job has died in it. Counts begin anew with the daemon of a store in memory. */
static int report(struct client *client, const struct join_options *options, const char *queue,
                  uint64_t before)
{
        uint64_t now, died;
        int r = look_at(client, queue, &now);

        if (r < 0)
                return r;
        died = now >= before ? now - before : now;
        if (options->json)
                printf("{\"queue\":\"%s\",\"died\":%" PRIu64 "}\n", queue, died);
        else if (died > 0)
                cli_say("join", "%s: %" PRIu64 " died meanwhile (penstock dead list --queue %s)",
                        queue, died, queue);
        return died > 0;
}

static int join_main(struct client *client, void *arg)
{
        const struct join_options *options = arg;
        PEN_CLEANUP(freep) uint64_t *dead = calloc(options->n_queues, sizeof(*dead));
        struct pen_timeout scope;
        bool died = false;
        int r = dead ? 0 : -ENOMEM;

        for (size_t i = 0; i < options->n_queues && r == 0; i++)
                r = look_at(client, options->queues[i], &dead[i]);
        if (r < 0)
                return r;
        pen_timeout_begin(&scope, options->timeout);
        r = pen_timeout_end(&scope, join_all(client, options));
        if (r == -ETIME)
                client_fail(client, r, "there is still work after %llus",
                            (unsigned long long)(options->timeout / PEN_SEC));
        for (size_t i = 0; i < options->n_queues && r >= 0; i++) {
                r = report(client, options, options->queues[i], dead[i]);
                died |= r > 0;
        }
        if (r < 0)
                return r;
        r = cli_flush("join");
        return r > 0 ? r : died ? EXIT_JOBS_FAILED : EXIT_WELL;
}

static int join_verb(const struct place *place, int argc, char **argv)
{
        struct join_options options = { .place = *place, .timeout = PEN_FOREVER };
        int index, r = options_parse(&table, argc, argv, &options, &index);

        if (r >= 0)
                return r;
        if (index == argc)
                return cli_usage_error("join", "which QUEUE?");
        options.queues = argv + index;
        options.n_queues = (size_t)(argc - index);
        return client_run(&options.place, "join", join_main, &options);
}

const struct verb verb_join = { "join", "wait until queues are empty", join_verb };
