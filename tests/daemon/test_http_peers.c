/* What becomes of those who are slow, silent, many or gone. */
#include "api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/task.h>

#define JOBS "/v1/queues/mail/jobs"
#define JSON_HEAD "Content-Type: application/json\r\n"
#define NDJSON_HEAD "Content-Type: application/x-ndjson\r\n"

/* --- slow and silent ones ----------------------------------------------------------------------- */

/* Sends a byte a second until the connection is closed; answers after how many seconds that was. */
static unsigned drip(struct pen_stream *stream, const char *text)
{
        pen_usec begin = pen_now();

        for (;; text++) {
                ck_assert_msg(*text, "it was not closed");
                if (pen_stream_write(stream, text, 1) < 0 || pen_stream_drain(stream) < 0)
                        break;
                ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        }
        return (unsigned)((pen_now() - begin) / PEN_SEC);
}

IN_VIRTUAL_LOOP(request_that_drips_is_cut_off)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct answer a;

        api_world_start(&w);
        stream = api_connect(&w);
        ck_assert_uint_le(drip(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n"), 11);
        pen_stream_free(stream);

        stream = api_connect(&w);
        api_say(stream,
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD "Content-Length: 1000\r\n\r\n");
        ck_assert_uint_le(drip(stream, "{                                                 "), 11);
        pen_stream_free(stream);

        stream = api_connect(&w);
        api_request(stream, "GET /healthz", NULL, NULL, 0);
        a = api_receive(stream);
        expect(&a, 200, NULL);
        answer_deinit(&a);
        ck_assert_int_eq(pen_sleep(9 * PEN_SEC), 0);
        api_request(stream, "GET /healthz", NULL, NULL, 0);
        a = api_receive(stream);
        expect(&a, 200, NULL);
        answer_deinit(&a);
        ck_assert_uint_le(drip(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n"), 11);
        pen_stream_free(stream);
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(stream_of_jobs_may_last_as_long_as_jobs_come)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct answer a;

        api_world_start(&w);
        stream = api_connect(&w);
        api_request(stream, "POST " JOBS, NDJSON_HEAD "Transfer-Encoding: chunked\r\n", NULL, 0);
        for (int i = 0; i < 20; i++) {
                ck_assert_int_eq(pen_sleep(9 * PEN_SEC), 0);
                api_say(stream, "3\r\n{}\n\r\n");
        }
        api_say(stream, "0\r\n\r\n");
        a = api_receive(stream);
        expect(&a, 202, "\"line\":20,");
        answer_deinit(&a);
        pen_stream_free(stream);

        stream = api_connect(&w);
        api_request(stream, "POST " JOBS, NDJSON_HEAD "Content-Length: 1000\r\n", NULL, 0);
        api_say(stream, "{}\n");
        ck_assert_uint_le(drip(stream, "{                                                 "), 11);
        pen_stream_free(stream);
        ck_assert_uint_eq(api_count(&w).ready, 21);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(answer_that_is_not_read_is_given_up)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct buffer job = { 0 };
        char byte;

        w.options.payload_max = 4 << 20;
        api_world_start(&w);
        buffer_printf(&job, "{\"payload\":\"%*s\"}", 4 << 20, "x");
        buffer_append(&job, "", 1);
        api_expect_job(&w, buffer_data(&job), 202, NULL);
        buffer_deinit(&job);
        api_end(&w, OUTCOME_FAILED);
        stream = api_connect(&w);
        api_request(stream, "GET /v1/queues/mail/dead", NULL, NULL, 0);
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        for (size_t n = 0; pen_stream_read(stream, &byte, 1) == 1; n++)
                ck_assert_uint_lt(n, 2 << 20);
        pen_stream_free(stream);
        api_world_stop(&w);
        return 0;
}

/* --- many --------------------------------------------------------------------------------------- */

IN_LOOP(idle_connections_give_way_to_new_ones)
{
        struct pen_stream *idle[300];
        struct api_world w = API_WORLD;
        struct pen_stream *busy;
        struct answer a;

        w.options.connections_max = 20;
        api_world_start(&w);
        busy = api_connect(&w);
        api_request(busy, "POST " JOBS, JSON_HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n",
                    NULL, 0);
        a = api_receive(busy);
        ck_assert_uint_eq(a.status, 100);
        answer_deinit(&a);
        for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
                idle[i] = api_connect(&w);
        for (int i = 0; i < 50; i++)
                api_expect(&w, "GET /healthz", 200, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
                if (i < ARRAY_SIZE(idle) - w.options.connections_max)
                        ck_assert(api_is_closed(idle[i]));
                pen_stream_free(idle[i]);
        }
        api_say(busy, "{}");
        a = api_receive(busy);
        expect(&a, 202, NULL);
        answer_deinit(&a);
        pen_stream_free(busy);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(who_comes_when_all_are_busy_waits_for_his_turn)
{
        struct pen_stream *joins[3], *late;
        struct api_world w = API_WORLD;
        struct answer a;

        w.options.connections_max = 3;
        api_world_start(&w);
        api_expect_job(&w, "{\"delay\":\"1h\"}", 202, NULL);
        for (size_t i = 0; i < 3; i++) {
                joins[i] = api_connect(&w);
                api_request(joins[i], "POST /v1/queues/mail/join?timeout=5m", NULL, NULL, 0);
        }
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        late = api_connect(&w);
        api_request(late, "GET /healthz", NULL, NULL, 0);
        a = api_receive(late);
        expect(&a, 200, NULL);
        answer_deinit(&a);
        ck_assert_uint_eq(pen_now() / PEN_MINUTE, 5);
        for (size_t i = 0; i < 3; i++)
                pen_stream_free(joins[i]);
        pen_stream_free(late);
        api_world_stop(&w);
        return 0;
}

/* --- gone --------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(who_has_gone_is_waited_for_no_longer)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        pen_usec begin;

        w.options.connections_max = 1;
        api_world_start(&w);
        api_expect_job(&w, "{\"delay\":\"1h\"}", 202, NULL);
        stream = api_connect(&w);
        api_request(stream, "POST /v1/queues/mail/join?timeout=1d", NULL, NULL, 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        pen_stream_free(stream);
        begin = pen_now();
        api_expect(&w, "GET /healthz", 200, NULL); /* there is room for one */
        ck_assert_uint_lt(pen_now() - begin, 10 * PEN_SEC);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(who_goes_in_the_middle_leaves_nothing_behind)
{
        static const char *const beginnings[] = {
                "",
                "GET /hea",
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD,
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD "Content-Length: 2\r\n\r\n",
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD "Content-Length: 2\r\n\r\n{",
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD "Content-Length: 2\r\n\r\n{}",
                "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" NDJSON_HEAD
                "Content-Length: 99\r\n\r\n{}\n{",
                "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        struct api_world w = API_WORLD;

        w.options.connections_max = 1; /* so that each must have gone before the next */
        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
                for (int yields = 0; yields < 20; yields++) {
                        struct pen_stream *stream = api_connect(&w);

                        api_send(stream, beginnings[i], strlen(beginnings[i]));
                        for (int k = 0; k < yields; k++)
                                ck_assert_int_eq(pen_yield(), 0);
                        pen_stream_free(stream);
                }
                api_expect(&w, "GET /healthz", 200, NULL);
        }
        api_world_stop(&w);
        return 0;
}

IN_LOOP(end_answers_those_who_wait_and_leaves_nothing)
{
        struct pen_stream *join, *half, *idle, *stream;
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        idle = api_connect(&w);
        half = api_connect(&w);
        api_request(half, "POST " JOBS, JSON_HEAD "Content-Length: 2\r\n", NULL, 0);
        stream = api_connect(&w);
        api_request(stream, "POST " JOBS, NDJSON_HEAD "Content-Length: 99\r\n", NULL, 0);
        api_say(stream, "{}\n{");
        join = api_connect(&w);
        api_expect_job(&w, "{\"delay\":\"1h\"}", 202, NULL);
        api_request(join, "POST /v1/queues/mail/join?timeout=1h", NULL, NULL, 0);
        while (api_count(&w).ready < 1)
                ck_assert_int_eq(pen_yield(), 0);
        api_expect(&w, "GET /healthz", 200, NULL); /* behind all the others */
        api_world_end(&w);
        a = api_receive(join);
        expect(&a, 503, "the daemon is stopping");
        answer_deinit(&a);
        ck_assert(api_is_closed(half));
        ck_assert(api_is_closed(stream));
        ck_assert(api_is_closed(idle));
        pen_stream_free(join);
        pen_stream_free(half);
        pen_stream_free(stream);
        pen_stream_free(idle);
        api_world_free(&w);
        return 0;
}

int main(void)
{
        return RUN_SUITE("http peers", request_that_drips_is_cut_off,
                         stream_of_jobs_may_last_as_long_as_jobs_come,
                         answer_that_is_not_read_is_given_up, idle_connections_give_way_to_new_ones,
                         who_comes_when_all_are_busy_waits_for_his_turn,
                         who_has_gone_is_waited_for_no_longer,
                         who_goes_in_the_middle_leaves_nothing_behind,
                         end_answers_those_who_wait_and_leaves_nothing);
}
