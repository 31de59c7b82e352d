/* Responses whose body is read as it comes. */
#include <async/http.h>

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>

struct pen_http_stream {
        struct transfer *transfer;
        pen_usec deadline; /* on the loop's clock */
};

static bool has_head(const struct transfer *t)
{
        return t->headed;
}

static bool has_body(const struct transfer *t)
{
        return buffer_size(&t->body) > 0;
}

/* --- opening ------------------------------------------------------------------------------------ */

static int start(struct pen_http_client *client, const struct pen_http_request *request,
                 struct transfer **ret, char *error)
{
        struct transfer *t;
        int r;

        r = http_begin(client, request, /* streamed= */ true, error, &t);
        if (r < 0)
                return r;
        r = http_wait(t, has_head);
        if (r == 0 && !t->headed)
                r = http_judge(t, error);
        if (r < 0)
                http_end(t);
        else
                *ret = t;
        return r;
}

int pen_http_open(struct pen_http_client *client, const struct pen_http_request *request,
                  struct pen_http_stream **ret_stream, char error[ERROR_SIZE])
{
        pen_usec timeout = request->timeout > 0 ? request->timeout : PEN_FOREVER;
        struct pen_timeout scope;
        struct pen_http_stream *s;
        int r = task_checkpoint(client->loop->current);

        if (r < 0)
                return r;
        http_say(error, "%s", "");
        s = malloc(sizeof(*s));
        if (!s)
                return http_explain(request, -ENOMEM, error);
        s->deadline = time_after(client->loop->now, timeout);
        pen_timeout_begin(&scope, timeout);
        r = pen_timeout_end(&scope, start(client, request, &s->transfer, error));
        if (r < 0)
                free(s);
        else
                *ret_stream = s;
        return http_explain(request, r, error);
}

int pen_http_stream_status(const struct pen_http_stream *stream)
{
        return stream->transfer->status;
}

int pen_http_stream_header(const struct pen_http_stream *stream, const char *name, char *value,
                           size_t size)
{
        const struct buffer *head = &stream->transfer->head;

        return http_find_header(buffer_data(head), buffer_size(head), name, value, size);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* A body that comes as fast as it is read runs out of time as well; not one that is here. */
static int wait_for_body(struct pen_http_stream *s)
{
        struct transfer *t = s->transfer;
        pen_usec now = t->client->loop->now;
        struct pen_timeout scope;

        if (t->done)
                return 0;
        if (now >= s->deadline)
                return -ETIME;
        if (has_body(t))
                return 0;
        pen_timeout_begin(&scope, s->deadline == PEN_FOREVER ? PEN_FOREVER : s->deadline - now);
        return pen_timeout_end(&scope, http_wait(t, has_body));
}

static ssize_t take_body(struct transfer *t, void *data, size_t size)
{
        size_t n = MIN(size, buffer_size(&t->body));

        memcpy(data, buffer_data(&t->body), n);
        buffer_consume(&t->body, n);
        if (t->paused && !t->done && buffer_size(&t->body) <= BODY_LOW)
                http_resume(t);
        return (ssize_t)n;
}

ssize_t pen_http_stream_read(struct pen_http_stream *stream, void *data, size_t size)
{
        struct transfer *t = stream->transfer;
        int r = task_checkpoint(t->client->loop->current);

        if (r == 0 && t->task)
                r = -EBUSY;
        if (r == 0)
                r = wait_for_body(stream);
        if (r < 0)
                return r;
        return has_body(t) ? take_body(t, data, size) : http_judge(t, NULL);
}

void pen_http_stream_free(struct pen_http_stream *stream)
{
        if (!stream)
                return;
        http_end(stream->transfer);
        free(stream);
}

void pen_http_stream_freep(struct pen_http_stream **stream)
{
        pen_http_stream_free(*stream);
}
