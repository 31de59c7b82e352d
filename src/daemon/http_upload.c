/* Many jobs come in, one on each line: pushed in batches while the rest is still being sent, and answered at the
 * end. While a batch is pushed nothing is read, so a full queue holds back the peer.
 *
 * A line that is refused for its own sake stops nobody. But once the queue is full (and no room came within
 * ?wait=) or the store is away, the rest is refused unseen: what was stored is the beginning, in order, and the
 * peer goes on from there.
 */
#include <daemon/http_call.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BATCH 64

/* So many bytes of answers, a line each; then equal ones that follow each other share one, and with twice as many
 * the rest is refused. */
#define ANSWERS_MAX ((size_t)16 << 20)

enum fate {
        FATE_NONE,
        FATE_STORED,
        FATE_EXISTS,
        FATE_INVALID,
        FATE_TOO_LARGE,
        FATE_CONFLICT,
        FATE_FULL,
        FATE_UNAVAILABLE,
        FATE_TOO_MANY,
};

static const struct {
        const char *name;
        unsigned status;
} fates[] = {
        [FATE_STORED] = { "stored", 202 },           [FATE_EXISTS] = { "exists", 202 },
        [FATE_INVALID] = { "invalid", 400 },         [FATE_TOO_LARGE] = { "too_large", 413 },
        [FATE_CONFLICT] = { "conflict", 409 },       [FATE_FULL] = { "full", 429 },
        [FATE_UNAVAILABLE] = { "unavailable", 503 }, [FATE_TOO_MANY] = { "too_many", 413 },
};

struct upload {
        struct api_call *call;
        pen_usec wait;
        size_t line_max;

        struct buffer text;    /* what has come and was not looked at, but for */
        size_t searched;       /* this, which has no line end */
        uint64_t line;         /* number of the last one */
        bool skipping;         /* the line is too large: to its end */
        enum fate stopped;     /* what becomes of the rest */
        struct buffer scratch; /* of the JSON */

        struct push batch[BATCH];
        size_t n;

        struct buffer answers;
        struct { /* equal answers that are not written yet */
                enum fate fate;
                uint64_t line, n;
        } run;
        unsigned status; /* of the first line that was refused */
        uint64_t n_answered;
};

static void drop_batch(struct upload *u)
{
        while (u->n > 0)
                job_unref(u->batch[--u->n].job);
}

static void upload_deinit(struct upload *u)
{
        drop_batch(u);
        buffer_deinit(&u->text);
        buffer_deinit(&u->scratch);
        buffer_deinit(&u->answers);
}

/* --- answers ------------------------------------------------------------------------------------ */

static int write_run(struct upload *u)
{
        uint64_t n = u->run.n;

        u->run.n = 0;
        if (n == 0)
                return 0;
        return buffer_printf(&u->answers, "{\"line\":%llu,\"lines\":%llu,\"status\":\"%s\"}\n",
                             (unsigned long long)u->run.line, (unsigned long long)n,
                             fates[u->run.fate].name);
}

static int write_answer(struct upload *u, uint64_t line, enum fate fate, const char *id,
                        const char *error)
{
        struct buffer *to = &u->answers;
        int r;

        r = buffer_printf(to, "{\"line\":%llu,\"status\":\"%s\"", (unsigned long long)line,
                          fates[fate].name);
        if (r == 0 && id)
                r = buffer_printf(to, ",\"id\":\"%s\"", id);
        if (r == 0 && error) {
                r = buffer_printf(to, ",\"error\":");
                if (r == 0)
                        r = json_write_string(to, error, strlen(error));
        }
        return r < 0 ? r : buffer_append(to, "}\n", 2);
}

/* In the order of the lines. `id` and `error` may be NULL. */
static int upload_answer(struct upload *u, uint64_t line, enum fate fate, const char *id,
                         const char *error)
{
        int r = 0;

        u->n_answered++;
        if (u->status == 202 && fates[fate].status != 202)
                u->status = fates[fate].status;
        if (buffer_size(&u->answers) < ANSWERS_MAX)
                return write_answer(u, line, fate, id, error);
        if (u->run.fate != fate)
                r = write_run(u);
        if (u->run.n++ == 0) {
                u->run.fate = fate;
                u->run.line = line;
        }
        if (buffer_size(&u->answers) >= 2 * ANSWERS_MAX && !u->stopped)
                u->stopped = FATE_TOO_MANY;
        return r;
}

/* --- batches ------------------------------------------------------------------------------------ */

static enum fate fate_of(const struct push *push)
{
        switch (push->result) {
        case PUSH_STORED:
                return FATE_STORED;
        case PUSH_EXISTS:
                return FATE_EXISTS;
        case PUSH_CONFLICT:
                return FATE_CONFLICT;
        case PUSH_FULL:
                return FATE_FULL;
        case PUSH_PENDING:
                break;
        }
        return FATE_UNAVAILABLE;
}

static int answer_push(struct upload *u, const struct push *push)
{
        enum fate fate = fate_of(push);

        if (fate == FATE_FULL || fate == FATE_UNAVAILABLE)
                u->stopped = fate;
        return upload_answer(u, push->job->source, fate, push->job->fields.id,
                             fate == FATE_CONFLICT ? "the id is that of a job with another payload "
                                                     "or type"
                                                   : NULL);
}

/* Waits for room for those that have found none, one after the other, until one has waited in vain. */
static int wait_for_room(struct upload *u, struct store_queue *store)
{
        int r = 0;

        for (size_t i = 0; i < u->n && r == 0; i++) {
                if (u->batch[i].result != PUSH_FULL)
                        continue;
                r = http_push_waiting(store, &u->batch[i], u->wait);
                if (u->batch[i].result == PUSH_FULL)
                        break;
        }
        return r;
}

/* Stores what has been gathered, and answers its lines. */
static int upload_flush(struct upload *u)
{
        const struct api_host *host = &u->call->options->host;
        struct api_queue queue;
        int r = 0;

        if (u->n == 0)
                return 0;
        /* Found anew each time: we have been suspended. If it has gone nothing is pushed. */
        if (host->find(host->data, u->call->segments[2], &queue)) {
                r = http_push_now(u->call, queue.store, u->batch, u->n);
                if (r == 0 && u->wait > 0)
                        r = wait_for_room(u, queue.store);
        }
        if (r == -ETIME)
                r = 0; /* the fate of those says it */
        for (size_t i = 0; i < u->n && r == 0; i++)
                r = answer_push(u, &u->batch[i]);
        drop_batch(u);
        return r;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* A line that is refused for what it is. Those before it are answered first. */
static int refuse(struct upload *u, enum fate fate, const char *error)
{
        uint64_t line = u->line;
        int r = upload_flush(u);

        return r < 0 ? r : upload_answer(u, line, fate, NULL, error);
}

static int add_job(struct upload *u, const struct job_fields *fields)
{
        const struct api_host *host = &u->call->options->host;
        char error[INTAKE_ERROR_SIZE];
        struct api_queue queue;
        struct job *job;
        int r;

        if (!host->find(host->data, u->call->segments[2], &queue)) {
                u->stopped = FATE_UNAVAILABLE;
                return refuse(u, FATE_UNAVAILABLE, NULL);
        }
        r = intake_make(queue.intake, fields, u->line, &job, error);
        if (r == -EINVAL || r == -EMSGSIZE)
                return refuse(u, r == -EINVAL ? FATE_INVALID : FATE_TOO_LARGE, error);
        if (r < 0)
                return r;
        u->batch[u->n++] = (struct push){ .job = job };
        return u->n == BATCH ? upload_flush(u) : 0;
}

static bool is_blank(const char *text, size_t size)
{
        size_t n = 0;

        while (n < size && (text[n] == ' ' || text[n] == '\t' || text[n] == '\r'))
                n++;
        return n == size;
}

static int take_line(struct upload *u, const char *text, size_t size)
{
        struct job_fields fields;
        struct json_error error;
        char message[sizeof(error.text) + 32];
        int r;

        http_request_renew(u->call->request);
        if (u->stopped)
                return upload_answer(u, u->line, u->stopped, NULL, NULL);
        r = json_to_job(text, size, &u->scratch, &fields, &error);
        if (r == -EINVAL) {
                snprintf(message, sizeof(message), "byte %zu: %s", error.offset + 1, error.text);
                return refuse(u, FATE_INVALID, message);
        }
        return r < 0 ? r : add_job(u, &fields);
}

static int too_large(struct upload *u)
{
        char message[64];

        if (u->stopped)
                return upload_answer(u, u->line, u->stopped, NULL, NULL);
        snprintf(message, sizeof(message), "a line has at most %zu bytes", u->line_max);
        return refuse(u, FATE_TOO_LARGE, message);
}

/* A line of `size` bytes stands at the beginning of the text; `end` is what its end takes. */
static int end_line(struct upload *u, size_t size, size_t end)
{
        const char *text = buffer_data(&u->text);
        int r = 0;

        u->line++;
        if (u->skipping || size > u->line_max)
                r = too_large(u);
        else if (!is_blank(text, size))
                r = take_line(u, text, size);
        u->skipping = false;
        u->searched = 0;
        buffer_consume(&u->text, size + end);
        return r;
}

/* Takes the lines that are there as a whole. Of one that is too large nothing is kept. */
static int take_lines(struct upload *u)
{
        int r = 0;

        while (r == 0 && buffer_size(&u->text) > u->searched) {
                const char *text = buffer_data(&u->text);
                const char *end =
                        memchr(text + u->searched, '\n', buffer_size(&u->text) - u->searched);

                if (end) {
                        r = end_line(u, (size_t)(end - text), 1);
                        continue;
                }
                u->searched = buffer_size(&u->text);
                if (u->skipping || u->searched > u->line_max) {
                        u->skipping = true;
                        u->searched = 0;
                        buffer_clear(&u->text);
                }
        }
        return r < 0 ? r : upload_flush(u);
}

/* What stands behind the last line end is a line too. */
static int take_rest(struct upload *u)
{
        int r;

        if (buffer_size(&u->text) == 0 && !u->skipping)
                return 0;
        r = buffer_append(&u->text, "\0", 1);
        if (r == 0)
                r = end_line(u, buffer_size(&u->text) - 1, 1);
        return r < 0 ? r : upload_flush(u);
}

static int say_fates(struct upload *u)
{
        struct http_reply *reply = u->call->reply;
        int r = write_run(u);

        if (r < 0)
                return r;
        if (u->n_answered == 0)
                return http_problem(u->call, 400, "there is no job in the body");
        reply->status = u->status;
        reply->type = "application/x-ndjson";
        reply->body = u->answers;
        u->answers = (struct buffer){ 0 };
        if (u->status == 429 || u->status == 503)
                http_header(u->call, "Retry-After", "1");
        return 0;
}

static int upload_run(struct upload *u)
{
        ssize_t n;
        int r;

        do {
                n = http_request_read(u->call->request, &u->text);
                r = n < 0 ? (int)n : n > 0 ? take_lines(u) : take_rest(u);
        } while (n > 0 && r == 0);
        return r < 0 ? r : say_fates(u);
}

int http_push_many(struct api_call *call, pen_usec wait)
{
        struct upload *u = calloc(1, sizeof(*u));
        int r;

        if (!u)
                return -ENOMEM;
        u->call = call;
        u->wait = wait;
        u->line_max = http_job_size_max(call->options);
        u->status = 202;
        r = upload_run(u);
        upload_deinit(u);
        free(u);
        return r;
}
