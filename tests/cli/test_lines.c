#include "../in_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cli/lines.h>

/* Lines of a file with this text. */
static void open_text(struct lines *in, const char *text, size_t size)
{
        char name[] = "/tmp/penstock-lines-XXXXXX";
        int fd = mkstemp(name);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
        close(fd);
        ck_assert_int_eq(lines_open(in, name), 0);
        unlink(name);
}

/* All lines, each as "NUMBER:TEXT;". */
static const char *read_all(struct lines *in)
{
        static char joined[1024];
        struct bytes line;
        int r;

        joined[0] = '\0';
        while ((r = lines_next(in, &line)) > 0)
                sprintf(joined + strlen(joined), "%d:%.*s;", (int)in->number, (int)line.size,
                        line.data);
        ck_assert_int_eq(r, 0);
        return joined;
}

static void assert_lines(const char *text, const char *wanted)
{
        PEN_CLEANUP(lines_close) struct lines in;

        open_text(&in, text, strlen(text));
        ck_assert_str_eq(read_all(&in), wanted);
        ck_assert(in.ended);
        ck_assert_uint_eq(in.consumed, strlen(text));
}

IN_LOOP(lines_have_their_numbers_and_blank_ones_are_skipped)
{
        assert_lines("", "");
        assert_lines("\n", "");
        assert_lines("a\nb\n", "1:a;2:b;");
        assert_lines("a\n\n \t\r\nb", "1:a;4:b;");
        assert_lines("a\r\nb", "1:a\r;2:b;");
        return 0;
}

IN_LOOP(byte_order_mark_is_no_part_of_the_first_line)
{
        assert_lines("\xef\xbb\xbf"
                     "a\n\xef\xbb\xbf",
                     "1:a;2:\xef\xbb\xbf;");
        assert_lines("\xef\xbb\xbf\n", "");
        return 0;
}

IN_LOOP(line_that_is_too_long_is_passed_by_and_told_once)
{
        size_t size = (size_t)20 << 20;
        char *text = malloc(size);
        struct bytes line;
        struct lines in;

        memset(text, 'x', size);
        memcpy(text, "a\n", 2);
        memcpy(text + size - 5, "\nb\nc\n", 5);
        open_text(&in, text, size);
        ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert_int_eq(lines_next(&in, &line), -EMSGSIZE);
        ck_assert_uint_eq(in.number, 1);
        ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert_uint_eq(in.number, 3);
        ck_assert_int_eq(line.data[0], 'b');
        ck_assert_str_eq(read_all(&in), "4:c;");
        ck_assert_uint_eq(in.consumed, size);
        lines_close(&in);
        free(text);
        return 0;
}

static int write_slowly(void *arg)
{
        const int *fd = arg;
        int r;

        for (const char *c = "ab\ncd\n"; *c; c++) {
                r = pen_yield();
                if (r < 0 || write(*fd, c, 1) != 1)
                        return r;
        }
        close(*fd);
        return 0;
}

IN_LOOP(pipe_gives_lines_as_they_come)
{
        struct lines in = { .name = "pipe" };
        struct pen_task *writer;
        struct bytes line;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        in.fd = fds[0];
        ck_assert(!lines_ready(&in));
        ck_assert_int_eq(pen_spawn(write_slowly, &fds[1], &writer), 0);
        ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert_int_eq(memcmp(line.data, "ab", 2), 0);
        ck_assert_str_eq(read_all(&in), "2:cd;");
        ck_assert(lines_ready(&in)); /* to say that it has ended */
        ck_assert_int_eq(pen_await(writer, NULL), 0);
        pen_task_unref(writer);
        lines_close(&in);
        return 0;
}

IN_LOOP(buffered_line_is_ready_though_the_pipe_is_empty)
{
        struct lines in = { .name = "pipe" };
        struct bytes line;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        in.fd = fds[0];
        ck_assert_int_eq(write(fds[1], "a\nb\nrest", 8), 8);
        ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert(lines_ready(&in));
        ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert(!lines_ready(&in)); /* "rest" is no line yet */
        close(fds[1]);
        ck_assert(lines_ready(&in));
        ck_assert_str_eq(read_all(&in), "3:rest;");
        lines_close(&in);
        return 0;
}

IN_LOOP(number_of_lines_is_estimated_from_the_size)
{
        PEN_CLEANUP(lines_close) struct lines in;
        struct bytes line;
        char text[4000];

        memset(text, 'x', sizeof(text));
        for (size_t i = 9; i < sizeof(text); i += 10)
                text[i] = '\n';
        open_text(&in, text, sizeof(text));
        ck_assert_uint_eq(lines_estimate(&in), 0);
        for (int i = 0; i < 101; i++)
                ck_assert_int_eq(lines_next(&in, &line), 1);
        ck_assert_uint_ge(lines_estimate(&in), 390);
        ck_assert_uint_le(lines_estimate(&in), 410);
        while (lines_next(&in, &line) > 0)
                ;
        ck_assert_uint_eq(lines_estimate(&in), 400);
        return 0;
}

START_TEST(what_cannot_be_read_is_an_error)
{
        struct lines in;

        ck_assert_int_eq(lines_open(&in, "/nonexistent/file"), -ENOENT);
        ck_assert_int_eq(lines_open(&in, "/tmp"), -EISDIR);
        lines_close(&in);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "lines", lines_have_their_numbers_and_blank_ones_are_skipped,
                byte_order_mark_is_no_part_of_the_first_line,
                line_that_is_too_long_is_passed_by_and_told_once, pipe_gives_lines_as_they_come,
                buffered_line_is_ready_though_the_pipe_is_empty,
                number_of_lines_is_estimated_from_the_size, what_cannot_be_read_is_an_error);
}
