/* One edge-triggered event a stream, for both directions, added once: a stream knows whether its
 * socket may have something to read or room to write, tries first, and waits only when the kernel
 * said no. What is written in one turn of the loop leaves in one send, before I/O is looked at next.
 */
#include <async/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <async/debug.h>
#include <async/stream.h>
#include <async/tls.h>
#include <penstock/fd.h>

#define READ_SIZE ((size_t)16 << 10)
#define ADDRESSES_MAX 16                /* of a name, to be tried */
#define CONNECT_BACKOFF (10 * PEN_MSEC) /* when a Unix socket's backlog is full */

/* --- life --------------------------------------------------------------------------------------- */

/* What goes to the socket next; empty: nothing. */
static inline struct buffer *to_send(struct pen_stream *s)
{
        return LIKELY(!s->tls) ? &s->out : tls_to_send(s);
}

/* What was written is with the kernel, or never will be. */
static bool is_drained(const struct pen_stream *s)
{
        return buffer_size(&s->out) == 0 && (LIKELY(!s->tls) || buffer_size(&s->tls->sealed) == 0);
}

static ssize_t send_nowait(struct pen_stream *s, const void *data, size_t size)
{
        if (UNLIKELY(s->pipe))
                return write(s->fd, data, size);
        return send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void stream_send(struct pen_stream *s)
{
        struct buffer *b;

        while (s->writable && s->write_error == 0 && buffer_size(b = to_send(s)) > 0) {
                ssize_t n = send_nowait(s, buffer_data(b), buffer_size(b));

                if (n >= 0)
                        buffer_consume(b, (size_t)n);
                else if (errno == EAGAIN)
                        s->writable = false;
                else if (errno != EINTR)
                        s->write_error = -errno;
        }
        if (!is_drained(s) && s->write_error == 0)
                return;
        buffer_deinit(&s->out);
        if (UNLIKELY(s->tls))
                buffer_deinit(&s->tls->sealed);
        if (s->writer)
                task_wake(s->writer);
}

static void run_flush(struct deferred *deferred)
{
        stream_send(container_of(deferred, struct pen_stream, flush));
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
        struct pen_stream *s = arg;

        (void)fd;
        loop_awake(s->loop);
        if (what & EV_READ) {
                s->readable = true;
                if (s->reader)
                        task_wake(s->reader);
        }
        if (what & EV_WRITE) {
                s->writable = true;
                stream_send(s);
        }
}

static int create(struct pen_loop *loop, int fd, struct pen_stream **ret_stream)
{
        struct pen_stream *s = malloc(sizeof(*s));
        int one = 1;

        if (!s)
                return -ENOMEM;
        *s = (struct pen_stream){
                .loop = loop, .fd = fd, .readable = true, .writable = true, .flush.fn = run_flush
        };
        list_init(&s->flush.link);
        errno = 0;
        if (event_assign(&s->event, loop->base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
                         on_event, s) < 0 ||
            event_add(&s->event, NULL) < 0) {
                free(s);
                return errno ? -errno : -ENOMEM;
        }
        /* A Unix socket has no such option, which is no matter. */
        s->pipe = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 &&
                  errno == ENOTSOCK;
        *ret_stream = s;
        return 0;
}

int pen_stream_from_fd(int fd, struct pen_stream **ret_stream)
{
        int flags;

        if (!current_loop)
                return -ENXIO;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        return create(current_loop, fd, ret_stream);
}

int stream_wrap(int fd, struct pen_stream **ret_stream)
{
        int r = create(current_loop, fd, ret_stream);

        if (r < 0)
                close(fd);
        return r;
}

void pen_stream_free(struct pen_stream *s)
{
        if (!s)
                return;
        list_remove(&s->flush.link);
        event_del(&s->event);
        if (s->fd >= 0)
                close(s->fd);
        tls_free(s->tls);
        buffer_deinit(&s->in);
        buffer_deinit(&s->out);
        free(s);
}

void pen_stream_freep(struct pen_stream **stream)
{
        pen_stream_free(*stream);
}

int pen_stream_fd(const struct pen_stream *stream)
{
        return stream->fd;
}

/* --- connecting --------------------------------------------------------------------------------- */

static int finish_connect(int fd)
{
        socklen_t size = sizeof(int);
        int error = 0, r;

        r = pen_fd_wait(fd, PEN_WRITABLE);
        if (r < 0)
                return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                return -errno;
        return -error;
}

static int try_connect(const struct sockaddr *to, socklen_t size, struct pen_stream **ret_stream)
{
        int fd = socket_open(to->sa_family), r;

        if (fd < 0)
                return fd;
        r = connect(fd, to, size) < 0 ? -errno : 0;
        if (r == -EINPROGRESS || r == -EINTR)
                r = finish_connect(fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        return stream_wrap(fd, ret_stream);
}

static int connect_unix(const char *path, struct pen_stream **ret_stream)
{
        struct place place;
        int r = socket_read_unix(path, &place);

        if (r < 0)
                return r;
        while ((r = try_connect(&place.any, place.size, ret_stream)) == -EAGAIN) {
                r = pen_sleep(CONNECT_BACKOFF);
                if (r < 0)
                        return r;
        }
        return r;
}

int pen_stream_connect(const char *address, struct pen_stream **ret_stream)
{
        struct pen_address addresses[ADDRESSES_MAX];
        char host[256];
        uint16_t port;
        int n, r;

        if (socket_is_unix(address))
                return connect_unix(address + 5, ret_stream);
        r = socket_split_address(address, host, &port);
        if (r < 0)
                return r;
        r = n = pen_getaddrinfo(host, port, addresses, ADDRESSES_MAX);
        for (int i = 0; i < n; i++) {
                r = try_connect(&addresses[i].any, addresses[i].size, ret_stream);
                if (r == 0 || r == -ECANCELED)
                        break;
        }
        return r;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* Suspends until on_event has something to say to this side. */
static int wait_for(struct pen_stream *s, struct pen_task **side, const char *what)
{
        int r;

        *side = s->loop->current;
        s->loop->n_events++;
        r = task_suspend(*side, what);
        s->loop->n_events--;
        *side = NULL;
        return r;
}

static int begin(struct pen_stream *s, struct pen_task *side)
{
        int r = task_checkpoint(s->loop->current);

        if (r < 0)
                return r;
        return side ? -EBUSY : 0;
}

int stream_wait_readable(struct pen_stream *s)
{
        int r = 0;

        if (!s->readable && buffer_size(&s->in) == 0)
                buffer_deinit(&s->in); /* an idle stream is small */
        while (!s->readable && r == 0)
                r = wait_for(s, &s->reader, "something to read");
        return r;
}

ssize_t stream_receive(struct pen_stream *s, void *data, size_t size)
{
        ssize_t n;

        do
                n = UNLIKELY(s->pipe) ? read(s->fd, data, size)
                                      : recv(s->fd, data, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
                return n;
        if (errno == EAGAIN)
                s->readable = false;
        return -errno;
}

/* -EAGAIN: there is nothing yet. */
static inline ssize_t receive_nowait(struct pen_stream *s, void *data, size_t size)
{
        return LIKELY(!s->tls) ? stream_receive(s, data, size) : tls_receive(s, data, size);
}

/* Reads on into the buffer; 0: the peer has ended. */
static ssize_t fill(struct pen_stream *s, size_t wanted)
{
        ssize_t n;
        char *to;
        int r;

        wanted = MAX(wanted, READ_SIZE);
        do {
                r = stream_wait_readable(s);
                if (r == 0)
                        r = buffer_reserve(&s->in, wanted, &to);
                if (r < 0)
                        return r;
                n = receive_nowait(s, to, wanted);
        } while (n == -EAGAIN);
        if (n > 0)
                buffer_added(&s->in, (size_t)n);
        return n;
}

static size_t take(struct pen_stream *s, void *data, size_t size)
{
        size = MIN(size, buffer_size(&s->in));
        if (size > 0)
                memcpy(data, buffer_data(&s->in), size);
        buffer_consume(&s->in, size);
        return size;
}

ssize_t pen_stream_read(struct pen_stream *s, void *data, size_t size)
{
        int r = begin(s, s->reader);
        ssize_t n;

        if (r < 0)
                return r;
        if (size == 0 || buffer_size(&s->in) > 0)
                return (ssize_t)take(s, data, size);
        do {
                r = stream_wait_readable(s);
                if (r < 0)
                        return r;
                n = receive_nowait(s, data, size);
        } while (n == -EAGAIN);
        return n;
}

int pen_stream_read_exactly(struct pen_stream *s, void *data, size_t size)
{
        int r = begin(s, s->reader);

        if (r < 0)
                return r;
        while (buffer_size(&s->in) < size) {
                ssize_t n = fill(s, size - buffer_size(&s->in));

                if (n <= 0)
                        return n < 0 ? (int)n : -EPIPE;
        }
        take(s, data, size);
        return 0;
}

ssize_t pen_stream_read_line(struct pen_stream *s, size_t max, char **ret_line)
{
        size_t size, searched = 0;
        char *end;
        int r = begin(s, s->reader);

        if (r < 0)
                return r;
        for (;;) {
                ssize_t n;

                size = buffer_size(&s->in);
                end = size > searched ? memchr(buffer_data(&s->in) + searched, '\n',
                                               MIN(size, max) - searched)
                                      : NULL;
                if (end) {
                        size = (size_t)(end + 1 - buffer_data(&s->in));
                        break;
                }
                if (size >= max)
                        return -EMSGSIZE;
                searched = size;
                n = fill(s, 0);
                if (n < 0)
                        return n;
                if (n == 0)
                        break;
        }
        *ret_line = buffer_data(&s->in);
        buffer_consume(&s->in, size);
        return (ssize_t)size;
}

/* --- writing ------------------------------------------------------------------------------------ */

int pen_stream_write(struct pen_stream *s, const void *data, size_t size)
{
        int r;

        if (s->write_error < 0)
                return s->write_error;
        r = buffer_append(&s->out, data, size);
        if (r < 0)
                return r;
        if (s->writable && size > 0)
                loop_defer(s->loop, &s->flush);
        return 0;
}

int pen_stream_drain(struct pen_stream *s)
{
        int r = begin(s, s->writer);

        stream_send(s);
        while (!is_drained(s) && r == 0)
                r = wait_for(s, &s->writer, "room to write");
        return r < 0 ? r : s->write_error;
}

/* A pipe has one direction only. */
static int close_pipe(struct pen_stream *s)
{
        event_del(&s->event);
        close(s->fd);
        s->fd = -1;
        s->write_error = -EPIPE;
        return 0;
}

int pen_stream_shutdown(struct pen_stream *s)
{
        int r = pen_stream_drain(s);

        if (r == 0 && s->tls) {
                r = tls_close(s);
                if (r == 0)
                        r = pen_stream_drain(s);
        }
        if (r < 0)
                return r;
        if (s->pipe)
                return close_pipe(s);
        /* Not connected any more: the peer was faster, and has missed nothing. */
        return shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}
