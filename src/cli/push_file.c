#include <cli/push_file.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cli/cli.h>
#include <cli/client.h>
#include <cli/lines.h>
#include <cli/progress.h>
#include <cli/push_report.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/queue.h>
#include <penstock/task.h>

#define BATCH_JOBS 256
#define BATCH_BYTES ((size_t)1 << 20)
#define PUSHERS 2
#define TOLD_MAX 10 /* lines that are told one by one */

struct batch {
        size_t n, bytes;
        struct push pushes[BATCH_JOBS]; /* job->source is the line */
        char *refusals[BATCH_JOBS];
};

struct file_push {
        const struct push_options *options;
        struct client *client;
        struct lines lines;
        struct buffer scratch, json;
        struct pen_queue *batches; /* full ones, to the pushers */
        struct batch *batch;       /* that is being filled; NULL: none */
        struct progress progress;
        struct push_counts counts;
        uint64_t told;
        int unread;          /* why the file could not be read to its end; 0: it was */
        uint64_t first_open; /* after a failure: the first line that was not acknowledged */
        pen_usec began;
};

/* --- words -------------------------------------------------------------------------------------- */

static void tell(struct file_push *f, uint64_t line, const char *what)
{
        if (f->told++ < TOLD_MAX)
                progress_say(&f->progress, "line %" PRIu64 ": %s", line, what);
        if (f->told == TOLD_MAX)
                progress_say(&f->progress, "further ones are only counted%s",
                             f->options->json ? "" : "; --json has all");
}

static void print_json(struct file_push *f, uint64_t line, const char *id, enum push_result result,
                       const char *error)
{
        buffer_clear(&f->json);
        if (push_write_json(&f->json, line, id, result, error) == 0)
                fwrite(buffer_data(&f->json), 1, buffer_size(&f->json), stdout);
}

/* A line that cannot be a job. The others go on. */
static void refuse_line(struct file_push *f, uint64_t line, const char *why)
{
        f->counts.invalid++;
        tell(f, line, why);
        if (f->options->json)
                print_json(f, line, NULL, PUSH_PENDING, why);
}

static void report_one(struct file_push *f, const struct push *push, const char *refusal)
{
        const char *trouble = refusal ? refusal : push_result_trouble(push->result);
        uint64_t line = push->job->source;

        push_count(&f->counts, push->result, refusal);
        if (trouble)
                tell(f, line, trouble);
        if (f->options->json)
                print_json(f, line, push->job->fields.id, push->result, refusal);
        if (push->result == PUSH_PENDING && !refusal)
                f->first_open = MIN(f->first_open, line);
}

/* --- batches ------------------------------------------------------------------------------------ */

static void batch_free(struct batch *batch)
{
        if (!batch)
                return;
        for (size_t i = 0; i < batch->n; i++) {
                job_unref(batch->pushes[i].job);
                free(batch->refusals[i]);
        }
        free(batch);
}

/* Those that no pusher has begun. */
static void leave_batch(struct file_push *f, struct batch *batch)
{
        if (batch && batch->n > 0)
                f->first_open = MIN(f->first_open, batch->pushes[0].job->source);
        batch_free(batch);
}

static void leave_batches(struct file_push *f)
{
        void *batch;

        leave_batch(f, TAKE(f->batch));
        while (pen_queue_get_nowait(f->batches, &batch) == 0)
                leave_batch(f, batch);
}

/* Nothing of the batch was done, and nothing of a further one would be. */
static bool is_refusal(int r)
{
        return r == -ENOTCONN || r == -ENOENT || r == -EACCES || r == -EINVAL;
}

static int push_batch(struct file_push *f, struct batch *batch)
{
        int r = f->client->class->push(f->client, f->options->queue, batch->pushes, batch->refusals,
                                       batch->n, !f->options->no_wait);

        if (is_refusal(r)) {
                leave_batch(f, batch);
                return r;
        }
        for (size_t i = 0; i < batch->n; i++)
                report_one(f, &batch->pushes[i], batch->refusals[i]);
        batch_free(batch);
        return r;
}

/* A pusher's task. */
static int push_batches(void *arg)
{
        struct file_push *f = arg;
        void *batch;
        int r;

        do {
                r = pen_queue_get(f->batches, &batch);
                if (r == 0)
                        r = push_batch(f, batch);
        } while (r == 0);
        return r == -EPIPE ? 0 : r;
}

/* --- reading ------------------------------------------------------------------------------------ */

static int send_batch(struct file_push *f)
{
        int r;

        if (!f->batch)
                return 0;
        r = pen_queue_put(f->batches, f->batch);
        if (r == 0)
                f->batch = NULL;
        return r;
}

static int add_job(struct file_push *f, struct job *job)
{
        struct batch *batch = f->batch;

        if (!batch)
                batch = f->batch = calloc(1, sizeof(*batch));
        if (!batch)
                return -ENOMEM;
        batch->pushes[batch->n++].job = job_ref(job);
        batch->bytes += job_size(job);
        return batch->n == BATCH_JOBS || batch->bytes >= BATCH_BYTES ? send_batch(f) : 0;
}

static int take_line(struct file_push *f, struct bytes line)
{
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        char text[INTAKE_ERROR_SIZE];
        struct job_fields fields;
        struct json_error error;
        int r = json_to_job(line.data, line.size, &f->scratch, &fields, &error);

        if (r == -EINVAL)
                snprintf(text, sizeof(text), "column %zu: %s", error.offset + 1, error.text);
        if (r == 0)
                r = client_make_job(f->client, f->options->queue, &fields, f->lines.number, &job,
                                    text);
        if (r == 0)
                return add_job(f, job);
        if (r == -EINVAL)
                refuse_line(f, f->lines.number, text);
        return r == -EINVAL ? 0 : r;
}

static int read_lines(struct file_push *f)
{
        struct bytes line;
        int r = 0;

        do {
                if (f->batch && !lines_ready(&f->lines)) /* who waits for more keeps nothing back */
                        r = send_batch(f);
                if (r < 0)
                        return r;
                r = lines_next(&f->lines, &line);
                if (r == -EMSGSIZE) {
                        refuse_line(f, f->lines.number + 1, "the line is longer than 8 MiB");
                        r = 1;
                } else if (r > 0) {
                        r = take_line(f, line);
                        r = r < 0 ? r : 1;
                }
        } while (r > 0);
        return r < 0 ? r : send_batch(f);
}

/* --- the summary -------------------------------------------------------------------------------- */

static uint64_t acknowledged(const struct file_push *f)
{
        return f->counts.stored + f->counts.exists;
}

static void update_progress(struct file_push *f)
{
        const struct push_counts *c = &f->counts;

        progress_update(&f->progress,
                        &(struct progress_numbers){
                                .ended = acknowledged(f) + c->conflicts + c->full + c->invalid,
                                .total = lines_estimate(&f->lines),
                                .failed = c->conflicts + c->full + c->invalid,
                                .running = -1,
                        });
}

static int show_progress(void *arg)
{
        int r;

        while ((r = pen_sleep(100 * PEN_MSEC)) == 0)
                update_progress(arg);
        return r;
}

static void add_count(char *to, size_t size, uint64_t n, const char *what)
{
        size_t used = strlen(to);

        if (n > 0)
                snprintf(to + used, size - used, ", %" PRIu64 " %s", n, what);
}

static void print_summary(const struct file_push *f)
{
        const struct push_counts *c = &f->counts;
        double seconds = (double)(pen_now() - f->began) / (double)PEN_SEC;
        char text[256];

        snprintf(text, sizeof(text), "%" PRIu64 " stored", c->stored);
        add_count(text, sizeof(text), c->exists, "were there already");
        add_count(text, sizeof(text), c->conflicts, "in conflict with an earlier job");
        add_count(text, sizeof(text), c->full, "found the queue full");
        add_count(text, sizeof(text), c->invalid, "are no jobs");
        if (seconds > 0)
                cli_say("push", "%s in %.2fs, %.0f/s", text, seconds,
                        (double)acknowledged(f) / seconds);
        else
                cli_say("push", "%s", text);
}

/* It did not come to its end. What was acknowledged is stored; what to do about the rest. */
static void print_interruption(const struct file_push *f)
{
        uint64_t again = f->first_open < UINT64_MAX ? f->first_open : f->lines.number + 1;

        cli_say("push",
                "%" PRIu64 " acknowledged, %" PRIu64
                " unknown: they may be stored or not; all lines before line %" PRIu64
                " were dealt with (to push a line twice is safe if its job has an id)",
                acknowledged(f), f->counts.unknown, again);
}

/* --- composing ---------------------------------------------------------------------------------- */

/* What was read is pushed. */
static int give_up_reading(struct file_push *f, int error)
{
        f->unread = error;
        progress_say(&f->progress, "%s: line %" PRIu64 " and what follows: %s", f->lines.name,
                     f->lines.number + 1, strerror(-error));
        return send_batch(f);
}

static int read_and_push(struct file_push *f)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *pushers = NULL;
        int r, joined;

        r = pen_group_create(&pushers);
        for (int i = 0; i < PUSHERS && r == 0; i++)
                r = pen_group_spawn(pushers, "pusher", push_batches, f, NULL);
        if (r < 0)
                return r;
        r = read_lines(f);
        if (r == -ECANCELED) /* a pusher's failure, or somebody's wish */
                pen_group_cancel(pushers);
        else if (r < 0)
                r = give_up_reading(f, r);
        pen_queue_shutdown(f->batches, false);
        joined = pen_group_join(pushers);
        return r == 0 || (r == -ECANCELED && joined < 0) ? joined : r;
}

static int file_main(struct client *client, void *arg)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *beside = NULL;
        struct file_push *f = arg;
        char error[INTAKE_ERROR_SIZE];
        int r, flushed;

        f->client = client;
        f->began = pen_now();
        progress_init(&f->progress, "push");
        if (client_check_queue(client, f->options->queue, error) < 0)
                return client_fail(client, -EINVAL, "%s", error);
        r = pen_queue_create(1, NULL, &f->batches);
        if (r == 0)
                r = pen_group_create(&beside);
        if (r == 0)
                r = pen_group_spawn(beside, "progress", show_progress, f, NULL);
        if (r == 0)
                r = read_and_push(f);
        progress_end(&f->progress);
        if (f->batches)
                leave_batches(f);
        pen_queue_free(f->batches);
        flushed = cli_flush("push");
        if (r < 0)
                print_interruption(f);
        else
                print_summary(f);
        if (r == 0)
                r = f->unread < 0 ? EXIT_USAGE : push_exit_code(&f->counts);
        return r != EXIT_WELL ? r : flushed;
}

int push_file(const struct push_options *options)
{
        static struct file_push f;
        int r;

        f = (struct file_push){ .options = options, .first_open = UINT64_MAX };
        r = lines_open(&f.lines, options->jsonl);
        if (r < 0)
                r = cli_usage_error("push", "%s: %s", f.lines.name, strerror(-r));
        else
                r = client_run(&options->place, "push", file_main, &f);
        lines_close(&f.lines);
        buffer_deinit(&f.scratch);
        buffer_deinit(&f.json);
        return r;
}
