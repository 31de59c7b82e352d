/* The HTTP service's life: who accepts, and who turns libmicrohttpd, which runs without threads of its own on
 * the thread's big stack and tells by one epoll descriptor that it has something to do. Sockets are accepted by us:
 * that backs off when descriptors are used up.
 */
#include <daemon/http_service.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <daemon/http_connection.h>
#include <penstock/fd.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

#define LAST_TURNS 4 /* for the last answers to get into the sockets */

struct acceptor {
        struct http_service *service;
        struct pen_listener *listener;
};

/* --- libmicrohttpd, on the thread's stack ------------------------------------------------------- */

static int mhd_start(void *arg)
{
        struct http_service *s = arg;
        const union MHD_DaemonInfo *info;

        s->mhd = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                http_on_request, s, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, s,
                MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s, MHD_OPTION_UNESCAPE_CALLBACK,
                http_unescape, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEAD_MAX,
                MHD_OPTION_CONNECTION_LIMIT, s->options.connections_max,
                MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
        if (!s->mhd)
                return -ENOMEM;
        info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -ENOTSUP;
        s->epoll_fd = info->epoll_fd;
        return 0;
}

static int mhd_turn(void *arg)
{
        struct http_service *s = arg;

        return MHD_run(s->mhd) == MHD_YES ? 0 : -EIO;
}

static int mhd_stop(void *arg)
{
        MHD_stop_daemon(arg);
        return 0;
}

struct add {
        struct http_service *service;
        int fd;
};

static int mhd_add(void *arg)
{
        const struct sockaddr unnamed = { .sa_family = AF_UNSPEC };
        struct add *add = arg;

        /* It closes the descriptor if it fails. */
        (void)MHD_add_connection(add->service->mhd, add->fd, &unnamed, sizeof(unnamed));
        pen_event_set(add->service->due);
        return 0;
}

static unsigned count_connections(const struct http_service *s)
{
        return MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* --- tasks -------------------------------------------------------------------------------------- */

static int wait_for_room(struct http_service *s)
{
        int r = 0;

        while (r == 0 && count_connections(s) >= s->options.connections_max) {
                http_close_idle(s);
                r = pen_event_wait(s->turned);
        }
        return r;
}

static int accept_connections(void *arg)
{
        const struct acceptor a = *(struct acceptor *)arg;
        int r;

        free(arg);
        for (;;) {
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = NULL;
                struct add add = { .service = a.service };

                r = pen_accept(a.listener, &stream);
                if (r == 0)
                        r = wait_for_room(a.service);
                if (r < 0)
                        return r;
                add.fd = fcntl(pen_stream_fd(stream), F_DUPFD_CLOEXEC, 0);
                if (add.fd >= 0)
                        (void)pen_on_thread_stack(mhd_add, &add);
        }
}

static int spawn_acceptors(struct http_service *s)
{
        int r = 0;

        for (size_t i = 0; i < s->options.n_listen && r == 0; i++) {
                struct acceptor *a = malloc(sizeof(*a));

                if (!a)
                        return -ENOMEM;
                *a = (struct acceptor){ .service = s, .listener = s->listeners[i] };
                r = pen_group_spawn(s->group, "http accept", accept_connections, a, NULL);
                if (r < 0)
                        free(a);
        }
        return r;
}

static int watch_sockets(void *arg)
{
        struct http_service *s = arg;
        int r;

        do {
                r = pen_fd_wait(s->epoll_fd, PEN_READABLE);
                if (r < 0)
                        return r;
                pen_event_set(s->due);
                r = pen_event_wait(s->turned);
        } while (r == 0);
        return r;
}

/* Until libmicrohttpd has something to do, or a connection is due. One that comes meanwhile is not due before a
 * whole step from now. */
static int wait_for_work(struct http_service *s)
{
        struct heap_node *first = heap_peek(&s->deadlines);
        pen_usec usec = s->options.step_timeout;
        struct pen_timeout scope;
        unsigned long long ms;
        int r;

        if (MHD_get_timeout(s->mhd, &ms) == MHD_YES && ms == 0)
                return pen_yield();
        if (first)
                usec = MIN(usec, first->key > pen_now() ? first->key - pen_now() : 0);
        pen_timeout_begin(&scope, usec);
        r = pen_event_wait(s->due);
        r = pen_timeout_end(&scope, r);
        return r == -ETIME ? 0 : r;
}

static int serve(struct http_service *s)
{
        int r = spawn_acceptors(s);

        if (r == 0)
                r = pen_group_spawn(s->group, "http sockets", watch_sockets, s, NULL);
        while (r == 0) {
                pen_event_clear(s->due);
                r = pen_on_thread_stack(mhd_turn, s);
                if (r < 0)
                        break;
                http_look_at_deadlines(s);
                pen_event_set(s->turned);
                pen_event_clear(s->turned);
                r = wait_for_work(s);
        }
        return r;
}

int http_service_run(struct http_service *s)
{
        int r, result;

        r = pen_group_create(&s->group);
        if (r < 0)
                return r;
        result = serve(s);
        pen_group_cancel(s->group);
        pen_uncancellable_begin();
        r = pen_group_join(s->group);
        pen_uncancellable_end();
        for (int i = 0; i < LAST_TURNS; i++)
                (void)pen_on_thread_stack(mhd_turn, s);
        pen_on_thread_stack(mhd_stop, TAKE(s->mhd));
        pen_group_free(TAKE(s->group));
        return r < 0 && r != -ECANCELED ? r : result;
}

/* --- life --------------------------------------------------------------------------------------- */

static int service_open(struct http_service *s, char **ret_error)
{
        const struct http_service_options *o = &s->options;
        int r;

        s->listeners = calloc(o->n_listen + 1, sizeof(struct pen_listener *));
        if (!s->listeners)
                return -ENOMEM;
        r = heap_reserve(&s->deadlines, o->connections_max);
        if (r == 0)
                r = pen_event_create(&s->due);
        if (r == 0)
                r = pen_event_create(&s->turned);
        if (r == 0)
                r = pen_on_thread_stack(mhd_start, s);
        for (size_t i = 0; i < o->n_listen && r == 0; i++)
                r = http_listen(o->listen[i], o->mode, o->group, &s->listeners[i], ret_error);
        return r;
}

int http_service_create(const struct http_service_options *options,
                        struct http_service **ret_service, char **ret_error)
{
        struct http_service *s = malloc(sizeof(*s));
        int r;

        *ret_error = NULL;
        if (!s)
                return -ENOMEM;
        *s = (struct http_service){ .options = *options };
        r = service_open(s, ret_error);
        if (r < 0) {
                http_service_free(s);
                return r;
        }
        *ret_service = s;
        return 0;
}

void http_service_free(struct http_service *s)
{
        if (!s)
                return;
        if (s->mhd)
                pen_on_thread_stack(mhd_stop, s->mhd);
        for (size_t i = 0; s->listeners && i < s->options.n_listen; i++)
                pen_listener_free(s->listeners[i]);
        free(s->listeners);
        pen_event_free(s->due);
        pen_event_free(s->turned);
        heap_deinit(&s->deadlines);
        free(s);
}

uint16_t http_service_port(const struct http_service *s, size_t n)
{
        return pen_listener_port(s->listeners[n]);
}

const char *http_status_text(unsigned status)
{
        return MHD_get_reason_phrase_for(status);
}
