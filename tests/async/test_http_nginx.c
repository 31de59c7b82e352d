/* The HTTP client against a real server. */
#include "../in_loop.h"
#include "../nginx.h"
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include <async/http.h>
#include <async/resolve.h>
#include <penstock/group.h>
#include <penstock/http.h>

#define RESPONSE(r) PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response r = { 0 }

/* A client that knows the server's authority. */
struct pair {
        struct nginx *nginx;
        struct pen_http_client *client;
};

static void pair_init_with(struct pair *p, struct pen_http_options options)
{
        p->nginx = nginx_start();
        options.ca_file = nginx_ca_file(p->nginx);
        ck_assert_int_eq(pen_http_client_create(&options, &p->client), 0);
}

static void pair_init(struct pair *p)
{
        pair_init_with(p, (struct pen_http_options)PEN_HTTP_OPTIONS_DEFAULT);
}

static void pair_deinit(struct pair *p)
{
        pen_http_client_free(p->client);
        nginx_stop(p->nginx);
}

#define PAIR(p)                                 \
        PEN_CLEANUP(pair_deinit) struct pair p; \
        pair_init(&(p))

static void expect_header(const struct pen_http_response *response, const char *name,
                          const char *expected)
{
        char value[64];

        ck_assert_int_ge(pen_http_response_header(response, name, value, sizeof(value)), 0);
        ck_assert_str_eq(value, expected);
}

/* Which of nginx's connections it came over. */
static int connection_of(const struct pen_http_response *response)
{
        char value[64];

        ck_assert_int_gt(pen_http_response_header(response, "X-Connection", value, 64), 0);
        return atoi(value);
}

/* --- a crowd ------------------------------------------------------------------------------------ */

struct crowd {
        const struct pair *p;
        const char *url;
        size_t n_good, n_connections;
        int connections[1000]; /* that have been seen */
};

static void note_connection(struct crowd *crowd, int number)
{
        for (size_t i = 0; i < crowd->n_connections; i++)
                if (crowd->connections[i] == number)
                        return;
        crowd->connections[crowd->n_connections++] = number;
}

static int be_one_of_crowd(void *arg)
{
        struct crowd *crowd = arg;
        struct pen_http_request request = { .url = crowd->url };
        RESPONSE(response);
        char error[256];
        int r = pen_http_send(crowd->p->client, &request, &response, error);

        ck_assert_msg(r == 0, "%s", error);
        ck_assert_int_eq(response.status, 200);
        note_connection(crowd, connection_of(&response));
        crowd->n_good++;
        return 0;
}

/* Answers over how many connections they came. */
static size_t send_crowd(const struct pair *p, enum nginx_door door, const char *path, size_t n)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        static struct crowd crowd;

        crowd = (struct crowd){ .p = p, .url = nginx_url(p->nginx, door, path) };
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, be_one_of_crowd, &crowd, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        ck_assert_uint_eq(crowd.n_good, n);
        return crowd.n_connections;
}

/* --- connections -------------------------------------------------------------------------------- */

static const enum nginx_door doors[] = { NGINX_PLAIN, NGINX_TLS, NGINX_HTTP2 };

static int get(const struct pair *p, enum nginx_door door, const char *path,
               struct pen_http_response *response)
{
        struct pen_http_request request = { .url = nginx_url(p->nginx, door, path) };
        char error[256];
        int r = pen_http_send(p->client, &request, response, error);

        ck_assert_msg(r == 0, "%s", error);
        return response->status;
}

/* Over which connection "hello" came. */
static int say_hello(const struct pair *p, enum nginx_door door)
{
        RESPONSE(response);

        ck_assert_int_eq(get(p, door, "/hello", &response), 200);
        ck_assert_str_eq(response.body, "hello");
        return connection_of(&response);
}

IN_LOOP(one_connection_serves_many_requests)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                int first = say_hello(&p, doors[i]);

                for (int k = 0; k < 50; k++)
                        ck_assert_int_eq(say_hello(&p, doors[i]), first);
        }
        return 0;
}

IN_LOOP(http2_is_spoken_where_it_is_offered)
{
        static const char *const protocols[] = { "HTTP/1.1", "HTTP/1.1", "HTTP/2.0" };
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                RESPONSE(response);

                ck_assert_int_eq(get(&p, doors[i], "/hello", &response), 200);
                expect_header(&response, "x-protocol", protocols[i]);
        }
        return 0;
}

/* The limit is of connections, and on HTTP/2 one is enough for all. */
IN_LOOP(requests_share_one_http2_connection)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;

        options.max_per_host = 1;
        pair_init_with(&p, options);
        ck_assert_uint_eq(send_crowd(&p, NGINX_HTTP2, "/hello", 300), 1);
        ck_assert_uint_eq(send_crowd(&p, NGINX_HTTP2, "/text", 300), 1);
        return 0;
}

IN_LOOP(limit_for_a_host_holds_over_tls)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;

        options.max_per_host = 3;
        pair_init_with(&p, options);
        ck_assert_uint_eq(send_crowd(&p, NGINX_TLS, "/text", 100), 3);
        return 0;
}

IN_LOOP(idle_connection_gives_way_to_another_host)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;

        options.max_connections = 1;
        pair_init_with(&p, options);
        for (int i = 0; i < 3; i++)
                for (size_t k = 0; k < ARRAY_SIZE(doors); k++)
                        say_hello(&p, doors[k]);
        return 0;
}

IN_LOOP(connection_that_the_server_announces_to_close_is_not_reused)
{
        PAIR(p);
        int connections[2];

        for (int i = 0; i < 2; i++) {
                RESPONSE(response);

                ck_assert_int_eq(get(&p, NGINX_TLS, "/close", &response), 200);
                expect_header(&response, "Connection", "close");
                ck_assert_str_eq(response.body, "bye");
                connections[i] = connection_of(&response);
        }
        ck_assert_int_ne(connections[0], connections[1]);
        return 0;
}

/* --- trust -------------------------------------------------------------------------------------- */

static int try_to_reach(const struct pen_http_options *options, const char *url, char *error)
{
        struct pen_http_request request = { .url = url };
        struct pen_http_client *client;
        RESPONSE(response);
        int r;

        ck_assert_int_eq(pen_http_client_create(options, &client), 0);
        r = pen_http_send(client, &request, &response, error);
        if (r == 0)
                ck_assert_str_eq(response.body, "hello");
        pen_http_client_free(client);
        return r;
}

static void expect_distrust(const char *ca_file, const char *url, const char *why)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        char error[256] = "";

        options.ca_file = ca_file;
        ck_assert_int_eq(try_to_reach(&options, url, error), -EPROTO);
        ck_assert_msg(strcasestr(error, why) != NULL, "%s", error);
        options.insecure = true;
        ck_assert_int_eq(try_to_reach(&options, url, error), 0);
}

IN_LOOP(certificates_are_checked_unless_that_is_waived)
{
        PEN_CLEANUP(nginx_stopp) struct nginx *nginx = nginx_start();
        const char *ca_file = nginx_ca_file(nginx);

        expect_distrust(NULL, nginx_url(nginx, NGINX_TLS, "/hello"),
                        "unable to get local issuer certificate");
        expect_distrust(ca_file, nginx_url(nginx, NGINX_OTHER_NAME, "/hello"),
                        "matches target host name '127.0.0.1'");
        expect_distrust(ca_file, nginx_url_of(nginx, NGINX_OTHER_NAME, "localhost", "/hello"),
                        "matches target host name 'localhost'");
        expect_distrust(ca_file, nginx_url(nginx, NGINX_EXPIRED, "/hello"),
                        "certificate has expired");
        return 0;
}

IN_LOOP(certificate_of_the_right_name_is_trusted)
{
        PEN_CLEANUP(nginx_stopp) struct nginx *nginx = nginx_start();
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        char error[256];

        options.ca_file = nginx_ca_file(nginx);
        ck_assert_int_eq(try_to_reach(&options,
                                      nginx_url_of(nginx, NGINX_HTTP2, "localhost", "/hello"),
                                      error),
                         0);
        options.ca_file = "/nowhere/ca.crt";
        ck_assert_int_eq(try_to_reach(&options, nginx_url(nginx, NGINX_TLS, "/hello"), error),
                         -EPROTO);
        ck_assert_ptr_nonnull(strstr(error, "/nowhere/ca.crt"));
        return 0;
}

IN_LOOP(plain_server_does_not_pass_for_a_tls_one)
{
        PEN_CLEANUP(nginx_stopp) struct nginx *nginx = nginx_start();
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        char url[300], error[256];

        snprintf(url, sizeof(url), "https%s", nginx_url(nginx, NGINX_PLAIN, "/hello") + 4);
        ck_assert_int_eq(try_to_reach(&options, url, error), -EPROTO);
        ck_assert_ptr_nonnull(strcasestr(error, "ssl"));
        return 0;
}

/* --- responses ---------------------------------------------------------------------------------- */

IN_LOOP(body_is_unpacked_by_nobody)
{
        static const char *const headers[] = { "Accept-Encoding: gzip", NULL };
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/text"),
                                                    .headers = headers };
                RESPONSE(packed);
                RESPONSE(plain);
                char value[64];

                ck_assert_int_eq(get(&p, doors[i], "/text", &plain), 200);
                ck_assert_int_eq(pen_http_response_header(&plain, "Content-Encoding", value, 64),
                                 -ENOENT);
                ck_assert_uint_eq(plain.size, 17000);
                ck_assert_int_eq(pen_http_send(p.client, &request, &packed, NULL), 0);
                expect_header(&packed, "Content-Encoding", "gzip");
                ck_assert_int_eq(memcmp(packed.body, "\x1f\x8b", 2), 0);
                ck_assert_uint_lt(packed.size, 1000);
        }
        return 0;
}

IN_LOOP(responses_without_a_body_have_none)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/zero/1m"),
                                                    .method = "HEAD" };
                int connection = say_hello(&p, doors[i]);
                RESPONSE(head);
                RESPONSE(none);

                ck_assert_int_eq(pen_http_send(p.client, &request, &head, NULL), 0);
                ck_assert_int_eq(head.status, 200);
                expect_header(&head, "Content-Length", "1048576");
                ck_assert_uint_eq(head.size, 0);
                ck_assert_int_eq(get(&p, doors[i], "/204", &none), 204);
                ck_assert_uint_eq(none.size, 0);
                ck_assert_int_eq(say_hello(&p, doors[i]), connection);
        }
        return 0;
}

IN_LOOP(not_modified_has_no_body_and_keeps_the_connection)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                char since[100] = "If-Modified-Since: ";
                const char *const headers[] = { since, NULL };
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/text"),
                                                    .headers = headers };
                RESPONSE(first);
                RESPONSE(second);

                ck_assert_int_eq(get(&p, doors[i], "/text", &first), 200);
                ck_assert_int_gt(pen_http_response_header(&first, "Last-Modified",
                                                          since + strlen(since), 80),
                                 0);
                ck_assert_int_eq(pen_http_send(p.client, &request, &second, NULL), 0);
                ck_assert_int_eq(second.status, 304);
                ck_assert_uint_eq(second.size, 0);
                ck_assert_int_eq(pen_http_raise_for_status(&second), 0);
                ck_assert_int_eq(say_hello(&p, doors[i]), connection_of(&first));
        }
        return 0;
}

IN_LOOP(chunks_are_put_together)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                RESPONSE(response);

                ck_assert_int_eq(get(&p, doors[i], "/chunked", &response), 200);
                if (doors[i] != NGINX_HTTP2)
                        expect_header(&response, "Transfer-Encoding", "chunked");
                ck_assert_uint_eq(response.size, 17000);
                for (size_t k = 0; k < 17000; k += 17)
                        ck_assert_int_eq(memcmp(response.body + k, "once Upon a time\n", 17), 0);
        }
        return 0;
}

IN_LOOP(missing_file_is_an_error_for_who_asks)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                RESPONSE(response);

                ck_assert_int_eq(get(&p, doors[i], "/404", &response), 404);
                ck_assert_uint_gt(response.size, 0);
                ck_assert_int_eq(pen_http_raise_for_status(&response), -EREMOTEIO);
        }
        return 0;
}

IN_LOOP(body_is_bounded_and_the_client_goes_on)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/zero/1g"),
                                                    .max_body = 100000 };
                RESPONSE(response);
                char error[256];

                ck_assert_int_eq(pen_http_send(p.client, &request, &response, error), -EFBIG);
                ck_assert_str_eq(error, "the response is larger than allowed");
                request.url = nginx_url(p.nginx, doors[i], "/zero/10m");
                request.cut_body = true;
                ck_assert_int_eq(pen_http_send(p.client, &request, &response, error), 0);
                ck_assert(response.cut);
                ck_assert_uint_eq(response.size, 100000);
                say_hello(&p, doors[i]);
        }
        return 0;
}

/* --- requests ----------------------------------------------------------------------------------- */

IN_LOOP(large_body_is_uploaded_bit_for_bit)
{
        static char body[5 << 20];
        PAIR(p);

        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char)(i * 7 + i / 251);
        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .method = "PUT",
                                                    .url = nginx_url(p.nginx, doors[i], "/put/it"),
                                                    .body = body,
                                                    .body_size = sizeof(body) };
                RESPONSE(put);
                RESPONSE(got);

                body[0] = (char)i;
                ck_assert_int_eq(pen_http_send(p.client, &request, &put, NULL), 0);
                ck_assert_int_eq(put.status, i == 0 ? 201 : 204);
                ck_assert_int_eq(get(&p, doors[i], "/put/it", &got), 200);
                ck_assert_uint_eq(got.size, sizeof(body));
                ck_assert_int_eq(memcmp(got.body, body, sizeof(body)), 0);
        }
        return 0;
}

IN_LOOP(answer_that_does_not_wait_for_the_body_is_taken)
{
        static char body[10 << 20];
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/small"),
                                                    .body = body,
                                                    .body_size = sizeof(body) };
                RESPONSE(response);
                char error[256];
                int r = pen_http_send(p.client, &request, &response, error);

                ck_assert_msg(r == 0, "%s", error);
                ck_assert_int_eq(response.status, 413);
                say_hello(&p, doors[i]);
        }
        return 0;
}

IN_LOOP(permission_for_the_body_is_waited_for_if_asked_for)
{
        static const char *const headers[] = { "Expect: 100-continue", NULL };
        static char body[1000];
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/small"),
                                                    .headers = headers,
                                                    .body = body,
                                                    .body_size = sizeof(body) };
                RESPONSE(response);

                ck_assert_int_eq(pen_http_send(p.client, &request, &response, NULL), 0);
                ck_assert_int_eq(response.status, 200);
                ck_assert_str_eq(response.body, "small");
        }
        return 0;
}

IN_LOOP(huge_head_of_a_request_is_the_servers_to_refuse)
{
        static char header[100000] = "X-Huge: ";
        const char *const headers[] = { header, NULL };
        PAIR(p);

        memset(header + 8, 'x', sizeof(header) - 9);
        for (size_t i = 0; i < 2; i++) {
                struct pen_http_request request = { .url = nginx_url(p.nginx, doors[i], "/hello"),
                                                    .headers = headers };
                RESPONSE(response);

                ck_assert_int_eq(pen_http_send(p.client, &request, &response, NULL), 0);
                ck_assert_int_eq(response.status, 400);
                say_hello(&p, doors[i]);
        }
        return 0;
}

/* --- streams ------------------------------------------------------------------------------------ */

static struct pen_http_stream *open_stream(const struct pair *p, enum nginx_door door,
                                           const char *path)
{
        struct pen_http_request request = { .url = nginx_url(p->nginx, door, path) };
        struct pen_http_stream *stream;
        char error[256];
        int r = pen_http_open(p->client, &request, &stream, error);

        ck_assert_msg(r == 0, "%s", error);
        ck_assert_int_eq(pen_http_stream_status(stream), 200);
        return stream;
}

/* Answers how much came. */
static size_t read_zeros(struct pen_http_stream *stream, size_t limit)
{
        static const char zeros[50000];
        char data[sizeof(zeros)];
        size_t total = 0;
        ssize_t n = 1;

        while (total < limit && n > 0) {
                n = pen_http_stream_read(stream, data, MIN(sizeof(data), limit - total));
                ck_assert_int_ge(n, 0);
                ck_assert_int_eq(memcmp(data, zeros, (size_t)n), 0);
                total += (size_t)n;
        }
        return total;
}

#define MIB ((size_t)1 << 20)

/* What the heap holds. 0 where the allocator does not tell. */
static size_t heap_size(void)
{
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}

static void wait_until_held_back(struct pen_http_stream *stream)
{
        struct transfer *t = *(struct transfer **)stream; /* its first member */

        while (!t->paused)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

IN_LOOP(gigabyte_for_a_slow_reader_takes_bounded_memory)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                size_t size = many(doors[i] == NGINX_PLAIN ? 1024 : 128, 10) * MIB;
                PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
                size_t before = heap_size(), total = 0;

                stream = open_stream(&p, doors[i], "/zero/1g");
                while (total < size) {
                        if (total < MIB)
                                wait_until_held_back(stream);
                        total += read_zeros(stream, MIN(size - total, 100000));
                        ck_assert_uint_lt(heap_size(), before + 4 * MIB);
                }
                ck_assert_uint_eq(total, size);
        }
        return 0;
}

/* The others' data come past its own, which nobody reads: curl keeps up to a window of that. */
IN_LOOP(held_back_http2_stream_does_not_hold_back_the_others)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
        PEN_CLEANUP(pair_deinit) struct pair p;
        size_t before;

        options.max_per_host = 1;
        pair_init_with(&p, options);
        before = heap_size();
        stream = open_stream(&p, NGINX_HTTP2, "/zero/1g");
        for (size_t i = 0, n = many(60, 10); i < n; i++) {
                RESPONSE(response);

                wait_until_held_back(stream);
                ck_assert_int_eq(get(&p, NGINX_HTTP2, "/zero/1m", &response), 200);
                ck_assert_uint_eq(response.size, MIB);
                ck_assert_uint_lt(heap_size(), before + 80 * MIB);
        }
        ck_assert_uint_eq(read_zeros(stream, 64 * MIB), 64 * MIB);
        pen_http_stream_free(TAKE(stream));
        return 0;
}

IN_LOOP(stream_freed_early_ends_its_connection_or_its_http2_stream_alone)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                int first = say_hello(&p, doors[i]), second;
                struct pen_http_stream *stream = open_stream(&p, doors[i], "/zero/1g");

                ck_assert_uint_eq(read_zeros(stream, 100000), 100000);
                pen_http_stream_free(stream);
                second = say_hello(&p, doors[i]);
                if (doors[i] == NGINX_HTTP2)
                        ck_assert_int_eq(second, first);
                else
                        ck_assert_int_ne(second, first);
        }
        return 0;
}

IN_LOOP(stream_read_to_its_end_leaves_its_connection_to_the_next)
{
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
                int first = say_hello(&p, doors[i]);

                stream = open_stream(&p, doors[i], "/zero/10m");
                ck_assert_uint_eq(read_zeros(stream, SIZE_MAX), 10 * MIB);
                ck_assert_int_eq(say_hello(&p, doors[i]), first);
        }
        return 0;
}

IN_LOOP(server_that_dies_in_mid_body_is_told)
{
        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
                struct pair p;
                char data[50000];
                ssize_t n;

                pair_init(&p);
                stream = open_stream(&p, doors[i], "/slow/10m");
                nginx_stop(TAKE(p.nginx));
                while ((n = pen_http_stream_read(stream, data, sizeof(data))) > 0)
                        ;
                ck_assert_int_eq(n, -ECONNRESET);
                pen_http_stream_free(TAKE(stream));
                pair_deinit(&p);
        }
        return 0;
}

static int read_one_of_many(void *arg)
{
        struct pair *p = arg;
        PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;

        stream = open_stream(p, NGINX_HTTP2, "/zero/1m");
        ck_assert_uint_eq(read_zeros(stream, SIZE_MAX), MIB);
        return 0;
}

IN_LOOP(many_streams_share_one_connection_and_all_come_whole)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        PEN_CLEANUP(pair_deinit) struct pair p;

        options.max_per_host = 1;
        pair_init_with(&p, options);
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < 50; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, read_one_of_many, &p, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        return 0;
}

/* --- cancellation ------------------------------------------------------------------------------- */

struct trial {
        struct pair p;
        enum nginx_door door;
        int number;
};

static int look_up_loopback(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret)
{
        struct addrinfo numeric = *hints;

        (void)host;
        numeric.ai_flags = AI_NUMERICHOST;
        return getaddrinfo("127.0.0.1", service, &numeric, ret);
}

/* A name of its own, to be looked up. */
static const char *url_of_trial(struct trial *trial, const char *path)
{
        char host[32];

        snprintf(host, sizeof(host), "n%d.nginx.test", trial->number++);
        return nginx_url_of(trial->p.nginx, trial->door, host, path);
}

static int send_all(void *arg)
{
        struct trial *trial = arg;
        static char body[60000]; /* what a server takes unasked */
        struct pen_http_request up = { .url = url_of_trial(trial, "/hello"),
                                       .body = body,
                                       .body_size = sizeof(body) };
        struct pen_http_request down = { .url = url_of_trial(trial, "/zero/1m") };
        RESPONSE(upped);
        RESPONSE(downed);
        int r;

        r = pen_http_send(trial->p.client, &up, &upped, NULL);
        if (r == 0)
                r = pen_http_send(trial->p.client, &down, &downed, NULL);
        return r < 0 ? r : downed.status;
}

static int stream_all(void *arg)
{
        struct trial *trial = arg;
        PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
        struct pen_http_request request = { .url = url_of_trial(trial, "/zero/1m") };
        char data[4096];
        ssize_t n;
        int r;

        r = pen_http_open(trial->p.client, &request, &stream, NULL);
        if (r < 0)
                return r;
        do {
                r = pen_yield();
                if (r < 0)
                        return r;
                n = pen_http_stream_read(stream, data, sizeof(data));
        } while (n > 0);
        return n < 0 ? (int)n : 200;
}

static int send_hello(void *arg)
{
        struct trial *trial = arg;

        say_hello(&trial->p, trial->door);
        return 0;
}

static void run_to_end(struct world *w, struct pen_task *task)
{
        while (!pen_task_done(task))
                ck_assert(loop_turn(w->loop, true));
}

/* Cancels the request at the loop's k-th turn, in each of which something happened. False: it had
 * ended before. */
static bool cancel_at(struct world *w, struct trial *trial, int (*fn)(void *), int k)
{
        struct pen_task *t;
        bool early;
        int r;

        ck_assert_int_eq(pen_spawn(fn, trial, &t), 0);
        for (int i = 0; i < k && !pen_task_done(t); i++)
                ck_assert(loop_turn(w->loop, true));
        early = pen_task_cancel(t);
        run_to_end(w, t);
        r = pen_task_result(t);
        ck_assert_msg(r == (early ? -ECANCELED : 200) || r == 200, "%d at turn %d", r, k);
        pen_task_unref(t);
        return early;
}

static size_t open_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void try_each_moment(struct world *w, struct trial *trial, int (*fn)(void *))
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        size_t descriptors = open_descriptors();
        bool early = true;
        int k;

        options.ca_file = nginx_ca_file(trial->p.nginx);
        for (k = 0; early; k += under_valgrind() ? 5 : 1) {
                struct pen_task *hello;

                ck_assert_int_eq(pen_http_client_create(&options, &trial->p.client), 0);
                early = cancel_at(w, trial, fn, k);
                ck_assert_int_eq(pen_spawn(send_hello, trial, &hello), 0);
                run_to_end(w, hello);
                pen_task_unref(hello);
                ck_assert_uint_eq(trial->p.client->n_idle, 1); /* one handle served both */
                pen_http_client_free(trial->p.client);
                ck_assert_uint_eq(open_descriptors(), descriptors);
        }
        ck_assert_int_gt(k, 5);
}

START_TEST(request_cancelled_at_any_moment_leaves_nothing)
{
        struct trial trial = { .number = 0 };
        struct world w;

        resolver_getaddrinfo = look_up_loopback;
        world_init(&w);
        trial.p.nginx = nginx_start();
        trial.door = NGINX_PLAIN;
        {
                struct pen_task *t; /* starts what lives as long as the loop */
                struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;

                ck_assert_int_eq(pen_http_client_create(&options, &trial.p.client), 0);
                ck_assert_int_eq(pen_spawn(send_all, &trial, &t), 0);
                run_to_end(&w, t);
                pen_task_unref(t);
                pen_http_client_free(trial.p.client);
        }
        for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
                trial.door = doors[i];
                try_each_moment(&w, &trial, send_all);
                try_each_moment(&w, &trial, stream_all);
        }
        nginx_stop(trial.p.nginx);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        if (!nginx_is_there())
                return 77;
        return RUN_SUITE(
                "http_nginx", one_connection_serves_many_requests,
                http2_is_spoken_where_it_is_offered, requests_share_one_http2_connection,
                limit_for_a_host_holds_over_tls, idle_connection_gives_way_to_another_host,
                connection_that_the_server_announces_to_close_is_not_reused,
                certificates_are_checked_unless_that_is_waived,
                certificate_of_the_right_name_is_trusted, plain_server_does_not_pass_for_a_tls_one,
                body_is_unpacked_by_nobody, responses_without_a_body_have_none,
                not_modified_has_no_body_and_keeps_the_connection, chunks_are_put_together,
                missing_file_is_an_error_for_who_asks, body_is_bounded_and_the_client_goes_on,
                large_body_is_uploaded_bit_for_bit, answer_that_does_not_wait_for_the_body_is_taken,
                permission_for_the_body_is_waited_for_if_asked_for,
                huge_head_of_a_request_is_the_servers_to_refuse,
                gigabyte_for_a_slow_reader_takes_bounded_memory,
                held_back_http2_stream_does_not_hold_back_the_others,
                stream_freed_early_ends_its_connection_or_its_http2_stream_alone,
                stream_read_to_its_end_leaves_its_connection_to_the_next,
                server_that_dies_in_mid_body_is_told,
                many_streams_share_one_connection_and_all_come_whole,
                request_cancelled_at_any_moment_leaves_nothing);
}
