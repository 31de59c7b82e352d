#include "../in_loop.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <async/resolve.h>
#include <penstock/fd.h>
#include <penstock/group.h>
#include <penstock/stream.h>
#include <penstock/timeout.h>

/* Two ends of one connection. */
struct ends {
        struct pen_stream *a, *b;
};

static void ends_deinit(struct ends *e)
{
        pen_stream_free(e->a);
        pen_stream_free(e->b);
}

static struct ends make_ends(void)
{
        struct ends e;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(pen_stream_from_fd(fds[0], &e.a), 0);
        ck_assert_int_eq(pen_stream_from_fd(fds[1], &e.b), 0);
        return e;
}

#define ENDS(e) PEN_CLEANUP(ends_deinit) struct ends e = make_ends()

static int put(struct pen_stream *s, const char *text)
{
        return pen_stream_write(s, text, strlen(text));
}

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

static int finish(struct pen_task *t)
{
        int r;

        ck_assert_int_eq(pen_await(t, &r), 0);
        pen_task_unref(t);
        return r;
}

static int read_line_len(struct pen_stream *s, size_t max)
{
        char *line;

        return (int)pen_stream_read_line(s, max, &line);
}

static void expect_line(struct pen_stream *s, const char *expected)
{
        char *line;
        ssize_t n = pen_stream_read_line(s, 100, &line);

        ck_assert_int_eq((int)n, (int)strlen(expected));
        ck_assert_int_eq(memcmp(line, expected, (size_t)n), 0);
}

static void expect_read(struct pen_stream *s, const char *expected)
{
        char data[64];
        ssize_t n = pen_stream_read(s, data, sizeof(data));

        ck_assert_int_eq((int)n, (int)strlen(expected));
        ck_assert_int_eq(memcmp(data, expected, (size_t)n), 0);
}

/* --- reading -------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(what_is_written_is_read)
{
        ENDS(e);

        ck_assert_int_eq(put(e.a, "hello "), 0);
        ck_assert_int_eq(put(e.a, "world"), 0);
        expect_read(e.b, "hello world"); /* what a turn writes leaves in one piece */
        ck_assert_int_eq(put(e.b, "and back"), 0);
        expect_read(e.a, "and back");
        return 0;
}

static int count_reads(void *arg)
{
        struct pen_stream *s = arg;
        char data[64];
        int n = 0;

        while (pen_stream_read(s, data, sizeof(data)) > 0)
                n++;
        return n;
}

IN_VIRTUAL_LOOP(writes_of_one_turn_leave_together)
{
        ENDS(e);
        struct pen_task *reader = spawn(count_reads, e.b);

        for (int turn = 0; turn < 3; turn++) {
                for (int i = 0; i < 10; i++)
                        ck_assert_int_eq(put(e.a, "x"), 0);
                ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        }
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        ck_assert_int_eq(finish(reader), 3);
        return 0;
}

IN_VIRTUAL_LOOP(line_is_read_with_its_end)
{
        ENDS(e);

        ck_assert_int_eq(put(e.a, "one\n\ntwo\r\nrest"), 0);
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        expect_line(e.b, "one\n");
        expect_line(e.b, "\n");
        expect_line(e.b, "two\r\n");
        expect_line(e.b, "rest");
        ck_assert_int_eq(read_line_len(e.b, 100), 0);
        ck_assert_int_eq(read_line_len(e.b, 100), 0);
        return 0;
}

IN_VIRTUAL_LOOP(line_too_long_stays_readable)
{
        ENDS(e);

        ck_assert_int_eq(put(e.a, "0123456789\nnext\n"), 0);
        ck_assert_int_eq(read_line_len(e.b, 10), -EMSGSIZE);
        ck_assert_int_eq(read_line_len(e.b, 1), -EMSGSIZE);
        expect_line(e.b, "0123456789\n");
        ck_assert_int_eq(read_line_len(e.b, 5), 5);
        ck_assert_int_eq(put(e.a, "abcde"), 0);
        ck_assert_int_eq(read_line_len(e.b, 5), -EMSGSIZE);
        expect_read(e.b, "abcde");
        return 0;
}

static int write_bytewise(void *arg)
{
        struct pen_stream *s = arg;
        int r = 0;

        for (const char *i = "a line that comes in pieces\nand more"; *i && r == 0; i++) {
                r = pen_stream_write(s, i, 1);
                if (r == 0)
                        r = pen_sleep(PEN_SEC);
        }
        return r < 0 ? r : pen_stream_shutdown(s);
}

IN_VIRTUAL_LOOP(line_and_block_are_put_together_from_pieces)
{
        ENDS(e);
        struct pen_task *writer = spawn(write_bytewise, e.a);
        char data[4];

        expect_line(e.b, "a line that comes in pieces\n");
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 4), 0);
        ck_assert_int_eq(memcmp(data, "and ", 4), 0);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 4), 0);
        ck_assert_int_eq(memcmp(data, "more", 4), 0);
        ck_assert_int_eq(finish(writer), 0);
        return 0;
}

IN_VIRTUAL_LOOP(block_that_ends_too_early_stays_readable)
{
        ENDS(e);
        char data[10];

        ck_assert_int_eq(put(e.a, "short"), 0);
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 10), -EPIPE);
        ck_assert_int_eq(pen_stream_read_exactly(e.b, data, 0), 0);
        expect_read(e.b, "short");
        ck_assert_int_eq((int)pen_stream_read(e.b, data, 10), 0);
        return 0;
}

IN_VIRTUAL_LOOP(half_closed_stream_still_answers)
{
        ENDS(e);

        ck_assert_int_eq(put(e.a, "question"), 0);
        ck_assert_int_eq(pen_stream_shutdown(e.a), 0);
        expect_read(e.b, "question");
        expect_read(e.b, "");
        ck_assert_int_eq(put(e.b, "answer"), 0);
        ck_assert_int_eq(pen_stream_drain(e.b), 0);
        expect_read(e.a, "answer");
        ck_assert_int_eq(put(e.a, "more"), 0);
        ck_assert_int_eq(pen_stream_drain(e.a), -EPIPE);
        ck_assert_int_eq(put(e.a, "more"), -EPIPE);
        return 0;
}

/* --- writing -------------------------------------------------------------------------------------- */

#define MUCH ((size_t)8 << 20)

static int read_much(void *arg)
{
        struct pen_stream *s = arg;
        size_t n = 0;
        char data[10000];

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        while (n < MUCH) {
                ssize_t got = pen_stream_read(s, data, sizeof(data));

                ck_assert_int_gt((int)got, 0);
                for (ssize_t i = 0; i < got; i++, n++)
                        if (data[i] != (char)(n / 1000))
                                return -EIO;
        }
        return 1;
}

IN_VIRTUAL_LOOP(drain_waits_for_a_slow_reader)
{
        ENDS(e);
        struct pen_task *reader = spawn(read_much, e.b);
        char *data = malloc(MUCH);

        for (size_t i = 0; i < MUCH; i++)
                data[i] = (char)(i / 1000);
        ck_assert_int_eq(pen_stream_write(e.a, data, MUCH), 0);
        free(data);
        ck_assert_uint_eq(pen_now() / PEN_HOUR, 0);
        ck_assert_int_eq(pen_stream_drain(e.a), 0);
        ck_assert_uint_eq(pen_now() / PEN_HOUR, 1);
        ck_assert_int_eq(finish(reader), 1);
        return 0;
}

static int drain(void *stream)
{
        return pen_stream_drain(stream);
}

static int read_one(void *stream)
{
        char byte;

        return (int)pen_stream_read(stream, &byte, 1);
}

IN_VIRTUAL_LOOP(cancelled_drain_and_read_lose_nothing)
{
        ENDS(e);
        char *data = calloc(1, MUCH);
        size_t n = 0;

        ck_assert_int_eq(pen_within(PEN_SEC, read_one, e.b), -ETIME);
        ck_assert_int_eq(pen_stream_write(e.a, data, MUCH), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, drain, e.a), -ETIME);
        while (n < MUCH) {
                ssize_t got = pen_stream_read(e.b, data, MUCH - n);

                ck_assert_int_gt((int)got, 0);
                n += (size_t)got;
        }
        ck_assert_int_eq(pen_stream_drain(e.a), 0);
        free(data);
        return 0;
}

IN_VIRTUAL_LOOP(two_readers_or_two_writers_are_refused)
{
        ENDS(e);
        struct pen_task *reader = spawn(read_one, e.a), *writer;
        char *data = calloc(1, MUCH), byte;

        ck_assert_int_eq(pen_stream_write(e.a, data, MUCH), 0);
        writer = spawn(drain, e.a);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq((int)pen_stream_read(e.a, &byte, 1), -EBUSY);
        ck_assert_int_eq(read_line_len(e.a, 10), -EBUSY);
        ck_assert_int_eq(pen_stream_read_exactly(e.a, &byte, 1), -EBUSY);
        ck_assert_int_eq(pen_stream_drain(e.a), -EBUSY);
        ck_assert_int_eq(put(e.b, "x"), 0);
        ck_assert_int_eq(finish(reader), 1);
        pen_task_cancel(writer);
        ck_assert_int_eq(finish(writer), -ECANCELED);
        free(data);
        return 0;
}

IN_VIRTUAL_LOOP(peer_that_has_gone_is_told_without_a_signal)
{
        ENDS(e);
        char *data = calloc(1, MUCH);
        int r;

        pen_stream_free(TAKE(e.b));
        ck_assert_int_eq(put(e.a, "x"), 0);
        r = pen_stream_drain(e.a);
        ck_assert(r == -EPIPE || r == -ECONNRESET);
        ck_assert_int_eq(pen_stream_write(e.a, data, MUCH), r);
        ck_assert_int_eq(pen_stream_drain(e.a), r);
        expect_read(e.a, "");
        free(data);
        return 0;
}

/* --- connecting and listening --------------------------------------------------------------------- */

/* Gives one line back. Who only looked whether somebody listens says nothing, and is not counted. */
static int accept_one(void *listener)
{
        int r = 0;

        while (r == 0) {
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = NULL;
                char *line;

                r = pen_accept(listener, &s);
                if (r < 0)
                        return r;
                r = (int)pen_stream_read_line(s, 100, &line);
                if (r <= 0)
                        continue;
                r = pen_stream_write(s, line, (size_t)r);
                return r < 0 ? r : pen_stream_shutdown(s);
        }
        return r;
}

static void talk(struct pen_listener *listener, const char *address)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = NULL;
        struct pen_task *server = spawn(accept_one, listener);

        ck_assert_int_eq(pen_stream_connect(address, &s), 0);
        ck_assert_int_eq(fcntl(pen_stream_fd(s), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert_int_eq(put(s, "hello\n"), 0);
        expect_line(s, "hello\n");
        expect_line(s, "");
        ck_assert_int_eq(finish(server), 0);
}

IN_LOOP(tcp_carries_both_ways_without_delay)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = NULL;
        char address[64];
        int on = 0;
        socklen_t size = sizeof(on);

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        sprintf(address, "127.0.0.1:%u", pen_listener_port(l));
        for (int i = 0; i < 5; i++)
                talk(l, address);
        ck_assert_int_eq(pen_stream_connect(address, &s), 0);
        ck_assert_int_eq(getsockopt(pen_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        ck_assert_int_ne(on, 0);
        return 0;
}

IN_LOOP(tcp_over_v6_if_there_is_any)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;
        char address[64];
        int r = pen_listen("[::1]:0", &l);

        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
                return 0;
        ck_assert_int_eq(r, 0);
        sprintf(address, "[::1]:%u", pen_listener_port(l));
        talk(l, address);
        return 0;
}

/* "two.test": an address where nobody listens, and one where somebody does. */
static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
        struct addrinfo numeric = *hints, *second;
        int r;

        (void)host;
        numeric.ai_flags = AI_NUMERICHOST;
        r = getaddrinfo("127.0.0.1", service, &numeric, &second);
        if (r == 0)
                r = getaddrinfo("127.0.0.77", service, &numeric, ret);
        if (r == 0)
                (*ret)->ai_next = second;
        return r;
}

IN_LOOP(addresses_of_a_name_are_tried_in_turn)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;
        char address[64];

        resolver_getaddrinfo = look_up;
        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        sprintf(address, "two.test:%u", pen_listener_port(l));
        talk(l, address);
        return 0;
}

IN_LOOP(nobody_listening_is_told)
{
        struct pen_listener *l;
        struct pen_stream *s;
        char address[64];

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        sprintf(address, "127.0.0.1:%u", pen_listener_port(l));
        ck_assert_int_eq(pen_listen(address, &l), -EADDRINUSE);
        pen_listener_free(l);
        ck_assert_int_eq(pen_stream_connect(address, &s), -ECONNREFUSED);
        ck_assert_int_eq(pen_stream_connect("unix:/nowhere/socket", &s), -ENOENT);
        return 0;
}

IN_LOOP(what_is_no_address_is_refused)
{
        static const char *const bad[] = {
                "",
                ":",
                "host",
                "host:",
                ":80",
                "host:65536",
                "host:-1",
                "host:080",
                "host:80x",
                "::1:80",
                "[::1]",
                "[::1]80",
                "[127.0.0.1]:80",
                "[::1:80",
                "unix:",
                "127.0.0.1: 80",
        };
        static const char *const not_to_listen[] = { "localhost:80", "127.1:0", "host:0" };
        char path[200] = "unix:/";
        struct pen_listener *l;
        struct pen_stream *s;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                ck_assert_int_eq(pen_stream_connect(bad[i], &s), -EINVAL);
                ck_assert_int_eq(pen_listen(bad[i], &l), -EINVAL);
        }
        for (size_t i = 0; i < ARRAY_SIZE(not_to_listen); i++)
                ck_assert_int_eq(pen_listen(not_to_listen[i], &l), -EINVAL);
        memset(path + 6, 'x', sizeof(path) - 7);
        ck_assert_int_eq(pen_stream_connect(path, &s), -EINVAL);
        ck_assert_int_eq(pen_listen(path, &l), -EINVAL);
        return 0;
}

IN_VIRTUAL_LOOP(accept_can_be_cancelled)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, accept_one, l), -ETIME);
        return 0;
}

/* --- Unix sockets --------------------------------------------------------------------------------- */

struct place {
        char directory[64], path[96], address[104];
};

static void place_deinit(struct place *place)
{
        ck_assert_int_eq(rmdir(place->directory), 0); /* nothing was left in it */
}

static struct place make_place(void)
{
        struct place place = { .directory = "/tmp/test_stream.XXXXXX" };

        ck_assert_ptr_nonnull(mkdtemp(place.directory));
        sprintf(place.path, "%s/socket", place.directory);
        sprintf(place.address, "unix:%s", place.path);
        return place;
}

IN_LOOP(unix_socket_carries_both_ways)
{
        PEN_CLEANUP(place_deinit) struct place place = make_place();
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;

        ck_assert_int_eq(pen_listen(place.address, &l), 0);
        ck_assert_uint_eq(pen_listener_port(l), 0);
        talk(l, place.address);
        return 0;
}

IN_LOOP(stale_unix_socket_is_replaced_and_a_living_one_is_not)
{
        PEN_CLEANUP(place_deinit) struct place place = make_place();
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *l = NULL;
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        struct pen_listener *second;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        strcpy(un.sun_path, place.path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(pen_listen(place.address, &l), -EADDRINUSE);
        close(fd); /* as a killed daemon does */
        ck_assert_int_eq(pen_listen(place.address, &l), 0);
        ck_assert_int_eq(pen_listen(place.address, &second), -EADDRINUSE);
        talk(l, place.address);
        return 0;
}

IN_LOOP(file_that_is_no_socket_is_left_alone)
{
        PEN_CLEANUP(place_deinit) struct place place = make_place();
        struct pen_listener *l;
        int fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(pen_listen(place.address, &l), -EADDRINUSE);
        ck_assert_int_eq(unlink(place.path), 0);
        return 0;
}

IN_LOOP(socket_of_a_successor_is_not_removed)
{
        PEN_CLEANUP(place_deinit) struct place place = make_place();
        struct pen_listener *first, *second;

        ck_assert_int_eq(pen_listen(place.address, &first), 0);
        ck_assert_int_eq(unlink(place.path), 0);
        ck_assert_int_eq(pen_listen(place.address, &second), 0);
        pen_listener_free(first);
        talk(second, place.address);
        pen_listener_free(second);
        return 0;
}

/* --- descriptors used up -------------------------------------------------------------------------- */

#define FEW 40

struct accepting {
        struct pen_listener *listener;
        struct pen_stream *stream;
};

static int accept_into(void *arg)
{
        struct accepting *a = arg;

        return pen_accept(a->listener, &a->stream);
}

static int n_warnings;

static void count_warnings(void *data, enum pen_log_level level, const char *message)
{
        (void)data;
        if (level == PEN_LOG_WARNING && strstr(message, "Too many open files"))
                n_warnings++;
}

static int run_out_of_descriptors(__attribute__((unused)) void *arg)
{
        struct rlimit few;
        struct pen_listener *l;
        struct sockaddr_in in = { .sin_family = AF_INET };
        struct accepting a = { NULL, NULL };
        struct pen_task *t;
        int fds[FEW], n = 0, client;

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons(pen_listener_port(l));
        client = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&in, sizeof(in)), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &few), 0);
        few.rlim_cur = FEW;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        while (n < FEW && (fds[n] = dup(0)) >= 0)
                n++;
        ck_assert_int_lt(n, FEW);

        a.listener = l;
        t = spawn(accept_into, &a);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert(!pen_task_done(t));
        close(fds[--n]);
        ck_assert_int_eq(pen_sleep(150 * PEN_MSEC), 0);
        ck_assert(pen_task_done(t));
        ck_assert_int_eq(finish(t), 0);
        ck_assert_int_eq(n_warnings, 1);

        while (n > 0)
                close(fds[--n]);
        close(client);
        pen_stream_free(a.stream);
        pen_listener_free(l);
        return 0;
}

/* The virtual clock would stand still if the loop were spinning. */
START_TEST(accept_waits_for_descriptors_without_spinning)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL, .log = count_warnings };
        pid_t child;
        int status;

        if (under_valgrind())
                return; /* it accepts first and looks at the limit afterwards */
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
                _exit(pen_run_with(&options, run_out_of_descriptors, NULL) == 0 ? 0 : 1);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
}
END_TEST

/* --- many ----------------------------------------------------------------------------------------- */

struct flood {
        struct pen_listener *listener;
        struct pen_group *group;
        char address[64];
        int n_served, n_talked;
};

static int serve_stream(void *stream)
{
        struct pen_stream *s = stream;
        char *line;
        ssize_t n;
        int r = 0;

        while (r == 0 && (n = pen_stream_read_line(s, 100, &line)) > 0)
                r = pen_stream_write(s, line, (size_t)n);
        pen_stream_free(s);
        return 0;
}

static int accept_flood(void *arg)
{
        struct flood *flood = arg;
        struct pen_stream *s;
        int r;

        while ((r = pen_accept(flood->listener, &s)) == 0) {
                flood->n_served++;
                ck_assert_int_eq(pen_spawn(serve_stream, s, NULL), 0);
        }
        return r;
}

static int talk_much(void *arg)
{
        struct flood *flood = arg;
        struct pen_stream *s;
        char line[32];

        ck_assert_int_eq(pen_stream_connect(flood->address, &s), 0);
        for (int i = 0; i < 20; i++) {
                sprintf(line, "line %d\n", i);
                ck_assert_int_eq(put(s, line), 0);
                expect_line(s, line);
        }
        pen_stream_free(s);
        flood->n_talked++;
        return 0;
}

IN_LOOP(many_connections_are_served_at_once)
{
        struct flood flood = { .n_served = 0 };
        struct pen_task *acceptor;
        int n = (int)many(300, 100);

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &flood.listener), 0);
        sprintf(flood.address, "127.0.0.1:%u", pen_listener_port(flood.listener));
        acceptor = spawn(accept_flood, &flood);
        ck_assert_int_eq(pen_group_create(&flood.group), 0);
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(pen_group_spawn(flood.group, NULL, talk_much, &flood, NULL), 0);
        ck_assert_int_eq(pen_group_join(flood.group), 0);
        pen_group_free(flood.group);
        ck_assert_int_eq(flood.n_talked, n);
        ck_assert_int_eq(flood.n_served, n);
        pen_task_cancel(acceptor);
        ck_assert_int_eq(finish(acceptor), -ECANCELED);
        pen_listener_free(flood.listener);
        return 0;
}

START_TEST(stream_needs_a_loop_and_a_socket)
{
        struct pen_stream *s;
        struct pen_listener *l;
        struct world w;
        char byte;

        ck_assert_int_eq(pen_stream_from_fd(0, &s), -ENXIO);
        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), -ENXIO);
        world_init(&w);
        ck_assert_int_eq(pen_stream_from_fd(-1, &s), -EBADF);
        {
                ENDS(e);
                ck_assert_int_eq((int)pen_stream_read(e.a, &byte, 1), -EDEADLK);
                ck_assert_int_eq(put(e.a, "x"), 0);
                ck_assert_int_eq(pen_stream_drain(e.a), 0);
                ck_assert_int_eq((int)pen_stream_read(e.b, &byte, 1), 1);
        }
        pen_stream_free(NULL);
        pen_listener_free(NULL);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE("stream", what_is_written_is_read, writes_of_one_turn_leave_together,
                         line_is_read_with_its_end, line_too_long_stays_readable,
                         line_and_block_are_put_together_from_pieces,
                         block_that_ends_too_early_stays_readable, half_closed_stream_still_answers,
                         drain_waits_for_a_slow_reader, cancelled_drain_and_read_lose_nothing,
                         two_readers_or_two_writers_are_refused,
                         peer_that_has_gone_is_told_without_a_signal,
                         tcp_carries_both_ways_without_delay, tcp_over_v6_if_there_is_any,
                         addresses_of_a_name_are_tried_in_turn, nobody_listening_is_told,
                         what_is_no_address_is_refused, accept_can_be_cancelled,
                         unix_socket_carries_both_ways,
                         stale_unix_socket_is_replaced_and_a_living_one_is_not,
                         file_that_is_no_socket_is_left_alone, socket_of_a_successor_is_not_removed,
                         accept_waits_for_descriptors_without_spinning,
                         many_connections_are_served_at_once, stream_needs_a_loop_and_a_socket);
}
