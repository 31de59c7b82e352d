/* Many jobs in one request. */
#include "api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/task.h>

#define JOBS "/v1/queues/mail/jobs"
#define NDJSON "application/x-ndjson"
#define HEAD "Content-Type: application/x-ndjson\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n"

static struct answer upload(const struct api_world *w, const char *text)
{
        return api_post(w, JOBS, NDJSON, text, strlen(text));
}

static void expect_id(struct api_world *w, const char *id)
{
        PEN_CLEANUP(job_unrefp) struct job *job = api_fetch(w);

        ck_assert_str_eq(job->fields.id, id);
}

IN_LOOP(each_line_is_a_job_and_is_answered)
{
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        a = upload(&w, "{\"id\":\"a\"}\n{\"id\":\"b\"}\r\n{\"id\":\"a\"}\n");
        expect(&a, 202, NULL);
        ck_assert_ptr_nonnull(strstr(a.head, "Content-Type: application/x-ndjson\r\n"));
        ck_assert_str_eq(a.body, "{\"line\":1,\"status\":\"stored\",\"id\":\"a\"}\n"
                                 "{\"line\":2,\"status\":\"stored\",\"id\":\"b\"}\n"
                                 "{\"line\":3,\"status\":\"exists\",\"id\":\"a\"}\n");
        answer_deinit(&a);
        expect_id(&w, "a");
        expect_id(&w, "b");
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(blank_lines_count_and_the_last_needs_no_end)
{
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        a = upload(&w, "\n{\"id\":\"a\"}\n  \r\n\n{\"id\":\"b\"}");
        expect(&a, 202, NULL);
        ck_assert_str_eq(a.body, "{\"line\":2,\"status\":\"stored\",\"id\":\"a\"}\n"
                                 "{\"line\":5,\"status\":\"stored\",\"id\":\"b\"}\n");
        answer_deinit(&a);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(body_without_a_job_is_400)
{
        static const char *const bodies[] = { "", "\n", " \n\n" };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                PEN_CLEANUP(answer_deinit) struct answer a = upload(&w, bodies[i]);

                expect(&a, 400, "there is no job");
        }
        api_world_stop(&w);
        return 0;
}

IN_LOOP(malformed_line_is_told_and_stops_nobody)
{
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        a = upload(&w, "{\"id\":\"a\",\"payload\":1}\n{\"id\":\n{\"id\":\"a\",\"payload\":2}\n"
                       "{\"run_at\":\"9999-01-01T00:00:00Z\"}\n{\"id\":\"b\"}\n");
        expect(&a, 400,
               "{\"line\":1,\"status\":\"stored\",\"id\":\"a\"}\n"
               "{\"line\":2,\"status\":\"invalid\",\"error\":\"byte 7: ");
        ck_assert_ptr_nonnull(
                strstr(a.body, "\n{\"line\":3,\"status\":\"conflict\",\"id\":\"a\",\""));
        ck_assert_ptr_nonnull(
                strstr(a.body, "\n{\"line\":4,\"status\":\"invalid\",\"error\":\"the start"));
        ck_assert_ptr_nonnull(
                strstr(a.body, "\n{\"line\":5,\"status\":\"stored\",\"id\":\"b\"}\n"));
        answer_deinit(&a);
        expect_id(&w, "a");
        expect_id(&w, "b");
        a = upload(&w, "{\"id\":\"a\",\"payload\":3}\n{\n");
        expect(&a, 409, "\"line\":2,\"status\":\"invalid\"");
        answer_deinit(&a);
        api_world_stop(&w);
        return 0;
}

static void add_job(struct buffer *text, const char *id, size_t payload)
{
        buffer_printf(text, "{\"id\":\"%s\",\"payload\":\"", id);
        for (size_t i = 0; i < payload; i++)
                buffer_append(text, "x", 1);
        buffer_printf(text, "\"}\n");
}

IN_LOOP(line_that_is_too_large_stops_nobody)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        add_job(&text, "a", PAYLOAD_MAX);
        add_job(&text, "b", PAYLOAD_MAX + 1);
        add_job(&text, "c", 300000);
        add_job(&text, "d", 0);
        add_job(&text, "e", 71000); /* less than a line may have, more than a payload */
        a = api_post(&w, JOBS, NDJSON, buffer_data(&text), buffer_size(&text));
        expect(&a, 413,
               "{\"line\":1,\"status\":\"stored\",\"id\":\"a\"}\n"
               "{\"line\":2,\"status\":\"too_large\",\"error\":\"payload of 1001 bytes");
        ck_assert_ptr_nonnull(strstr(a.body, "\n{\"line\":3,\"status\":\"too_large\",\"error\":"
                                             "\"a line has at most 71536 bytes\"}\n"));
        ck_assert_ptr_nonnull(
                strstr(a.body, "\n{\"line\":4,\"status\":\"stored\",\"id\":\"d\"}\n"));
        ck_assert_ptr_nonnull(strstr(a.body, "\n{\"line\":5,\"status\":\"too_large\""));
        answer_deinit(&a);
        ck_assert_uint_eq(api_count(&w).ready, 2);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(line_of_a_hundred_thousand_brackets_is_told)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        struct api_world w = API_WORLD;
        struct answer a;

        w.options.payload_max = 1 << 20;
        api_world_start(&w);
        buffer_printf(&text, "{\"id\":\"a\"}\n{\"payload\":");
        for (int i = 0; i < 100000; i++)
                buffer_append(&text, "[", 1);
        buffer_printf(&text, "\n{\"id\":\"b\"}\n");
        a = api_post(&w, JOBS, NDJSON, buffer_data(&text), buffer_size(&text));
        expect(&a, 400, "\"line\":2,\"status\":\"invalid\"");
        answer_deinit(&a);
        ck_assert_uint_eq(api_count(&w).ready, 2);
        api_world_stop(&w);
        return 0;
}

/* --- while it is being sent --------------------------------------------------------------------- */

static void say_chunk(struct pen_stream *stream, const char *text)
{
        api_say(stream, "%zx\r\n%s\r\n", strlen(text), text);
}

IN_LOOP(first_of_10000_jobs_can_be_fetched_before_the_last_is_sent)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = NULL;
        struct api_world w = API_WORLD;
        struct answer a;
        char text[100];

        api_world_start(&w);
        stream = api_connect(&w);
        api_request(stream, "POST " JOBS, CHUNKED, NULL, 0);
        for (int i = 0; i < 10000; i++) {
                snprintf(text, sizeof(text), "{\"id\":\"job-%d\"}\n", i);
                say_chunk(stream, text);
                if (i == 0)
                        expect_id(&w, "job-0");
        }
        for (int i = 1; i < 10000; i++) {
                snprintf(text, sizeof(text), "job-%d", i);
                expect_id(&w, text);
        }
        say_chunk(stream, "");
        a = api_receive(stream);
        expect(&a, 202, "\n{\"line\":10000,\"status\":\"stored\",\"id\":\"job-9999\"}\n");
        answer_deinit(&a);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(lines_may_be_cut_anywhere)
{
        static const char text[] =
                "{\"id\":\"a\"}\n\n{\"id\":\"b\",\"payload\":\"\\n\"}\r\n{\"id\":\"c\"}";
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = api_connect(&w);
                char part[sizeof(text)];

                api_request(stream, "POST " JOBS, CHUNKED, NULL, 0);
                memcpy(part, text, cut);
                part[cut] = 0;
                say_chunk(stream, part);
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0); /* it has been taken */
                say_chunk(stream, text + cut);
                say_chunk(stream, "");
                a = api_receive(stream);
                expect(&a, 202, "{\"line\":4,");
                ck_assert_uint_eq(strlen(a.body),
                                  strlen("{\"line\":1,\"status\":\"stored\",\"id\":\"a\"}\n") * 3);
                answer_deinit(&a);
        }
        ck_assert_uint_eq(api_count(&w).ready, 3);
        api_world_stop(&w);
        return 0;
}

/* --- a full queue ------------------------------------------------------------------------------- */

struct sender {
        struct pen_stream *stream;
        size_t n, sent;
};

static int send_jobs(void *arg)
{
        struct sender *s = arg;

        for (; s->sent < s->n; s->sent++) {
                PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
                char id[24];

                snprintf(id, sizeof(id), "%zu", s->sent);
                add_job(&text, id, 900);
                buffer_append(&text, "", 1);
                say_chunk(s->stream, buffer_data(&text));
        }
        say_chunk(s->stream, "");
        return 0;
}

IN_VIRTUAL_LOOP(full_queue_holds_back_who_sends_and_keeps_the_order)
{
        struct api_world w = API_WORLD;
        struct sender sender = { .n = 5000 };
        struct pen_task *task;
        struct answer a;

        w.store_options.capacity = 10;
        api_world_start(&w);
        sender.stream = api_connect(&w);
        api_request(sender.stream, "POST " JOBS "?wait=1h", CHUNKED, NULL, 0);
        ck_assert_int_eq(pen_spawn(send_jobs, &sender, &task), 0);
        ck_assert_int_eq(pen_sleep(10 * PEN_MINUTE), 0);
        ck_assert_uint_eq(api_count(&w).ready, 10);
        ck_assert_uint_lt(sender.sent, 2000); /* the rest waits in the sender */
        for (size_t i = 0; i < sender.n; i++) {
                PEN_CLEANUP(job_unrefp) struct job *job = api_fetch(&w);

                ck_assert_uint_eq(strtoul(job->fields.id, NULL, 10), i);
                ck_assert_uint_le(api_count(&w).ready, 10);
        }
        a = api_receive(sender.stream);
        expect(&a, 202, "{\"line\":5000,\"status\":\"stored\"");
        ck_assert_ptr_null(strstr(a.body, "full"));
        answer_deinit(&a);
        ck_assert_int_eq(pen_await(task, NULL), 0);
        pen_task_unref(task);
        pen_stream_free(sender.stream);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(full_queue_refuses_the_rest_unseen)
{
        struct api_world w = API_WORLD;
        struct answer a;

        w.store_options.capacity = 2;
        api_world_start(&w);
        a = upload(&w, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n");
        expect(&a, 429,
               "{\"line\":2,\"status\":\"stored\",\"id\":\"b\"}\n"
               "{\"line\":3,\"status\":\"full\",\"id\":\"c\"}\n"
               "{\"line\":4,\"status\":\"full\",\"id\":\"d\"}\n");
        ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: 1\r\n"));
        answer_deinit(&a);
        ck_assert_uint_eq(api_count(&w).ready, 2);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(one_line_waits_in_vain_and_none_after_it)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = NULL;
        struct api_world w = API_WORLD;
        struct answer a;

        w.store_options.capacity = 1;
        api_world_start(&w);
        stream = api_connect(&w);
        api_request(stream, "POST " JOBS "?wait=1m", CHUNKED, NULL, 0);
        say_chunk(stream, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n");
        ck_assert_int_eq(pen_sleep(61 * PEN_SEC), 0);
        expect_id(&w, "a"); /* room, but too late */
        say_chunk(stream, "{\"id\":\"d\"}\nnonsense\n");
        say_chunk(stream, "");
        a = api_receive(stream);
        expect(&a, 429,
               "{\"line\":2,\"status\":\"full\",\"id\":\"b\"}\n"
               "{\"line\":3,\"status\":\"full\",\"id\":\"c\"}\n"
               "{\"line\":4,\"status\":\"full\"}\n{\"line\":5,\"status\":\"full\"}\n");
        answer_deinit(&a);
        ck_assert_uint_lt(pen_now(), 2 * PEN_MINUTE);
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

/* --- answers without an end --------------------------------------------------------------------- */

IN_LOOP(equal_answers_share_a_line_once_there_are_too_many)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        struct api_world w = API_WORLD;
        struct answer a;
        size_t n = 0;

        api_world_start(&w);
        for (; buffer_size(&text) < 3 << 20; n++)
                buffer_printf(&text, "{\n"); /* its answer has some 100 bytes */
        buffer_printf(&text, "{\"id\":\"a\"}\n");
        a = api_post(&w, JOBS, NDJSON, buffer_data(&text), buffer_size(&text));
        expect(&a, 400, "\"status\":\"invalid\"}\n{\"line\":");
        ck_assert_uint_lt(a.size, (16 << 20) + 1000);
        ck_assert_str_eq(strrchr(a.body, '}') - strlen("\"lines\":1,\"status\":\"stored\""),
                         "\"lines\":1,\"status\":\"stored\"}\n");
        answer_deinit(&a);
        ck_assert_uint_gt(n, 1000000);
        ck_assert_uint_eq(api_count(&w).ready, 1);
        api_world_stop(&w);
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "http upload", each_line_is_a_job_and_is_answered,
                blank_lines_count_and_the_last_needs_no_end, body_without_a_job_is_400,
                malformed_line_is_told_and_stops_nobody, line_that_is_too_large_stops_nobody,
                line_of_a_hundred_thousand_brackets_is_told,
                first_of_10000_jobs_can_be_fetched_before_the_last_is_sent,
                lines_may_be_cut_anywhere, full_queue_holds_back_who_sends_and_keeps_the_order,
                full_queue_refuses_the_rest_unseen, one_line_waits_in_vain_and_none_after_it,
                equal_answers_share_a_line_once_there_are_too_many);
}
