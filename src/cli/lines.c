#include <cli/lines.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <penstock/fd.h>
#include <penstock/task.h>

#define CHUNK ((size_t)64 << 10)
#define LENGTH_MAX ((size_t)8 << 20) /* JSON of the largest payload, escaped */

int lines_open(struct lines *in, const char *file)
{
        bool is_stdin = !strcmp(file, "-");
        struct stat st;

        *in = (struct lines){ .name = is_stdin ? "standard input" : file };
        in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0 || fstat(in->fd, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode))
                in->size = (uint64_t)st.st_size;
        return S_ISDIR(st.st_mode) ? -EISDIR : 0;
}

void lines_close(struct lines *in)
{
        if (in->fd > STDIN_FILENO)
                close(in->fd);
        buffer_deinit(&in->buffer);
}

uint64_t lines_estimate(const struct lines *in)
{
        if (in->ended)
                return in->number;
        if (in->size == 0 || in->consumed == 0)
                return 0;
        return (uint64_t)((double)in->number * (double)in->size / (double)in->consumed);
}

bool lines_ready(const struct lines *in)
{
        struct pollfd fd = { .fd = in->fd, .events = POLLIN };
        size_t rest = buffer_size(&in->buffer) - in->given;

        if (in->at_end || in->size > 0)
                return true;
        if (rest > 0 && memchr(buffer_data(&in->buffer) + in->given, '\n', rest))
                return true;
        return poll(&fd, 1, 0) != 0;
}

/* Reads what there is, when there is something. */
static int read_chunk(struct lines *in)
{
        ssize_t size;
        char *to;
        int r = buffer_reserve(&in->buffer, CHUNK, &to);

        if (r < 0)
                return r;
        do {
                r = pen_fd_wait(in->fd, PEN_READABLE);
                if (r == -EPERM) /* a file that is always ready: others get their turn */
                        r = pen_yield();
                if (r < 0)
                        return r;
                size = read(in->fd, to, CHUNK);
        } while (size < 0 && (errno == EAGAIN || errno == EINTR));
        if (size < 0)
                return -errno;
        buffer_added(&in->buffer, (size_t)size);
        in->at_end = size == 0;
        return 0;
}

static void pass(struct lines *in, size_t size)
{
        in->consumed += size;
        buffer_consume(&in->buffer, size);
}

/* 1: a whole line is at the front of the buffer, its end not counted in *ret_size; 0: there is none. */
static int find_line(struct lines *in, size_t *ret_size)
{
        size_t size = buffer_size(&in->buffer);
        char *newline = size > 0 ? memchr(buffer_data(&in->buffer), '\n', size) : NULL;

        if (!newline && !(in->at_end && size > 0))
                return 0;
        *ret_size = newline ? (size_t)(newline - buffer_data(&in->buffer)) : size;
        in->given = *ret_size + (newline != NULL);
        in->number++;
        return 1;
}

static bool is_blank(struct bytes line)
{
        for (size_t i = 0; i < line.size; i++)
                if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
                        return false;
        return true;
}

static struct bytes without_mark(const struct lines *in, struct bytes line)
{
        static const char byte_order_mark[] = "\xef\xbb\xbf";

        if (in->number == 1 && line.size >= 3 && !memcmp(line.data, byte_order_mark, 3))
                return (struct bytes){ line.data + 3, line.size - 3 };
        return line;
}

/* No end of line in LENGTH_MAX bytes: they are dropped, and what follows up to an end. */
static int skip_long(struct lines *in)
{
        bool was_skipping = in->skipping;

        if (buffer_size(&in->buffer) <= LENGTH_MAX)
                return 0;
        in->skipping = true;
        pass(in, buffer_size(&in->buffer));
        return was_skipping ? 0 : -EMSGSIZE;
}

int lines_next(struct lines *in, struct bytes *ret_line)
{
        struct bytes line;
        int r;

        for (;;) {
                pass(in, in->given);
                in->given = 0;
                if (find_line(in, &line.size)) {
                        line.data = buffer_data(&in->buffer);
                        line = without_mark(in, line);
                        if (!in->skipping && !is_blank(line)) {
                                *ret_line = line;
                                return 1;
                        }
                        in->skipping = false;
                        continue;
                }
                if (in->at_end)
                        break;
                r = skip_long(in);
                if (r == 0)
                        r = read_chunk(in);
                if (r < 0)
                        return r;
        }
        in->ended = true;
        return 0;
}
