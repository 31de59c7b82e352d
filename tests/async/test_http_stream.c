/* Responses that are read as they come. */
#include "../http_server.h"
#include "../in_loop.h"
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include <async/http.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/timeout.h>

#define STREAM(s) PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *s = NULL
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* A server and a client in one loop. */
struct pair {
        struct http_server *server;
        struct pen_http_client *client;
};

static void pair_init(struct pair *p)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;

        p->server = http_server_start();
        ck_assert_int_eq(pen_http_client_create(&defaults, &p->client), 0);
}

static void pair_deinit(struct pair *p)
{
        pen_http_client_free(p->client);
        http_server_stop(p->server);
}

#define PAIR(p)                                 \
        PEN_CLEANUP(pair_deinit) struct pair p; \
        pair_init(&(p))

static struct http_counts *counts(const struct pair *p)
{
        return http_server_counts(p->server);
}

static struct pen_http_stream *open_within(const struct pair *p, const char *path, pen_usec timeout)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path),
                                            .timeout = timeout };
        struct pen_http_stream *stream;
        char error[256];
        int r = pen_http_open(p->client, &request, &stream, error);

        ck_assert_msg(r == 0, "%s", error);
        return stream;
}

static struct pen_http_stream *open_at(const struct pair *p, const char *path)
{
        return open_within(p, path, 0);
}

static int error_of_opening(const struct pair *p, const char *path, char *error)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path) };
        struct pen_http_stream *stream;

        return pen_http_open(p->client, &request, &stream, error);
}

/* Reads to the end, `step` bytes at a time, into `data`, which has room for `size`. Answers how it
 * ended. */
static int read_all(struct pen_http_stream *stream, size_t step, char *data, size_t size,
                    size_t *ret_size)
{
        ssize_t n = 1;

        *ret_size = 0;
        while (n > 0) {
                n = pen_http_stream_read(stream, data + *ret_size, MIN(step, size - *ret_size));
                if (n > 0)
                        *ret_size += (size_t)n;
        }
        return (int)n;
}

static void expect_body(struct pen_http_stream *stream, const char *body)
{
        char data[1000];
        size_t n;

        ck_assert_int_eq(read_all(stream, sizeof(data), data, sizeof(data), &n), 0);
        ck_assert_uint_eq(n, strlen(body));
        ck_assert_int_eq(memcmp(data, body, n), 0);
}

static void expect_header(struct pen_http_stream *stream, const char *name, const char *expected)
{
        char value[64];

        ck_assert_int_eq(pen_http_stream_header(stream, name, value, sizeof(value)),
                         (int)strlen(expected));
        ck_assert_str_eq(value, expected);
}

static struct transfer *transfer_of(struct pen_http_stream *stream)
{
        return *(struct transfer **)stream; /* its first member */
}

static void wait_until_held_back(struct pen_http_stream *stream)
{
        while (!transfer_of(stream)->paused)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

static int status_at(const struct pair *p, const char *path)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path) };
        struct pen_http_response response;
        int r = pen_http_send(p->client, &request, &response, NULL);

        if (r < 0)
                return r;
        r = response.status;
        pen_http_response_deinit(&response);
        return r;
}

/* --- head and body ------------------------------------------------------------------------------ */

IN_VIRTUAL_LOOP(body_is_read_as_it_comes)
{
        PAIR(p);
        STREAM(stream);
        char data[10];

        stream = open_at(&p, "/drip");
        ck_assert_int_eq(pen_http_stream_status(stream), 200);
        for (pen_usec i = 0; i < 5; i++) {
                ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), 1);
                ck_assert_int_eq(data[0], '.');
                ck_assert_uint_eq(pen_now(), i * PEN_SEC);
        }
        return 0;
}

IN_LOOP(status_and_headers_are_there_at_once)
{
        PAIR(p);
        STREAM(stream);
        char value[64];

        stream = open_at(&p, "/header/X-Thing/_some_thing_");
        ck_assert_int_eq(pen_http_stream_status(stream), 503);
        expect_header(stream, "x-thing", "some thing");
        ck_assert_int_eq(pen_http_stream_header(stream, "x-thin", value, 64), -ENOENT);
        ck_assert_int_eq(pen_http_stream_header(stream, "x-thing", value, 10), -EMSGSIZE);
        expect_body(stream, "later");
        expect_header(stream, "X-Thing", "some thing");
        return 0;
}

IN_LOOP(interim_answers_are_passed_over)
{
        static const char *const paths[] = { "/interim", "/continue" };
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                STREAM(stream);

                stream = open_at(&p, paths[i]);
                ck_assert_int_eq(pen_http_stream_status(stream), 200);
                if (i == 0)
                        expect_header(stream, "Link", "late");
                expect_body(stream, "done");
        }
        return 0;
}

IN_LOOP(end_is_told_as_often_as_it_is_asked_for)
{
        PAIR(p);
        STREAM(empty);
        STREAM(small);
        char data[10];

        empty = open_at(&p, "/size/0");
        small = open_at(&p, "/size/3");
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(pen_http_stream_read(empty, data, sizeof(data)), 0);
        ck_assert_int_eq(pen_http_stream_read(small, data, sizeof(data)), 3);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(pen_http_stream_read(small, data, sizeof(data)), 0);
        return 0;
}

IN_LOOP(head_has_no_body)
{
        PAIR(p);
        struct pen_http_request request = { .url = http_server_url(p.server, "/size/100"),
                                            .method = "HEAD" };
        STREAM(stream);
        char data[10];

        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, NULL), 0);
        expect_header(stream, "Content-Length", "100");
        ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), 0);
        return 0;
}

IN_LOOP(body_comes_whole_in_whatever_pieces_it_is_read)
{
        static const size_t steps[] = { 1000, 16384, 100001, 2000000 };
        static char body[1000000], echo[1100000];
        PAIR(p);
        struct pen_http_request request = { .url = http_server_url(p.server, "/echo"),
                                            .body = body,
                                            .body_size = sizeof(body) };

        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char)(i * 7 + i / 251);
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                STREAM(stream);
                size_t n;

                ck_assert_int_eq(pen_http_open(p.client, &request, &stream, NULL), 0);
                ck_assert_int_eq(read_all(stream, steps[i], echo, sizeof(echo), &n), 0);
                ck_assert_uint_gt(n, sizeof(body));
                ck_assert_int_eq(memcmp(echo + n - sizeof(body), body, sizeof(body)), 0);
        }
        ck_assert_uint_eq(counts(&p)->connections, 1);
        return 0;
}

IN_LOOP(trailers_come_last_and_hide_nothing)
{
        PAIR(p);
        STREAM(stream);
        char value[10];

        stream = open_at(&p, "/trailers");
        expect_header(stream, "Link", "head");
        expect_body(stream, "fourfives");
        expect_header(stream, "X-Sum", "9");
        expect_header(stream, "Link", "head");
        ck_assert_int_eq(pen_http_stream_status(stream), 200);
        ck_assert_int_eq(pen_http_stream_header(stream, "Trailer", value, 10), 5);
        ck_assert_int_eq(pen_http_stream_header(stream, "X-Sum", value, 10), 1);
        return 0;
}

IN_LOOP(long_header_is_taken_up_to_a_limit)
{
        PAIR(p);
        STREAM(stream);
        static char value[60000];

        stream = open_at(&p, "/header-of/50000");
        ck_assert_int_eq(pen_http_stream_header(stream, "x-long", value, sizeof(value)), 50000);
        ck_assert_int_lt(error_of_opening(&p, "/header-of/1000000", NULL), 0);
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

/* --- what fails --------------------------------------------------------------------------------- */

IN_LOOP(what_cannot_be_opened_is_told)
{
        static const char *const bad[] = { "X-A: 1\r\nX-B: 2", NULL };
        PAIR(p);
        struct pen_http_request request = { .url = "file:///etc/passwd" };
        struct pen_http_stream *stream = NULL;
        char error[256];

        ck_assert_int_eq(error_of_opening(&p, "/hang-up", error), -ECONNRESET);
        ck_assert_int_gt((int)strlen(error), 0);
        ck_assert_int_eq(error_of_opening(&p, "/garbage", error), -EPROTO);
        ck_assert_int_eq(error_of_opening(&p, "/long-head", error), -EPROTO);
        ck_assert_str_eq(error, "the response's headers are too long");
        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, error), -EINVAL);
        ck_assert_ptr_eq(strstr(error, "not an http or https URL: "), error);
        request = (struct pen_http_request){ .url = http_server_url(p.server, "/echo"),
                                             .headers = bad };
        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, error), -EINVAL);
        request = (struct pen_http_request){ .url = "http://127.0.0.1:1/" };
        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, error), -ECONNREFUSED);
        ck_assert_ptr_null(stream);
        return 0;
}

IN_LOOP(body_that_breaks_off_is_an_error_after_what_came)
{
        PAIR(p);
        STREAM(stream);
        char data[100];
        size_t n;

        stream = open_at(&p, "/short");
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(read_all(stream, 3, data, sizeof(data), &n), -ECONNRESET);
                ck_assert_uint_eq(n, i == 0 ? 10 : 0);
        }
        ck_assert_int_eq(memcmp(data, "0123456789", 10), 0);
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

START_TEST(root_of_the_loop_cannot_wait)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;
        struct pen_http_request request = { .url = "http://127.0.0.1:1/" };
        struct pen_http_stream *stream;
        struct world w;
        struct pair p;

        world_init(&w);
        ck_assert_int_eq(pen_http_client_create(&defaults, &p.client), 0);
        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, NULL), -EDEADLK);
        pen_http_client_free(p.client);
        world_deinit(&w);
}
END_TEST

/* --- time --------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(head_that_does_not_come_runs_out_of_time)
{
        PAIR(p);
        struct pen_http_request request = { .url = http_server_url(p.server, "/never"),
                                            .timeout = 5 * PEN_SEC };
        struct pen_http_stream *stream;
        char error[256];

        ck_assert_int_eq(pen_http_open(p.client, &request, &stream, error), -ETIME);
        ck_assert_str_eq(error, "no response within 5s");
        ck_assert_uint_eq(pen_now(), 5 * PEN_SEC);
        return 0;
}

IN_VIRTUAL_LOOP(time_is_of_it_all_not_of_each_read)
{
        PAIR(p);
        STREAM(stream);
        char data[10];

        stream = open_within(&p, "/drip", 3500 * PEN_MSEC);
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), 1);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), -ETIME);
                ck_assert_uint_eq(pen_now(), 3500 * PEN_MSEC);
        }
        return 0;
}

/* Who never has to wait would else never see the end of his time. */
IN_VIRTUAL_LOOP(body_that_is_here_in_part_runs_out_of_time_too)
{
        PAIR(p);
        STREAM(stream);
        char data[1000];

        stream = open_within(&p, "/endless", PEN_HOUR);
        wait_until_held_back(stream);
        ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), sizeof(data));
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_int_eq(pen_http_stream_read(stream, data, sizeof(data)), -ETIME);
        return 0;
}

IN_VIRTUAL_LOOP(what_has_come_whole_can_be_read_at_any_time)
{
        PAIR(p);
        STREAM(stream);

        stream = open_within(&p, "/status/200", PEN_SEC);
        while (!transfer_of(stream)->done)
                ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        expect_body(stream, "status 200");
        return 0;
}

/* --- back-pressure ------------------------------------------------------------------------------ */

IN_LOOP(who_does_not_read_holds_the_server_back)
{
        PAIR(p);
        STREAM(stream);
        static char data[100 * 1024];
        size_t written;

        stream = open_at(&p, "/endless");
        wait_until_held_back(stream);
        /* What the kernel takes until its buffers are full, and no more. */
        do {
                written = counts(&p)->endless;
                ck_assert_uint_le(buffer_size(&transfer_of(stream)->body), 256 * KIB);
                for (int i = 0; i < 20; i++)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        } while (counts(&p)->endless > written);
        ck_assert_uint_lt(written, 64 * MIB);
        ck_assert_int_eq(status_at(&p, "/status/200"), 200); /* others are not held back */

        for (size_t total = 0; total < many(200, 20) * MIB;) {
                ssize_t n = pen_http_stream_read(stream, data, sizeof(data));

                ck_assert_int_gt(n, 0);
                ck_assert_uint_le(buffer_size(&transfer_of(stream)->body), 256 * KIB);
                total += (size_t)n;
        }
        ck_assert_uint_gt(counts(&p)->endless, written);
        return 0;
}

static int read_at_its_own_pace(void *arg)
{
        static size_t number;
        size_t step = 100 + 37 * (number++ % 100), n, total = 0;
        struct pair *p = arg;
        STREAM(stream);
        char data[4000];

        stream = open_at(p, "/size/600000");
        while ((n = (size_t)pen_http_stream_read(stream, data, step)) > 0) {
                ck_assert_uint_le(n, step);
                total += n;
                if (n % 7 == 0)
                        ck_assert_int_eq(pen_yield(), 0);
        }
        ck_assert_uint_eq(total, 600000);
        return 0;
}

IN_LOOP(many_readers_of_many_paces_get_all)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        PAIR(p);

        ck_assert_int_eq(pen_group_create(&group), 0);
        for (size_t i = 0; i < many(100, 20); i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, read_at_its_own_pace, &p, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        return 0;
}

/* --- readers ------------------------------------------------------------------------------------ */

static int read_one_byte(void *arg)
{
        char byte;
        ssize_t n = pen_http_stream_read(arg, &byte, 1);

        return n == 1 ? byte : (int)n;
}

IN_VIRTUAL_LOOP(cancelled_read_loses_nothing)
{
        PAIR(p);
        STREAM(stream);
        struct pen_task *t;
        char data[10];

        stream = open_at(&p, "/drip");
        ck_assert_int_eq(read_one_byte(stream), '.');
        ck_assert_int_eq(pen_spawn(read_one_byte, stream, &t), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        pen_task_cancel(t);
        ck_assert_int_eq(pen_await(t, NULL), 0);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        pen_task_unref(t);
        ck_assert_int_eq(pen_sleep(5 * PEN_SEC), 0);
        ck_assert_int_eq(pen_http_stream_read(stream, data, 10), 5);
        return 0;
}

/* The byte comes and the request to end does, in the same turn. */
IN_VIRTUAL_LOOP(read_cancelled_when_data_comes_loses_nothing)
{
        PAIR(p);
        STREAM(stream);
        struct pen_task *t;
        char data[10];

        stream = open_at(&p, "/drip");
        ck_assert_int_eq(read_one_byte(stream), '.');
        ck_assert_int_eq(pen_spawn(read_one_byte, stream, &t), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        while (buffer_size(&transfer_of(stream)->body) == 0)
                ck_assert_int_eq(pen_yield(), 0); /* it is woken after us */
        ck_assert(!pen_task_done(t));
        pen_task_cancel(t);
        ck_assert_int_eq(pen_await(t, NULL), 0);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        pen_task_unref(t);
        ck_assert_int_eq(pen_http_stream_read(stream, data, 10), 1);
        return 0;
}

IN_VIRTUAL_LOOP(one_reads_at_a_time)
{
        PAIR(p);
        STREAM(stream);
        struct pen_task *t;

        stream = open_at(&p, "/drip");
        ck_assert_int_eq(read_one_byte(stream), '.');
        ck_assert_int_eq(pen_spawn(read_one_byte, stream, &t), 0);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(read_one_byte(stream), -EBUSY);
        ck_assert_int_eq(pen_await(t, NULL), 0);
        ck_assert_int_eq(pen_task_result(t), '.');
        pen_task_unref(t);
        return 0;
}

/* A task that has read is not woken by what comes later while it waits for something else. */
IN_VIRTUAL_LOOP(data_wake_nobody_who_does_not_read)
{
        PAIR(p);
        STREAM(stream);
        pen_usec before;

        stream = open_at(&p, "/drip");
        ck_assert_int_eq(read_one_byte(stream), '.');
        before = pen_now();
        ck_assert_int_eq(pen_sleep(10 * PEN_SEC), 0);
        ck_assert_uint_eq(pen_now() - before, 10 * PEN_SEC);
        return 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void wait_until_closed(const struct pair *p)
{
        while (counts(p)->open > 0)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

IN_LOOP(stream_freed_before_its_end_closes_the_connection)
{
        static const char *const paths[] = { "/endless", "/drip" };
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                struct pen_http_stream *stream = open_at(&p, paths[i]);

                ck_assert_int_eq(read_one_byte(stream), i == 0 ? 0 : '.');
                if (i == 0)
                        wait_until_held_back(stream);
                pen_http_stream_free(stream);
                wait_until_closed(&p);
        }
        return 0;
}

/* Between the reader's having made room and the loop's turn. */
IN_LOOP(stream_may_be_freed_when_it_is_about_to_go_on)
{
        PAIR(p);
        static char data[256 << 10];

        for (int i = 0; i < 3; i++) {
                struct pen_http_stream *stream = open_at(&p, "/endless");

                wait_until_held_back(stream);
                ck_assert_int_gt(pen_http_stream_read(stream, data, sizeof(data)), 0);
                ck_assert(!list_empty(&transfer_of(stream)->link));
                pen_http_stream_free(stream);
                ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        }
        return 0;
}

IN_LOOP(stream_at_its_end_gives_the_connection_to_the_next)
{
        PAIR(p);
        STREAM(first);

        first = open_at(&p, "/status/200");
        expect_body(first, "status 200");
        for (int i = 0; i < 5; i++) {
                STREAM(next);

                next = open_at(&p, "/status/200");
                expect_body(next, "status 200");
        }
        ck_assert_uint_eq(counts(&p)->connections, 1);
        pen_http_stream_free(NULL);
        return 0;
}

struct trial {
        struct pair p;
        const char *path;
};

static int read_slowly(void *arg)
{
        struct trial *trial = arg;
        STREAM(stream);
        struct pen_http_request request = { .url = http_server_url(trial->p.server, trial->path) };
        char data[20000];
        ssize_t n;
        int r;

        r = pen_http_open(trial->p.client, &request, &stream, NULL);
        for (n = 1; r == 0 && n > 0;) {
                n = pen_http_stream_read(stream, data, sizeof(data));
                r = n < 0 ? (int)n : pen_yield();
        }
        return r;
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

/* Answers false if it had ended before the k-th turn. */
static bool cancel_after(struct world *w, struct trial *trial, int k)
{
        struct pen_task *t;
        bool early;

        ck_assert_int_eq(pen_spawn(read_slowly, trial, &t), 0);
        for (int i = 0; i < k && !pen_task_done(t); i++)
                loop_turn(w->loop, false);
        early = pen_task_cancel(t);
        while (!pen_task_done(t))
                loop_turn(w->loop, false);
        ck_assert_int_eq(pen_task_result(t), early ? -ECANCELED : 0);
        pen_task_unref(t);
        return early;
}

START_TEST(stream_cancelled_at_any_moment_leaves_nothing)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;
        static const char *const paths[] = { "/size/300000", "/trailers", "/slow/0", "/interim" };
        struct trial trial = { .path = NULL };
        size_t descriptors;
        struct world w;

        world_init(&w);
        trial.p.server = http_server_start();
        world_run_until_idle(&w);
        descriptors = open_descriptors();
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                bool early = true;

                trial.path = paths[i];
                for (int k = 0; early; k++) {
                        ck_assert_int_eq(pen_http_client_create(&defaults, &trial.p.client), 0);
                        early = cancel_after(&w, &trial, k);
                        ck_assert(!cancel_after(&w, &trial, 100000)); /* it works afterwards */
                        ck_assert_uint_eq(trial.p.client->n_idle, 1);
                        pen_http_client_free(trial.p.client);
                }
        }
        for (int i = 0; i < 1000 && http_server_counts(trial.p.server)->open > 0; i++)
                loop_turn(w.loop, false);
        ck_assert_uint_eq(open_descriptors(), descriptors);
        http_server_cancel(trial.p.server);
        world_run_until_idle(&w);
        http_server_free(trial.p.server);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "http_stream", body_is_read_as_it_comes, status_and_headers_are_there_at_once,
                interim_answers_are_passed_over, end_is_told_as_often_as_it_is_asked_for,
                head_has_no_body, body_comes_whole_in_whatever_pieces_it_is_read,
                trailers_come_last_and_hide_nothing, long_header_is_taken_up_to_a_limit,
                what_cannot_be_opened_is_told, body_that_breaks_off_is_an_error_after_what_came,
                root_of_the_loop_cannot_wait, head_that_does_not_come_runs_out_of_time,
                time_is_of_it_all_not_of_each_read, body_that_is_here_in_part_runs_out_of_time_too,
                what_has_come_whole_can_be_read_at_any_time,
                who_does_not_read_holds_the_server_back, many_readers_of_many_paces_get_all,
                cancelled_read_loses_nothing, read_cancelled_when_data_comes_loses_nothing,
                one_reads_at_a_time, data_wake_nobody_who_does_not_read,
                stream_freed_before_its_end_closes_the_connection,
                stream_may_be_freed_when_it_is_about_to_go_on,
                stream_at_its_end_gives_the_connection_to_the_next,
                stream_cancelled_at_any_moment_leaves_nothing);
}
