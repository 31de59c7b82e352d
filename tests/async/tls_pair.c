#include "tls_pair.h"

#include <string.h>
#include <sys/socket.h>

struct pen_tls *tls_of(const char *ca_file, const char *cert_file, const char *key_file)
{
        struct pen_tls_options options = { ca_file, cert_file, key_file, false, false };
        struct pen_tls *tls;
        char error[256] = "";

        ck_assert_msg(pen_tls_create(&options, &tls, error) == 0, "%s", error);
        return tls;
}

struct pair pair_create(void)
{
        struct pair p = { .client = { .name = "example.test" } };
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(pen_stream_from_fd(fds[0], &p.client.stream), 0);
        ck_assert_int_eq(pen_stream_from_fd(fds[1], &p.server.stream), 0);
        p.client.tls = tls_of("ca.pem", NULL, NULL);
        p.server.tls = tls_of(NULL, "server.pem", "server.key");
        return p;
}

void pair_deinit(struct pair *pair)
{
        pen_stream_free(pair->client.stream);
        pen_stream_free(pair->server.stream);
        pen_tls_free(pair->client.tls);
        pen_tls_free(pair->server.tls);
}

int side_start(void *arg)
{
        struct side *side = arg;

        side->result = pen_stream_start_tls(side->stream, side->tls, side->name, side->error);
        return side->result;
}

void pair_start(struct pair *pair)
{
        struct pen_task *server = spawn(side_start, &pair->server);

        side_start(&pair->client);
        finish(server);
}

struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

int finish(struct pen_task *t)
{
        int r;

        ck_assert_int_eq(pen_await(t, &r), 0);
        pen_task_unref(t);
        return r;
}

int put(struct pen_stream *s, const char *text)
{
        return pen_stream_write(s, text, strlen(text));
}

void expect_read(struct pen_stream *s, const char *expected)
{
        char data[100];
        ssize_t n = pen_stream_read(s, data, sizeof(data));

        ck_assert_int_eq((int)n, (int)strlen(expected));
        ck_assert_int_eq(memcmp(data, expected, (size_t)n), 0);
}

void expect_line(struct pen_stream *s, const char *expected)
{
        char *line;
        ssize_t n = pen_stream_read_line(s, 1000, &line);

        ck_assert_int_eq((int)n, (int)strlen(expected));
        ck_assert_int_eq(memcmp(line, expected, (size_t)n), 0);
}
