/* Streams at their edges: peers that do not read, deadlines around each call, ends half-way, pipes. */
#include "../in_loop.h"
#include "tls_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <penstock/fd.h>
#include <penstock/timeout.h>

struct ends {
        struct pen_stream *a, *b;
};

static void ends_deinit(struct ends *e)
{
        pen_stream_free(e->a);
        pen_stream_free(e->b);
}

static struct ends make_ends(int fds[2])
{
        struct ends e;

        ck_assert_int_eq(pen_stream_from_fd(fds[0], &e.a), 0);
        ck_assert_int_eq(pen_stream_from_fd(fds[1], &e.b), 0);
        return e;
}

static struct ends make_sockets(void)
{
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        return make_ends(fds);
}

/* `a` reads what `b` writes. */
static struct ends make_pipe(void)
{
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        return make_ends(fds);
}

#define SOCKETS(e) PEN_CLEANUP(ends_deinit) struct ends e = make_sockets()
#define PIPE(e) PEN_CLEANUP(ends_deinit) struct ends e = make_pipe()

/* --- back-pressure ---------------------------------------------------------------------------------- */

struct pump {
        struct pen_stream *stream;
        size_t n;
};

static int pump(void *arg)
{
        static const char block[10000];
        struct pump *pump = arg;
        int r = 0;

        while (r == 0) {
                r = pen_stream_write(pump->stream, block, sizeof(block));
                if (r == 0)
                        r = pen_stream_drain(pump->stream);
                if (r == 0)
                        pump->n += sizeof(block);
        }
        return r;
}

static void pump_into(struct pen_stream *stream)
{
        struct pump pumped = { .stream = stream };
        struct pen_task *t = spawn(pump, &pumped);

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_uint_gt(pumped.n, 0);
        ck_assert_uint_lt(pumped.n, 4 << 20); /* what the kernel takes, and no more */
        ck_assert_uint_gt(buffer_size(&stream->out), 0);
        ck_assert_uint_le(buffer_size(&stream->out), 10000);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
}

IN_VIRTUAL_LOOP(drain_stops_a_writer_whose_peer_does_not_read)
{
        SOCKETS(e);
        PIPE(p);

        pump_into(e.a);
        pump_into(p.b);
        return 0;
}

IN_VIRTUAL_LOOP(writer_that_never_has_to_wait_learns_that_the_peer_has_gone)
{
        SOCKETS(e);
        struct pump pumped = { .stream = e.a };

        pen_stream_free(TAKE(e.b));
        ck_assert_int_eq(pump(&pumped), -EPIPE);
        return 0;
}

static int write_endlessly(void *arg)
{
        static const char block[10000] = { 'x' };
        struct pen_stream *s = arg;
        int r = 0;

        while (r == 0) {
                r = pen_stream_write(s, block, sizeof(block));
                if (r == 0)
                        r = pen_stream_drain(s);
        }
        return r;
}

IN_VIRTUAL_LOOP(line_without_an_end_is_not_kept_beyond_its_limit)
{
        SOCKETS(e);
        struct pen_task *t = spawn(write_endlessly, e.a);
        char *line;

        ck_assert_int_eq((int)pen_stream_read_line(e.b, 1000, &line), -EMSGSIZE);
        ck_assert_uint_le(e.b->in.allocated, 64 << 10);
        ck_assert_int_eq((int)pen_stream_read_line(e.b, 100000, &line), -EMSGSIZE);
        ck_assert_uint_ge(buffer_size(&e.b->in), 100000);
        ck_assert_uint_le(e.b->in.allocated, 512 << 10);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        return 0;
}

/* --- deadlines -------------------------------------------------------------------------------------- */

static int read_some(void *s)
{
        char data[10];

        return (int)pen_stream_read(s, data, sizeof(data));
}

static int read_ten(void *s)
{
        char data[10];

        return pen_stream_read_exactly(s, data, sizeof(data));
}

static int read_line(void *s)
{
        char *line;

        return (int)pen_stream_read_line(s, 100, &line);
}

static int drain(void *s)
{
        return pen_stream_drain(s);
}

static int shut_down(void *s)
{
        return pen_stream_shutdown(s);
}

IN_VIRTUAL_LOOP(idle_stream_holds_no_buffers)
{
        SOCKETS(e);

        ck_assert_int_eq(put(e.a, "a line\n"), 0);
        expect_line(e.b, "a line\n");
        ck_assert_int_eq(pen_within(PEN_SEC, read_line, e.b), -ETIME);
        ck_assert_uint_eq(e.a->out.allocated, 0);
        ck_assert_uint_eq(e.b->in.allocated, 0);
        return 0;
}

IN_VIRTUAL_LOOP(each_call_obeys_its_deadline_and_loses_nothing)
{
        static int (*const readers[])(void *) = { read_some, read_ten, read_line };
        SOCKETS(e);
        char *much = calloc(1, 4 << 20);

        for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
                ck_assert_int_eq(pen_within(PEN_SEC, readers[i], e.b), -ETIME);
                ck_assert_uint_eq(pen_now(), (i + 1) * PEN_SEC);
        }
        ck_assert_int_eq(put(e.a, "half"), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, read_ten, e.b), -ETIME);
        ck_assert_int_eq(pen_within(PEN_SEC, read_line, e.b), -ETIME);
        ck_assert_int_eq(put(e.a, " a line\nand more"), 0);
        expect_line(e.b, "half a line\n");
        expect_read(e.b, "and more");

        ck_assert_int_eq(pen_stream_write(e.a, much, 4 << 20), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, drain, e.a), -ETIME);
        ck_assert_int_eq(pen_within(PEN_SEC, shut_down, e.a), -ETIME);
        ck_assert_uint_eq(pen_now(), 7 * PEN_SEC);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, much, 4 << 20), 0);
        free(much);
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        expect_read(e.b, "");
        return 0;
}

struct target {
        char address[64];
        int fds[8];
        size_t n;
};

static int connect_to(void *arg)
{
        struct target *target = arg;
        struct pen_stream *s;
        int r = pen_stream_connect(target->address, &s);

        if (r == 0)
                pen_stream_free(s);
        return r;
}

/* A listener whose backlog is full: no more connection is answered. */
static void make_blackhole(struct target *target)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        socklen_t size = sizeof(in);
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        *target = (struct target){ .fds[0] = fd, .n = 1 };
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, size), 0);
        ck_assert_int_eq(listen(fd, 0), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &size), 0);
        sprintf(target->address, "127.0.0.1:%u", ntohs(in.sin_port));
        while (target->n < ARRAY_SIZE(target->fds)) {
                fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
                (void)connect(fd, (struct sockaddr *)&in, size);
                target->fds[target->n++] = fd;
        }
}

static void target_deinit(struct target *target)
{
        while (target->n > 0)
                close(target->fds[--target->n]);
}

IN_VIRTUAL_LOOP(connection_that_nobody_answers_is_left_to_the_deadline)
{
        PEN_CLEANUP(target_deinit) struct target target;
        int before = dup(0), after;

        close(before);
        make_blackhole(&target);
        target_deinit(&target);
        make_blackhole(&target);
        ck_assert_int_eq(pen_within(PEN_MINUTE, connect_to, &target), -ETIME);
        ck_assert_uint_eq(pen_now(), PEN_MINUTE);
        target_deinit(&target);
        after = dup(0);
        close(after);
        ck_assert_int_eq(before, after); /* no descriptor was left */
        return 0;
}

/* --- ends -------------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(reset_is_told_once_to_a_reader_and_is_no_failure_of_a_shutdown)
{
        struct linger hard = { .l_onoff = 1 };
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *a = NULL;
        struct pen_stream *b;
        char address[64];

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        sprintf(address, "127.0.0.1:%u", pen_listener_port(l));
        ck_assert_int_eq(pen_stream_connect(address, &a), 0);
        ck_assert_int_eq(pen_accept(l, &b), 0);
        ck_assert_int_eq(put(b, "before"), 0);
        ck_assert_int_eq(pen_stream_drain(b), 0);
        ck_assert_int_eq(setsockopt(pen_stream_fd(b), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
                         0);
        expect_read(a, "before");
        pen_stream_free(b);
        ck_assert_int_eq(read_some(a), -ECONNRESET);
        ck_assert_int_eq(pen_stream_shutdown(a), 0);
        return 0;
}

IN_VIRTUAL_LOOP(nothing_and_all_can_be_read)
{
        SOCKETS(e);
        char data[10];

        ck_assert_int_eq(put(e.a, "0123456789"), 0);
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        ck_assert_int_eq((int)pen_stream_read(e.b, data, 0), 0);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 0), 0);
        ck_assert_int_eq((int)pen_stream_read_line(e.b, 0, &(char *){ NULL }), -EMSGSIZE);
        ck_assert_int_eq((int)pen_stream_read(e.b, data, 3), 3);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 7), 0);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 1), -EPIPE);
        ck_assert_int_eq((int)pen_stream_read(e.b, data, 1), 0);
        return 0;
}

/* --- pipes -------------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(pipe_is_a_stream_with_one_direction)
{
        PIPE(p);
        char *line;

        ck_assert_int_eq(put(p.b, "a line\nand some"), 0);
        expect_line(p.a, "a line\n");
        expect_read(p.a, "and some");
        ck_assert_int_eq(pen_within(PEN_SEC, read_line, p.a), -ETIME);
        ck_assert_int_eq(put(p.b, "the rest"), 0);
        ck_assert_int_eq(pen_stream_shutdown(p.b), 0);
        ck_assert_int_eq((int)pen_stream_read_line(p.a, 100, &line), 8);
        expect_read(p.a, "");
        ck_assert_int_eq(put(p.b, "more"), -EPIPE);
        ck_assert_int_eq(pen_stream_drain(p.b), -EPIPE);
        return 0;
}

IN_VIRTUAL_LOOP(pipe_whose_reader_has_gone_is_told)
{
        PIPE(p);

        pen_stream_free(TAKE(p.a));
        ck_assert_int_eq(put(p.b, "x"), 0);
        ck_assert_int_eq(pen_stream_drain(p.b), -EPIPE);
        return 0;
}

static int read_until_end(void *arg)
{
        char data[4096];
        ssize_t n;
        int all = 0;

        while ((n = pen_stream_read(arg, data, sizeof(data))) > 0)
                all += (int)n;
        return n < 0 ? (int)n : all;
}

IN_VIRTUAL_LOOP(much_goes_through_a_pipe)
{
        PIPE(p);
        struct pen_task *t = spawn(read_until_end, p.a);
        char *much = calloc(1, 4 << 20);

        ck_assert_int_eq(pen_stream_write(p.b, much, 4 << 20), 0);
        free(much);
        ck_assert_int_eq(pen_stream_shutdown(p.b), 0);
        ck_assert_int_eq(finish(t), 4 << 20);
        return 0;
}

IN_VIRTUAL_LOOP(file_is_no_stream)
{
        struct pen_stream *s;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(pen_stream_from_fd(fd, &s), -EPERM);
        close(fd); /* it is still ours */
        ck_assert_int_eq(pen_stream_from_fd(fd, &s), -EBADF);
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "stream_edges", drain_stops_a_writer_whose_peer_does_not_read,
                writer_that_never_has_to_wait_learns_that_the_peer_has_gone,
                line_without_an_end_is_not_kept_beyond_its_limit, idle_stream_holds_no_buffers,
                each_call_obeys_its_deadline_and_loses_nothing,
                connection_that_nobody_answers_is_left_to_the_deadline,
                reset_is_told_once_to_a_reader_and_is_no_failure_of_a_shutdown,
                nothing_and_all_can_be_read, pipe_is_a_stream_with_one_direction,
                pipe_whose_reader_has_gone_is_told, much_goes_through_a_pipe, file_is_no_stream);
}
