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

#define CHUNK ((size_t)64 << 10)
#define LINE_MAX_BYTES ((size_t)8 << 20) /* JSON of the largest payload, escaped */

int run_input_open(struct run_input *in, const char *file)
{
        bool is_stdin = !strcmp(file, "-");

        in->name = is_stdin ? "standard input" : file;
        in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        return in->fd < 0 ? -errno : 0;
}

void run_input_close(struct run_input *in)
{
        if (in->fd > STDIN_FILENO)
                close(in->fd);
        buffer_deinit(&in->buffer);
        buffer_deinit(&in->scratch);
}

uint64_t run_input_count_lines(const struct run_input *in)
{
        static char chunk[1 << 20];
        uint64_t n = 0;
        char last = '\n';
        struct stat st;
        ssize_t size;
        off_t at = 0;

        if (fstat(in->fd, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        while ((size = pread(in->fd, chunk, sizeof(chunk), at)) > 0) {
                for (char *i = chunk; (i = memchr(i, '\n', (size_t)(chunk + size - i))); i++)
                        n++;
                last = chunk[size - 1];
                at += size;
        }
        return n + (last != '\n');
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
        in->line++;
        if (in->skipping || is_blank(line, size)) {
                in->skipping = false;
                return 0;
        }
        if (in->lines)
                return push(in, &(struct job_fields){ .payload = { line, size } });
        return take_json(in, line, size);
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
                r = take_line(in, line, length);
                if (r < 0)
                        return r;
                buffer_consume(&in->buffer, length + (newline != NULL));
        }
        if (buffer_size(&in->buffer) > LINE_MAX_BYTES) {
                if (!in->skipping)
                        run_results_invalid(in->results, in->line + 1,
                                            "the line is longer than 8 MiB");
                in->skipping = true;
                buffer_clear(&in->buffer);
        }
        return 0;
}

/* Reads what there is, waiting for it if the file can be waited for. 0: the end. */
static ssize_t read_chunk(struct run_input *in)
{
        ssize_t size;
        char *to;
        int r = pen_fd_wait(in->fd, PEN_READABLE);

        if (r < 0 && r != -EPERM) /* a regular file is always ready */
                return r;
        r = buffer_reserve(&in->buffer, CHUNK, &to);
        if (r < 0)
                return r;
        do
                size = read(in->fd, to, CHUNK);
        while (size < 0 && errno == EINTR);
        if (size < 0)
                return errno == EAGAIN ? read_chunk(in) : -errno;
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
