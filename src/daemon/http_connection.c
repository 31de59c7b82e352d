/* The seam between libmicrohttpd and tasks. libmicrohttpd calls back, on the root, with a request's head, with
 * pieces of its body and at its end. With the head a task is spawned, and from then on either that task
 * works and the connection is suspended, or the task waits in http_request_read and the connection
 * is read. An answer can only be queued before the body is read (the connection is then closed after it) or
 * behind its end: a task that answers in the middle has the rest read and dropped.
 */
#include <daemon/http_connection.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <base/parse.h>
#include <penstock/loop.h>
#include <penstock/task.h>

#define PEER_CHECK (2 * PEN_SEC) /* how often we look whether a peer that waits is still there */

/* What a refused body may have left to be dropped, so that the connection can be kept. More is not read: the peer
 * may be told too late, by a reset. */
#define DROP_MAX ((uint64_t)1 << 20)

enum phase {
        PHASE_HEAD,
        PHASE_BODY,
        PHASE_END, /* all of the request is there */
};

struct http_request {
        struct connection *connection; /* NULL: the peer has gone, and so has `mhd` */
        struct MHD_Connection *mhd;
        const char *method, *path; /* libmicrohttpd's */
        struct pen_task *task;     /* once it runs */
        bool answered;             /* the task has ended, and `reply` is its answer */
        struct pen_event *changed;
        struct buffer *sink; /* of a task that waits for more of the body */
        enum phase phase;
        bool has_body;
        bool suspended; /* the task works, the connection is not read */
        struct http_reply reply;
};

/* --- a connection's time ------------------------------------------------------------------------ */

static void look_at(struct connection *c, pen_usec in)
{
        struct heap *deadlines = &c->service->deadlines;

        heap_remove(deadlines, &c->deadline);
        (void)heap_push(deadlines, &c->deadline, pen_now() + in); /* room was made for all */
}

static void renew(struct connection *c)
{
        c->left = c->service->options.step_timeout;
        look_at(c, c->left);
}

static void stop_clock(struct connection *c)
{
        c->left = c->deadline.key > pen_now() ? c->deadline.key - pen_now() : 0;
        look_at(c, PEER_CHECK);
}

static bool has_gone(const struct connection *c)
{
        struct pollfd peer = { .fd = c->fd, .events = POLLRDHUP };

        return poll(&peer, 1, 0) > 0;
}

/* libmicrohttpd notices and closes it. */
static void hang_up(struct connection *c)
{
        (void)shutdown(c->fd, SHUT_RDWR);
        renew(c);
}

void http_look_at_deadlines(struct http_service *s)
{
        struct heap_node *first;

        while ((first = heap_peek(&s->deadlines)) && first->key <= pen_now()) {
                struct connection *c = container_of(first, struct connection, deadline);

                if (!c->request || !c->request->suspended) {
                        hang_up(c);
                        continue;
                }
                if (c->request->task && has_gone(c))
                        pen_task_cancel(c->request->task);
                look_at(c, PEER_CHECK);
        }
}

/* All idle ones have the same step before them, so the first that is due is idle longest. */
void http_close_idle(struct http_service *s)
{
        struct connection *oldest = NULL;

        for (size_t i = 0; i < s->deadlines.n; i++) {
                struct connection *c =
                        container_of(s->deadlines.entries[i].node, struct connection, deadline);

                if (!c->request && (!oldest || c->deadline.key < oldest->deadline.key))
                        oldest = c;
        }
        if (oldest)
                hang_up(oldest);
}

static bool is_unix(int fd)
{
        socklen_t size = sizeof(int);
        int domain = AF_UNSPEC;

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

void http_on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode what)
{
        struct http_service *s = arg;
        struct connection *c = *context;

        if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
                if (c)
                        heap_remove(&s->deadlines, &c->deadline);
                free(c);
                return;
        }
        c = malloc(sizeof(*c));
        if (!c)
                return; /* http_on_request closes it */
        *c = (struct connection){ .service = s, .deadline = HEAP_NODE_INIT };
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->local = is_unix(c->fd);
        renew(c);
        *context = c;
}

/* --- suspending --------------------------------------------------------------------------------- */

static void request_suspend(struct http_request *rq)
{
        if (rq->suspended)
                return;
        rq->suspended = true;
        stop_clock(rq->connection);
        MHD_suspend_connection(rq->mhd);
}

static void request_resume(struct http_request *rq)
{
        if (!rq->suspended)
                return;
        rq->suspended = false;
        look_at(rq->connection, rq->connection->left);
        MHD_resume_connection(rq->mhd); /* which tells its descriptor only if it has threads */
        pen_event_set(rq->connection->service->due);
}

/* --- the task's side ---------------------------------------------------------------------------- */

const char *http_request_method(const struct http_request *rq)
{
        return rq->method;
}

const char *http_request_path(const struct http_request *rq)
{
        return rq->path;
}

bool http_request_is_local(const struct http_request *rq)
{
        return rq->connection->local;
}

const char *http_request_header(const struct http_request *rq, const char *name)
{
        return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name);
}

struct argument_call {
        int (*fn)(void *data, const char *name, const char *value);
        void *data;
        int result;
};

static enum MHD_Result call_argument(void *arg, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
        struct argument_call *call = arg;

        (void)kind;
        call->result = call->fn(call->data, name, value);
        return call->result < 0 ? MHD_NO : MHD_YES;
}

int http_request_arguments(const struct http_request *rq,
                           int (*fn)(void *data, const char *name, const char *value), void *data)
{
        struct argument_call call = { .fn = fn, .data = data };

        MHD_get_connection_values(rq->mhd, MHD_GET_ARGUMENT_KIND, call_argument, &call);
        return call.result;
}

ssize_t http_request_read(struct http_request *rq, struct buffer *to)
{
        size_t before = buffer_size(to);
        int r = 0;

        if (!rq->has_body || rq->phase == PHASE_END)
                return 0;
        rq->sink = to;
        request_resume(rq);
        while (r == 0 && rq->connection && rq->phase != PHASE_END && buffer_size(to) == before) {
                pen_event_clear(rq->changed);
                r = pen_event_wait(rq->changed);
        }
        rq->sink = NULL;
        if (r < 0)
                return r;
        return rq->connection ? (ssize_t)(buffer_size(to) - before) : -ECONNRESET;
}

void http_request_renew(struct http_request *rq)
{
        rq->connection->left = rq->connection->service->options.step_timeout;
        if (!rq->suspended)
                renew(rq->connection);
}

static void request_free(struct http_request *rq)
{
        pen_event_free(rq->changed);
        buffer_deinit(&rq->reply.body);
        free(rq);
}

static int request_run(void *arg)
{
        struct http_request *rq = arg;
        const struct http_service_options *options = &rq->connection->service->options;

        rq->task = pen_task_current();
        options->handle(rq, &rq->reply, options->data);
        rq->task = NULL;
        rq->answered = true;
        if (rq->connection)
                request_resume(rq);
        else
                request_free(rq);
        return 0;
}

/* --- libmicrohttpd's side ----------------------------------------------------------------------- */

/* Nothing is decoded before the path has been cut into its parts. */
size_t http_unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
        (void)arg, (void)mhd;
        return strlen(text);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info->socket_context;
}

/* Of the body; 0: there is none.  UINT64_MAX: in chunks. */
static uint64_t announced(const struct http_request *rq)
{
        const char *length = http_request_header(rq, "Content-Length");
        uint64_t size = 0;

        if (http_request_header(rq, "Transfer-Encoding"))
                return UINT64_MAX;
        if (length && parse_u64(length, &size) < 0)
                return UINT64_MAX; /* leading zeros, say; libmicrohttpd has judged it */
        return size;
}

/* The head has come. */
static enum MHD_Result request_begin(struct MHD_Connection *mhd, const char *path,
                                     const char *method, void **context)
{
        struct connection *c = connection_of(mhd);
        struct http_request *rq;

        if (!c)
                return MHD_NO;
        rq = malloc(sizeof(*rq));
        if (!rq)
                return MHD_NO;
        *rq = (struct http_request){ .mhd = mhd, .method = method, .path = path, .connection = c };
        rq->has_body = announced(rq) > 0;
        if (pen_event_create(&rq->changed) < 0 ||
            pen_group_spawn(c->service->group, "http request", request_run, rq, NULL) < 0) {
                request_free(rq);
                return MHD_NO;
        }
        c->request = rq;
        *context = rq;
        renew(c);
        request_suspend(rq);
        return MHD_YES;
}

static enum MHD_Result queue_reply(struct http_request *rq)
{
        struct http_reply *reply = &rq->reply;
        struct MHD_Response *response;
        enum MHD_Result result;
        size_t size;
        char *body;

        body = reply->status > 0 ? buffer_take(&reply->body, &size) : NULL;
        if (!body)
                return MHD_NO;
        response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
        if (!response) {
                free(body);
                return MHD_NO;
        }
        result = MHD_add_response_header(response, "Content-Type",
                                         reply->type ? reply->type : "application/json");
        if (result == MHD_YES && reply->header)
                result = MHD_add_response_header(response, reply->header, reply->value);
        if (result == MHD_YES)
                result = MHD_queue_response(rq->mhd, reply->status, response);
        MHD_destroy_response(response);
        renew(rq->connection);
        return result;
}

/* Rather than to close the connection after the answer. Who asked first whether to send has not sent. */
static bool may_drop_body(const struct http_request *rq)
{
        const char *expect = http_request_header(rq, "Expect");

        return announced(rq) <= DROP_MAX && !(expect && strcasecmp(expect, "100-continue") == 0);
}

/* Between the head and the body, or behind it. */
static enum MHD_Result request_advance(struct http_request *rq)
{
        switch (rq->phase) {
        case PHASE_HEAD:
                if (rq->has_body && rq->answered && !may_drop_body(rq))
                        return queue_reply(rq);
                rq->phase = rq->has_body ? PHASE_BODY : PHASE_END;
                return MHD_YES;
        case PHASE_BODY:
                rq->phase = PHASE_END;
                pen_event_set(rq->changed);
                break;
        case PHASE_END:
                break;
        }
        if (rq->answered)
                return queue_reply(rq);
        request_suspend(rq);
        return MHD_YES;
}

/* In one go of libmicrohttpd's there may be several pieces, the later ones when we have suspended already. What is
 * not taken it keeps. */
static enum MHD_Result request_take(struct http_request *rq, const char *data, size_t *size)
{
        if (rq->answered) {
                *size = 0;
                return MHD_YES;
        }
        if (rq->sink) {
                if (buffer_append(rq->sink, data, *size) < 0)
                        return MHD_NO;
                *size = 0;
                pen_event_set(rq->changed);
        }
        request_suspend(rq);
        return MHD_YES;
}

enum MHD_Result http_on_request(void *arg, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context)
{
        struct http_request *rq = *context;

        (void)arg, (void)version;
        if (!rq)
                return request_begin(mhd, path, method, context);
        return *size > 0 ? request_take(rq, data, size) : request_advance(rq);
}

void http_on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why)
{
        struct http_request *rq = *context;

        (void)arg, (void)mhd, (void)why;
        if (!rq)
                return;
        *context = NULL;
        rq->connection->request = NULL;
        renew(rq->connection);
        rq->connection = NULL;
        if (rq->answered)
                request_free(rq);
        else
                pen_event_set(rq->changed); /* the task waits for more of the body */
}
