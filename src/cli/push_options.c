#include <cli/push_options.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/parse.h>
#include <cli/cli.h>

#define NO_MEMORY "what there is memory for"

/* --- fields of a job: each option becomes a member of a JSON object ------------------------------ */

static int write_member(struct buffer *to, const char *name, size_t size, const char *value,
                        bool quoted)
{
        int r = 0;

        if (buffer_size(to) > 0)
                r = buffer_append(to, ",", 1);
        if (r == 0)
                r = json_write_string(to, name, size);
        if (r == 0)
                r = buffer_append(to, ":", 1);
        if (r < 0)
                return r;
        return quoted ? json_write_string(to, value, strlen(value))
                      : buffer_append(to, value, strlen(value));
}

/* "max-attempts" is the field `max_attempts`. */
static void name_field(const char *option, char *to, size_t size)
{
        snprintf(to, size, "%s", option);
        for (; *to; to++)
                if (*to == '-')
                        *to = '_';
}

static const char *take_field(void *arg, const struct option_row *row, const char *value)
{
        struct push_options *options = arg;
        char name[32];
        uint64_t number;
        bool is_number = parse_u64(value, &number) == 0;

        if (!json_is_utf8(value, strlen(value)))
                return "UTF-8";
        name_field(row->name, name, sizeof(name));
        /* A number is one to JSON; but an id or a type of digits is a text. */
        return write_member(&options->fields, name, strlen(name), value, !(row->max && is_number)) <
                               0
                       ? NO_MEMORY
                       : NULL;
}

static const char *take_meta(void *arg, const struct option_row *row, const char *value)
{
        struct push_options *options = arg;
        const char *equals = strchr(value, '=');

        (void)row;
        if (!equals || !json_is_utf8(value, strlen(value)))
                return "NAME=VALUE, in UTF-8";
        return write_member(&options->meta, value, (size_t)(equals - value), equals + 1, true) < 0
                       ? NO_MEMORY
                       : NULL;
}

#define FIELD(the_name, ...)                                                              \
        {                                                                                 \
                .name = (the_name), .kind = OPTION_TAKEN, .take = take_field, __VA_ARGS__ \
        }
#define MAY_BE_NUMBER .max = 1

static const struct option_row rows[] = {
        PLACE_OPTIONS(struct push_options, place.),
        OPTION(TEXT, struct push_options, jsonl, .name = "jsonl", .value = "FILE",
               .help = "push a job for each line of FILE (-: standard input), a JSON object\n"
                       "with the fields below and payload or payload_base64"),
        FIELD("id", .value = "ID", .help = "of the job: pushed again, it is stored once"),
        FIELD("type", .value = "TYPE", .help = "a label for the handler, or what chooses it"),
        FIELD("delay", .value = "D", .help = "start so much later, like 500ms, 30s, 2h"),
        FIELD("run-at", .value = "TIME", MAY_BE_NUMBER,
              .help = "start then: RFC 3339, or epoch milliseconds"),
        FIELD("timeout", .value = "D", .help = "limit of one attempt"),
        FIELD("expires-at", .value = "TIME", MAY_BE_NUMBER,
              .help = "not started by then, it ends as expired"),
        FIELD("max-attempts", .value = "N", MAY_BE_NUMBER, .help = "the first one included"),
        FIELD("traceparent", .value = "T", .help = "W3C trace context, handed to the handler"),
        { .name = "meta",
          .value = "NAME=VALUE",
          .kind = OPTION_TAKEN,
          .take = take_meta,
          .help = "a short string of yours, handed to the handler; may be repeated" },
        FIELD("unique", .value = "KEY",
              .help = "not carried out yet; as keep, group, after-group, then"),
        FIELD("keep", .value = "D", .help = NULL),
        FIELD("group", .value = "G", .help = NULL),
        FIELD("after-group", .value = "G", .help = NULL),
        FIELD("then", .value = "JOB", .help = NULL),
        OPTION(FLAG, struct push_options, no_wait, .name = "no-wait",
               .help = "if the queue is full, say so and store nothing, instead of waiting"),
        OPTION(FLAG, struct push_options, json, .name = "json",
               .help = "a line of JSON for each job"),
};

static const struct option_table table = {
        .verb = "push",
        .head = "Usage: penstock push [OPTION…] QUEUE [PAYLOAD|-]\n"
                "       penstock push [OPTION…] QUEUE --jsonl FILE|-\n"
                "\n"
                "Stores a job, and prints its id; or those of a file. PAYLOAD `-` is standard input, bit\n"
                "for bit; one that begins with `-` goes behind `--`.\n"
                "\n",
        .tail = "\n"
                "Exit: 0 all are stored (or were already), 1 some were refused (full, or an id with\n"
                "another payload), 2 usage or lines that are no jobs, 69 the store or the daemon does not\n"
                "answer, 78 configuration.\n"
                "\n"
                "Examples:\n"
                "  penstock push emails '{\"to\":\"a@example.org\"}' --id welcome-17 --delay 5m\n"
                "  penstock push thumbs - --meta name=cat.png < cat.png\n"
                "  zcat jobs.jsonl.gz | penstock push imports --jsonl -\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

int push_options_read_job(const struct push_options *options, struct buffer *text,
                          struct buffer *scratch, struct job_fields *ret, struct json_error *error)
{
        const struct buffer *fields = &options->fields, *meta = &options->meta;
        int r = buffer_append(text, "{", 1);

        if (r == 0)
                r = buffer_append(text, buffer_data(fields), buffer_size(fields));
        if (r == 0 && buffer_size(meta) > 0)
                r = buffer_printf(text, "%s\"meta\":{%.*s}", buffer_size(fields) > 0 ? "," : "",
                                  (int)buffer_size(meta), buffer_data(meta));
        if (r == 0)
                r = buffer_append(text, "}", 1);
        return r < 0 ? r : json_to_job(buffer_data(text), buffer_size(text), scratch, ret, error);
}

/* --- all of it ---------------------------------------------------------------------------------- */

void push_options_deinit(struct push_options *options)
{
        buffer_deinit(&options->fields);
        buffer_deinit(&options->meta);
}

static const char *describe_problem(const struct push_options *o, int n_words)
{
        if (n_words == 0)
                return "which QUEUE?";
        if (o->jsonl && n_words > 1)
                return "either PAYLOAD or --jsonl";
        if (o->jsonl && buffer_size(&o->fields) + buffer_size(&o->meta) > 0)
                return "with --jsonl the fields of the jobs stand in its lines";
        if (n_words > 2)
                return "one PAYLOAD; is a quote missing?";
        return NULL;
}

int push_options_parse(const struct place *place, int argc, char **argv, struct push_options *ret)
{
        const char *problem;
        int index, r;

        *ret = (struct push_options){ .place = *place };
        r = options_parse(&table, argc, argv, ret, &index);
        if (r >= 0)
                return r;
        problem = describe_problem(ret, argc - index);
        if (problem)
                return cli_usage_error("push", "%s", problem);
        ret->queue = argv[index];
        ret->payload = argc - index > 1 ? argv[index + 1] : NULL;
        if (!parse_is_name(ret->queue, strlen(ret->queue)))
                return cli_usage_error(
                        "push", "%s is not the name of a queue: 1 to 64 of A-Z a-z 0-9 _ . -",
                        ret->queue);
        return -1;
}
