#include <cli/run_input.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cli/run_results.h>
#include <job/json.h>
#include <penstock/fd.h>
#include <penstock/task.h>

#define CHUNK ((size_t)64 << 10)
#define LINE_MAX_BYTES ((size_t)8 << 20) /* JSON of the largest payload, escaped */

int run_input_open(struct run_input *in, const char *file)
{
        bool is_stdin = !strcmp(file, "-");
        struct stat st;

        in->name = is_stdin ? "standard input" : file;
        in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0 || fstat(in->fd, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode))
                in->size = (uint64_t)st.st_size;
        return S_ISDIR(st.st_mode) ? -EISDIR : 0;
}

void run_input_close(struct run_input *in)
{
        if (in->fd > STDIN_FILENO)
                close(in->fd);
        buffer_deinit(&in->buffer);
        buffer_deinit(&in->scratch);
}

uint64_t run_input_estimate_lines(const struct run_input *in)
{
        if (in->ended)
                return in->line;
        if (in->size == 0 || in->consumed == 0)
                return 0;
        return (uint64_t)((double)in->line * (double)in->size / (double)in->consumed);
}

/* --- lines -------------------------------------------------------------------------------------- */

static int push(struct run_input *in, const struct job_fields *fields)
{
        struct receipt receipt;
        int r = intake_push(in->intake, fields, in->line, &receipt);

        if (r == -EINVAL) {
                run_results_invalid(in->results, in->line, receipt.error);
                return 0;
        }
        if (r < 0)
                return r;
        if (receipt.result == PUSH_CONFLICT)
                run_results_invalid(in->results, in->line,
                                    "this id was given before, with another payload or type");
        in->pushed += receipt.result == PUSH_STORED;
        in->repeated += receipt.result == PUSH_EXISTS;
        return 0;
}

static int take_json(struct run_input *in, const char *line, size_t size)
{
        struct job_fields fields;
        struct json_error error;
        char text[sizeof(error.text) + 64];
        int r = json_to_job(line, size, &in->scratch, &fields, &error);

        if (r == 0)
                return push(in, &fields);
        if (r != -EINVAL)
                return r;
        snprintf(text, sizeof(text), "column %zu: %s%s", error.offset + 1, error.text,
                 line[0] == '{' ? "" : " (for lines of text: --lines)");
        run_results_invalid(in->results, in->line, text);
        return 0;
}

static bool is_blank(const char *line, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
                        return false;
        return true;
}

static int take_line(struct run_input *in, const char *line, size_t size)
{
        static const char byte_order_mark[] = "\xef\xbb\xbf";

        if (in->line == 1 && size >= 3 && !memcmp(line, byte_order_mark, 3)) {
                line += 3;
                size -= 3;
        }
        if (in->skipping || is_blank(line, size))
                return 0;
        if (!in->lines)
                return take_json(in, line, size);
        if (line[size - 1] == '\r')
                size--;
        return push(in, &(struct job_fields){ .payload = { line, size } });
}

/* Takes the whole lines of the buffer; `end`: and the rest too. */
static int take_lines(struct run_input *in, bool end)
{
        for (;;) {
                size_t size = buffer_size(&in->buffer), length;
                char *line = buffer_data(&in->buffer), *newline;
                int r;

                newline = size > 0 ? memchr(line, '\n', size) : NULL;
                if (!newline && !(end && size > 0))
                        break;
                length = newline ? (size_t)(newline - line) : size;
                in->line++;
                r = take_line(in, line, length);
                if (r < 0) {
                        in->line--; /* the first of those that were not taken */
                        return r;
                }
                in->skipping = false;
                length += newline != NULL;
                in->consumed += length;
                buffer_consume(&in->buffer, length);
        }
        if (buffer_size(&in->buffer) > LINE_MAX_BYTES) {
                if (!in->skipping)
                        run_results_invalid(in->results, in->line + 1,
                                            "the line is longer than 8 MiB");
                in->skipping = true;
                in->consumed += buffer_size(&in->buffer);
                buffer_clear(&in->buffer);
        }
        return 0;
}

/* Reads what there is, when there is something. 0: the end. */
static ssize_t read_chunk(struct run_input *in)
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
        return size;
}

int run_input_run(struct run_input *in)
{
        ssize_t size;
        int r;

        do {
                size = read_chunk(in);
                if (size < 0)
                        return (int)size;
                r = take_lines(in, size == 0);
                if (r < 0)
                        return r;
        } while (size > 0);
        in->ended = true;
        return 0;
}
