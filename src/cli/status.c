/* penstock status: the queues at a glance. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cli/cli.h>
#include <cli/client.h>
#include <cli/table.h>

struct status_options {
        struct place place;
        bool json;
};

static const struct option_row rows[] = {
        PLACE_OPTIONS(struct status_options, place.),
        OPTION(FLAG, struct status_options, json, .name = "json",
               .help = "a line of JSON for each queue"),
};

static const struct option_table table = {
        .verb = "status",
        .head = "Usage: penstock status [OPTION…]\n"
                "\n"
                "Shows the queues: the jobs that are ready, delayed and running now, the dead letters\n"
                "that are kept, and how many jobs have ended, by outcome.\n"
                "\n",
        .tail = "\n"
                "Exit: 0 well, 2 usage, 69 the store or the daemon does not answer, 78 configuration.\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

static void print_json(const struct queue_state *s)
{
        const struct store_counts *c = &s->counts;

        /* A name needs no escapes. */
        printf("{\"queue\":\"%s\",\"ready\":%" PRIu64 ",\"delayed\":%" PRIu64
               ",\"running\":%" PRIu64 ",\"dead_letters\":%" PRIu64 ",\"done\":%" PRIu64
               ",\"dead\":%" PRIu64 ",\"expired\":%" PRIu64 ",\"cancelled\":%" PRIu64
               ",\"duplicates\":%" PRIu64 ",\"conflicts\":%" PRIu64,
               s->name, c->ready, c->delayed, c->running, c->dead_letters, c->done, c->dead,
               c->expired, c->cancelled, c->duplicates, c->conflicts);
        if (s->by_daemon)
                printf(",\"buffered\":%" PRIu64 ",\"paused\":%s", s->buffered,
                       s->paused ? "true" : "false");
        puts("}");
}

struct column {
        struct table_column head;
        size_t offset; /* of its number in struct queue_state */
};

#define NUMBER(name, member)                                                              \
        {                                                                                 \
                { .title = (name), .right = true }, offsetof(struct queue_state, member), \
        }

static const struct column columns[] = {
        NUMBER("READY", counts.ready),
        NUMBER("DELAYED", counts.delayed),
        NUMBER("BUFFERED", buffered),
        NUMBER("RUNNING", counts.running),
        NUMBER("LETTERS", counts.dead_letters),
        NUMBER("DONE", counts.done),
        NUMBER("DEAD", counts.dead),
        NUMBER("EXPIRED", counts.expired),
        NUMBER("CANCELLED", counts.cancelled),
};

/* What a daemon alone can tell. */
static bool is_shown(const struct column *column, const struct queue_state *states)
{
        return column->offset != offsetof(struct queue_state, buffered) || states[0].by_daemon;
}

static int add_row(struct table *t, const struct queue_state *s)
{
        int r = table_add(t, TABLE_PLAIN, "%s%s", s->name, s->paused ? " (paused)" : "");

        for (size_t i = 0; i < ARRAY_SIZE(columns) && r == 0; i++) {
                const uint64_t *number = (const void *)((const char *)s + columns[i].offset);
                bool bad = number == &s->counts.dead_letters && *number > 0;

                if (is_shown(&columns[i], s))
                        r = table_add(t, bad ? TABLE_BAD : TABLE_PLAIN, "%" PRIu64, *number);
        }
        return r;
}

static int print_table(const struct queue_state *states, size_t n)
{
        struct table_column heads[1 + ARRAY_SIZE(columns)] = { { .title = "QUEUE",
                                                                 .shrinks = true } };
        PEN_CLEANUP(table_deinit) struct table t;
        size_t n_heads = 1;
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
                if (is_shown(&columns[i], states))
                        heads[n_heads++] = columns[i].head;
        table_init(&t, heads, n_heads);
        for (size_t i = 0; i < n && r == 0; i++)
                r = add_row(&t, &states[i]);
        return r < 0 ? r : table_print(&t);
}

static int status_main(struct client *client, void *arg)
{
        const struct status_options *options = arg;
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        ssize_t n = client->class->status(client, NULL, &states);
        int r = 0;

        if (n < 0)
                return (int)n;
        if (options->json)
                for (ssize_t i = 0; i < n; i++)
                        print_json(&states[i]);
        else if (n > 0)
                r = print_table(states, (size_t)n);
        else
                cli_say("status", "there are no queues yet: none was ever pushed to");
        return r < 0 ? r : cli_flush("status");
}

static int status_verb(const struct place *place, int argc, char **argv)
{
        struct status_options options = { .place = *place };
        int index, r = options_parse(&table, argc, argv, &options, &index);

        if (r >= 0)
                return r;
        if (index < argc)
                return cli_usage_error("status", "%s: it takes no words, only options",
                                       argv[index]);
        return client_run(&options.place, "status", status_main, &options);
}

const struct verb verb_status = { "status", "the queues at a glance", status_verb };
