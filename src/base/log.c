/* The buffer between those who say something and whoever reads it.
 *
 * It holds whole lines, but for the first one, of which a part may have been written. What was
 * dropped is told by a line of its own, `log.dropped`; if that one is dropped too, its count goes to the
 * next, so that the counts told and the events that arrived always add up.
 */
#include <base/log.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/buffer.h>
#include <base/clock.h>
#include <base/log_format.h>
#include <base/log_sink.h>

#define LOG_INIT                                            \
        {                                                   \
                .level = LOG_WARN, .sink.fd = STDERR_FILENO \
        }

static struct log {
        enum log_level level;
        struct log_style style;
        struct log_sink sink;
        void (*wake)(void *data);
        void *wake_data;

        struct buffer pending;
        bool in_line; /* what was written last is no end of a line */

        uint64_t dropped;
        uint64_t untold; /* of those */
        struct {
                size_t end; /* of that line, from the front of the buffer; 0: it has none */
                uint64_t count;
        } told;
} the_log = LOG_INIT;

/* --- set up ------------------------------------------------------------------------------------- */

static bool is_terminal(int fd)
{
        const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");

        return isatty(fd) && term && strcmp(term, "dumb") != 0 && (!plain || *plain == '\0');
}

/* The journal tells those who write to it, by the identity of the socket. */
static bool is_journal(int fd)
{
        const char *stream = getenv("JOURNAL_STREAM");
        char identity[64];
        struct stat st;

        if (!stream || fstat(fd, &st) < 0)
                return false;
        snprintf(identity, sizeof(identity), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, identity) == 0;
}

static struct log_style style_of(enum log_format format, int fd)
{
        return (struct log_style){
                .json = format == LOG_JSON,
                .colour = format == LOG_AUTO && is_terminal(fd),
                .priority = format == LOG_JOURNAL || (format == LOG_AUTO && is_journal(fd)),
        };
}

void log_setup(enum log_level level, enum log_format format, int fd)
{
        the_log.level = level;
        the_log.style = style_of(format, fd);
        log_sink_close(&the_log.sink);
        log_sink_open(&the_log.sink, fd);
}

void log_close(void)
{
        log_sink_close(&the_log.sink);
        buffer_deinit(&the_log.pending);
        the_log = (struct log)LOG_INIT;
}

void log_set_level(enum log_level level)
{
        the_log.level = level;
}

bool log_enabled(enum log_level level)
{
        return level >= the_log.level;
}

const char *log_level_name(enum log_level level)
{
        static const char *const names[] = {
                [LOG_DEBUG] = "debug",
                [LOG_INFO] = "info",
                [LOG_WARN] = "warn",
                [LOG_ERROR] = "error",
        };

        return names[level];
}

uint64_t log_dropped(void)
{
        return the_log.dropped;
}

/* --- in ----------------------------------------------------------------------------------------- */

static bool put_line(enum log_level level, const char *event, const struct log_field *fields,
                     size_t n)
{
        struct log_line line = { clock_wall_ms(), level, event, fields, n };
        struct buffer *b = &the_log.pending;
        size_t torn = the_log.in_line && buffer_size(b) == 0; /* the rest was dropped */
        char *to;

        if (buffer_size(b) + LOG_LINE_MAX > LOG_PENDING_MAX ||
            buffer_reserve(b, LOG_LINE_MAX + 1, &to) < 0)
                return false;
        if (torn)
                *to = '\n';
        buffer_added(b, torn + log_format(to + torn, &line, the_log.style));
        return true;
}

/* One at a time, so that a reader who is always behind is not told of little else. */
static void tell_dropped(void)
{
        const struct log_field count[] = { F_UINT("count", the_log.untold) };

        if (the_log.untold == 0 || the_log.told.end > 0 ||
            !put_line(LOG_WARN, LOG_EVENT("log.dropped"), count, ARRAY_SIZE(count)))
                return;
        the_log.told.end = buffer_size(&the_log.pending);
        the_log.told.count = the_log.untold;
        the_log.untold = 0;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
        bool had_some = log_pending();

        if (!log_enabled(level))
                return;
        tell_dropped();
        if (!put_line(level, event, fields, n)) {
                the_log.dropped++;
                the_log.untold++;
        }
        if (!the_log.wake)
                (void)log_advance(); /* what it drops it has counted */
        else if (!had_some && log_pending())
                the_log.wake(the_log.wake_data);
}

/* --- out ---------------------------------------------------------------------------------------- */

void log_on_pending(void (*wake)(void *data), void *data)
{
        the_log.wake = wake;
        the_log.wake_data = data;
}

bool log_pending(void)
{
        return buffer_size(&the_log.pending) > 0;
}

int log_fd(void)
{
        return the_log.sink.fd;
}

static uint64_t count_lines(const char *data, size_t size)
{
        const char *end = data + size;
        uint64_t n = 0;

        while (data < end && (data = memchr(data, '\n', (size_t)(end - data)))) {
                data++;
                n++;
        }
        return n;
}

static void drop_pending(void)
{
        struct buffer *b = &the_log.pending;
        uint64_t lines = count_lines(buffer_data(b), buffer_size(b));

        /* Neither the end of a line that was torn before nor our own is an event. */
        lines -= *buffer_data(b) == '\n';
        lines -= the_log.told.end > 0;
        the_log.dropped += lines;
        the_log.untold += lines + the_log.told.count;
        the_log.told.end = the_log.told.count = 0;
        buffer_clear(b);
}

static void written(size_t n)
{
        the_log.in_line = buffer_data(&the_log.pending)[n - 1] != '\n';
        buffer_consume(&the_log.pending, n);
        the_log.told.end -= MIN(n, the_log.told.end);
        if (the_log.told.end <= 1) /* it is read, if perhaps not yet ended */
                the_log.told.end = the_log.told.count = 0;
}

int log_advance(void)
{
        struct buffer *b = &the_log.pending;
        ssize_t n;

        while (buffer_size(b) > 0) {
                n = log_sink_write(&the_log.sink, buffer_data(b), buffer_size(b));
                if (n == -EAGAIN)
                        return -EAGAIN;
                if (n < 0) {
                        drop_pending();
                        return (int)n;
                }
                written((size_t)n);
                tell_dropped();
        }
        return 0;
}

static pen_usec monotonic(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
}

void log_flush(pen_usec usec)
{
        pen_usec began = monotonic(), passed = 0;

        while (log_advance() == -EAGAIN && passed < usec) {
                (void)log_sink_wait(&the_log.sink, usec - passed);
                passed = monotonic() - began;
        }
}
