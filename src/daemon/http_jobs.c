/* One job comes in. */
#include <daemon/http_call.h>

#include <errno.h>
#include <strings.h>

#include <penstock/timeout.h>

#define BYTE_AS_JSON 6 /* bytes, at most: as \u0001 */
#define OTHER_FIELDS_MAX ((uint64_t)64 << 10)

size_t http_job_size_max(const struct api_options *options)
{
        return (size_t)(MIN(options->payload_max, (uint64_t)SIZE_MAX / 16) * BYTE_AS_JSON +
                        OTHER_FIELDS_MAX);
}

bool http_is_ready(struct api_call *call)
{
        const struct api_host *host = &call->options->host;

        if (host->ready(host->data))
                return true;
        http_problem(call, 503, "the store does not answer, or the daemon is stopping");
        http_header(call, "Retry-After", "1");
        return false;
}

int http_push_now(struct api_call *call, struct store_queue *store, struct push *pushes, size_t n)
{
        struct pen_timeout scope;

        pen_timeout_begin(&scope, call->options->request_timeout);
        return pen_timeout_end(&scope, store_push(store, pushes, n, false));
}

int http_push_waiting(struct store_queue *store, struct push *push, pen_usec usec)
{
        struct pen_timeout scope;
        int r;

        push->result = PUSH_PENDING;
        pen_timeout_begin(&scope, usec);
        r = pen_timeout_end(&scope, store_push(store, push, 1, true));
        if (r != -ETIME)
                return r;
        if (push->result == PUSH_PENDING)
                push->result = PUSH_FULL;
        return 0;
}

static int say_result(struct api_call *call, const struct push *push, pen_usec wait)
{
        const char *id = push->job->fields.id;

        switch (push->result) {
        case PUSH_STORED:
        case PUSH_EXISTS:
                call->reply->status = 202;
                return buffer_printf(&call->reply->body, "{\"id\":\"%s\",\"status\":\"%s\"}\n", id,
                                     push->result == PUSH_STORED ? "stored" : "exists");
        case PUSH_CONFLICT:
                return http_problem(call, 409,
                                    "the id %s is that of a job with another payload or type", id);
        default:
                http_header(call, "Retry-After", "1");
                return http_problem(call, 429, "the queue %s is full%s", call->segments[2],
                                    wait > 0 ? "" : "; ?wait=5s waits for room");
        }
}

static int push_fields(struct api_call *call, const struct job_fields *fields, pen_usec wait)
{
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        char error[INTAKE_ERROR_SIZE];
        struct api_queue queue;
        struct push push;
        int r;

        if (!http_queue(call, &queue))
                return 0;
        r = intake_make(queue.intake, fields, 0, &job, error);
        if (r == -EMSGSIZE || r == -EINVAL)
                return http_problem(call, r == -EINVAL ? 400 : 413, "%s", error);
        if (r < 0)
                return r;
        push = (struct push){ .job = job };
        r = http_push_now(call, queue.store, &push, 1);
        if (r == 0 && push.result == PUSH_FULL && wait > 0)
                r = http_push_waiting(queue.store, &push, wait);
        return r < 0 ? r : say_result(call, &push, wait);
}

static int push_one(struct api_call *call, pen_usec wait)
{
        PEN_CLEANUP(buffer_deinit) struct buffer body = { 0 };
        PEN_CLEANUP(buffer_deinit) struct buffer scratch = { 0 };
        size_t max = http_job_size_max(call->options);
        struct job_fields fields;
        struct json_error error;
        int r;

        r = http_read_all(call, max, &body);
        if (r == -EMSGSIZE)
                return http_problem(call, 413, "a job as JSON has at most %zu bytes", max);
        if (r < 0)
                return r;
        r = json_to_job(buffer_data(&body), buffer_size(&body), &scratch, &fields, &error);
        if (r == -EINVAL)
                return http_problem(call, 400, "byte %zu: %s", error.offset + 1, error.text);
        return r < 0 ? r : push_fields(call, &fields, wait);
}

int http_push(struct api_call *call)
{
        const char *encoding = http_request_header(call->request, "Content-Encoding");
        bool many = http_is_type(call, "application/x-ndjson");
        struct api_queue queue;
        pen_usec wait = 0;

        if (!http_queue(call, &queue) || !http_duration(call, "wait", &wait))
                return 0;
        if (!many && !http_is_type(call, "application/json"))
                return http_problem(call, 415,
                                    "send one job as application/json, or one on each line as "
                                    "application/x-ndjson: say which in Content-Type");
        if (encoding && strcasecmp(encoding, "identity") != 0)
                return http_problem(call, 415, "the body must not be encoded");
        if (!http_is_ready(call))
                return 0;
        return many ? http_push_many(call, wait) : push_one(call, wait);
}
