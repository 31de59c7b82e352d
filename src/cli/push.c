/* penstock push: a job, or a file of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cli/cli.h>
#include <cli/client.h>
#include <cli/push_file.h>
#include <cli/push_options.h>
#include <cli/push_report.h>

#define READ_AT_ONCE ((size_t)64 << 10)
#define PAYLOAD_READ_MAX ((size_t)1 << 30) /* what it may be is for the configuration to say */

/* --- one job ------------------------------------------------------------------------------------ */

struct single {
        const struct push_options *options;
        struct job_fields fields;
        struct buffer text, scratch, payload;
};

static void single_deinit(struct single *s)
{
        buffer_deinit(&s->text);
        buffer_deinit(&s->scratch);
        buffer_deinit(&s->payload);
}

static int read_standard_input(struct buffer *to)
{
        ssize_t n;
        char *room;
        int r;

        do {
                r = buffer_reserve(to, READ_AT_ONCE, &room);
                if (r < 0)
                        return r;
                n = read(STDIN_FILENO, room, READ_AT_ONCE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buffer_added(to, (size_t)n);
                if (buffer_size(to) > PAYLOAD_READ_MAX)
                        return -EFBIG;
        } while (n != 0);
        return 0;
}

/* -1: well; else the exit code. */
static int make_fields(struct single *s)
{
        const struct push_options *o = s->options;
        struct json_error error;
        int r = push_options_read_job(o, &s->text, &s->scratch, &s->fields, &error);

        if (r == -EINVAL)
                return cli_usage_error("push", "%s", error.text);
        if (r == 0 && o->payload && !strcmp(o->payload, "-")) {
                r = read_standard_input(&s->payload);
                s->fields.payload =
                        (struct bytes){ buffer_data(&s->payload), buffer_size(&s->payload) };
        } else if (o->payload) {
                s->fields.payload = (struct bytes){ o->payload, strlen(o->payload) };
        }
        if (r == 0)
                return -1;
        cli_say("push", "standard input: %s", strerror(-r));
        return EXIT_USAGE;
}

static int print_result(const struct single *s, const struct push *push, const char *refusal)
{
        PEN_CLEANUP(buffer_deinit) struct buffer line = { 0 };
        const char *trouble = refusal ? refusal : push_result_trouble(push->result);
        const char *id = push->job->fields.id;
        int r;

        if (s->options->json) {
                r = push_write_json(&line, 0, id, push->result, refusal);
                if (r < 0)
                        return r;
                fwrite(buffer_data(&line), 1, buffer_size(&line), stdout);
        } else if (trouble) {
                cli_say("push", "%s", trouble);
        } else {
                if (push->result == PUSH_EXISTS)
                        cli_say("push", "this job was pushed before: it is stored once");
                puts(id ? id : "");
        }
        return cli_flush("push");
}

static int single_main(struct client *client, void *arg)
{
        struct single *s = arg;
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        PEN_CLEANUP(freep) char *refusal = NULL;
        struct push_counts counts = { 0 };
        struct push push;
        char error[INTAKE_ERROR_SIZE];
        int r;

        r = client_check_queue(client, s->options->queue, error);
        if (r == 0)
                r = client_make_job(client, s->options->queue, &s->fields, 0, &job, error);
        if (r < 0)
                return r == -EINVAL ? client_fail(client, r, "%s", error) : r;
        push = (struct push){ .job = job };
        r = client->class->push(client, s->options->queue, &push, &refusal, 1,
                                !s->options->no_wait);
        if (r < 0)
                return r;
        push_count(&counts, push.result, refusal);
        r = print_result(s, &push, refusal);
        return r != 0 ? r : push_exit_code(&counts);
}

static int push_single(const struct push_options *options)
{
        PEN_CLEANUP(single_deinit) struct single s = { .options = options };
        int r = make_fields(&s);

        return r >= 0 ? r : client_run(&options->place, "push", single_main, &s);
}

/* --- the verb ----------------------------------------------------------------------------------- */

static int push_verb(const struct place *place, int argc, char **argv)
{
        PEN_CLEANUP(push_options_deinit) struct push_options options;
        int r = push_options_parse(place, argc, argv, &options);

        if (r >= 0)
                return r;
        return options.jsonl ? push_file(&options) : push_single(&options);
}

const struct verb verb_push = { "push", "store a job, or a file of them", push_verb };
