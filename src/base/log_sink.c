#include <base/log_sink.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_MAX ((size_t)64 << 10)

static int open_again(int fd)
{
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_sink_open(struct log_sink *sink, int fd)
{
        struct stat st;
        int own;

        *sink = (struct log_sink){ .fd = fd, .kind = SINK_FILE };
        if (fstat(fd, &st) < 0)
                return; /* writing will tell */
        if (S_ISSOCK(st.st_mode)) {
                sink->kind = SINK_SOCKET;
        } else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
                own = open_again(fd);
                *sink = own >= 0 ? (struct log_sink){ own, SINK_PIPE }
                                 : (struct log_sink){ fd, SINK_SHARED };
        }
}

void log_sink_close(struct log_sink *sink)
{
        if (sink->kind == SINK_PIPE)
                close(sink->fd);
        *sink = (struct log_sink){ .fd = -1 };
}

/* As many whole lines as a pipe takes in one piece; a part of a line that is longer. */
static size_t whole_lines(const char *data, size_t size)
{
        const char *last = memrchr(data, '\n', MIN(size, (size_t)PIPE_BUF));

        return last ? (size_t)(last - data) + 1 : MIN(size, (size_t)PIPE_BUF);
}

static ssize_t write_once(const struct log_sink *sink, const char *data, size_t size)
{
        switch (sink->kind) {
        case SINK_SOCKET:
                return send(sink->fd, data, MIN(size, WRITE_MAX), MSG_DONTWAIT | MSG_NOSIGNAL);
        case SINK_SHARED:
                if (!log_sink_wait(sink, 0)) {
                        errno = EAGAIN;
                        return -1;
                }
                return write(sink->fd, data, whole_lines(data, size));
        case SINK_PIPE:
                return write(sink->fd, data, whole_lines(data, size));
        case SINK_UNKNOWN:
        case SINK_FILE:
                break;
        }
        return write(sink->fd, data, MIN(size, WRITE_MAX));
}

ssize_t log_sink_write(struct log_sink *sink, const char *data, size_t size)
{
        ssize_t n;

        if (sink->kind == SINK_UNKNOWN)
                log_sink_open(sink, sink->fd);
        do
                n = write_once(sink, data, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n > 0 ? n : -EIO;
}

bool log_sink_wait(const struct log_sink *sink, pen_usec usec)
{
        struct pollfd p = { .fd = sink->fd, .events = POLLOUT };
        pen_usec ms = usec / PEN_MSEC + (usec % PEN_MSEC > 0);

        /* An error is room, too: writing tells it. */
        return poll(&p, 1, (int)MIN(ms, (pen_usec)INT_MAX)) > 0;
}
