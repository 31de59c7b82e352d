#include "api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/sync.h>
#include <penstock/task.h>

#define JOBS "/v1/queues/mail/jobs"
#define JSON "application/json"

/* --- one job ------------------------------------------------------------------------------------ */

IN_LOOP(a_job_is_stored_and_answered_with_its_id)
{
        struct api_world w = API_WORLD;
        struct job *job;

        api_world_start(&w);
        api_expect_job(&w, "{\"id\":\"a:1\",\"payload\":\"hello\"}", 202,
                       "{\"id\":\"a:1\",\"status\":\"stored\"}\n");
        job = api_fetch(&w);
        ck_assert_str_eq(job->fields.id, "a:1");
        ck_assert_int_eq(memcmp(job->fields.payload.data, "hello", 5), 0);
        job_unref(job);

        api_expect_job(&w, "{}", 202, "\"status\":\"stored\"}");
        job = api_fetch(&w);
        ck_assert_uint_eq(job->fields.payload.size, 0);
        job_unref(job);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(an_id_again_is_answered_as_it_is)
{
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect_job(&w, "{\"id\":\"a\",\"payload\":\"1\"}", 202, "stored");
        api_expect_job(&w, "{\"id\":\"a\",\"payload\":\"1\"}", 202,
                       "{\"id\":\"a\",\"status\":\"exists\"}");
        api_expect_job(&w, "{\"id\":\"a\",\"payload\":\"2\"}", 409, "the id a is that of a job");
        ck_assert_uint_eq(api_count(&w).ready, 1);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(payloads_arrive_bit_for_bit)
{
        static const struct {
                const char *job, *payload;
                size_t size;
        } cases[] = {
                { "{\"payload_base64\":\"AAEC/w==\"}", "\0\1\2\xff", 4 },
                { "{\"payload\": {\"n\" : 1.50e1 }}", "{\"n\" : 1.50e1 }", 15 },
                { "{\"payload\":\"\\u0000\\u00e9\"}", "\0\xc3\xa9", 3 },
        };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                PEN_CLEANUP(job_unrefp) struct job *job = NULL;

                api_expect_job(&w, cases[i].job, 202, "stored");
                job = api_fetch(&w);
                ck_assert_uint_eq(job->fields.payload.size, cases[i].size);
                ck_assert_mem_eq(job->fields.payload.data, cases[i].payload, cases[i].size);
        }
        api_world_stop(&w);
        return 0;
}

IN_LOOP(what_is_no_job_is_refused_with_place_and_reason)
{
        static const char *const cases[][2] = {
                { "", "byte 1: " },
                { "{\"id\":", "byte 7: " },
                { "{\"id\":\"a\"} x", "byte 12: " },
                { "{\"id\":\"a\",\"id\":\"b\"}", "byte 11: " },
                { "{\"payloda\":1}", "the nearest is payload" },
                { "{\"timeout\":\"5\"}", "byte 12: " },
                { "{\"id\":\"a b\"}", "byte 7: " },
                { "[1]", "byte 1: " },
                { "{\"run_at\":\"9999-01-01T00:00:00Z\"}", "365d" },
        };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                api_expect_job(&w, cases[i][0], 400, cases[i][1]);
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(json_nested_100000_deep_is_refused)
{
        struct api_world w = API_WORLD;
        struct buffer body = { 0 };

        w.options.payload_max = 1 << 20;
        api_world_start(&w);
        buffer_printf(&body, "{\"payload\":");
        for (int i = 0; i < 100000; i++)
                buffer_append(&body, "[", 1);
        buffer_append(&body, "", 1);
        api_expect_job(&w, buffer_data(&body), 400, "byte ");
        buffer_deinit(&body);
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

/* {"payload":"xxx"} of so many x. */
static char *job_of(size_t size)
{
        struct buffer text = { 0 };

        buffer_printf(&text, "{\"payload\":\"");
        for (size_t i = 0; i < size; i++)
                buffer_append(&text, "x", 1);
        buffer_printf(&text, "\"}");
        return buffer_take(&text, NULL);
}

IN_LOOP(payload_of_the_limit_is_taken_and_one_byte_more_is_413)
{
        PEN_CLEANUP(freep) char *limit = job_of(PAYLOAD_MAX);
        PEN_CLEANUP(freep) char *more = job_of(PAYLOAD_MAX + 1);
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect_job(&w, limit, 202, "stored");
        api_expect_job(&w, more, 413, "payload of 1001 bytes; at most 1000 are allowed");
        ck_assert_uint_eq(api_count(&w).ready, 1);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(body_larger_than_any_job_is_413)
{
        PEN_CLEANUP(freep) char *body = job_of(200000);
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect_job(&w, body, 413, "at most 71536 bytes");
        api_world_stop(&w);
        return 0;
}

IN_LOOP(other_types_of_a_body_are_415)
{
        static const char *const types[] = { NULL, "text/plain", "application/jsonx",
                                             "application/x-www-form-urlencoded",
                                             "application/json\r\nContent-Encoding: gzip" };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                PEN_CLEANUP(answer_deinit)
                struct answer a = api_post(&w, JOBS, types[i], "{}", 2);

                expect(&a, 415, NULL);
        }
        ck_assert_uint_eq(api_count(&w).ready, 0);
        for (size_t i = 0; i < 2; i++) {
                PEN_CLEANUP(answer_deinit)
                struct answer a =
                        api_post(&w, JOBS,
                                 i == 0 ? "Application/JSON; charset=utf-8"
                                        : "application/json\r\nContent-Encoding: identity",
                                 "{}", 2);

                expect(&a, 202, NULL);
        }
        api_world_stop(&w);
        return 0;
}

/* --- a full queue, a store that is away --------------------------------------------------------- */

static struct api_world small_world(void)
{
        struct api_world w = API_WORLD;

        w.store_options.capacity = 1;
        return w;
}

IN_VIRTUAL_LOOP(full_queue_is_429_and_says_when_to_try_again)
{
        struct api_world w = small_world();
        struct answer a;

        api_world_start(&w);
        api_expect_job(&w, "{}", 202, NULL);
        a = api_post(&w, JOBS, JSON, "{}", 2);
        expect(&a, 429, "the queue mail is full; ?wait=5s");
        ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: 1\r\n"));
        answer_deinit(&a);
        a = api_post(&w, JOBS "?wait=60s", JSON, "{}", 2);
        expect(&a, 429, "the queue mail is full\"");
        answer_deinit(&a);
        ck_assert_uint_ge(pen_now(), 60 * PEN_SEC);
        ck_assert_uint_eq(api_count(&w).ready, 1);
        api_world_stop(&w);
        return 0;
}

static int end_later(void *arg)
{
        struct api_world *w = arg;
        int r = pen_sleep(30 * PEN_SEC);

        api_end(w, OUTCOME_DONE);
        return r;
}

IN_VIRTUAL_LOOP(push_waits_for_room_as_long_as_it_may)
{
        struct api_world w = small_world();
        struct pen_task *end;
        struct answer a;

        api_world_start(&w);
        api_expect_job(&w, "{}", 202, NULL);
        ck_assert_int_eq(pen_spawn(end_later, &w, &end), 0);
        a = api_post(&w, JOBS "?wait=60s", JSON, "{\"id\":\"late\"}", 13);
        expect(&a, 202, "{\"id\":\"late\",\"status\":\"stored\"}");
        answer_deinit(&a);
        ck_assert_uint_lt(pen_now(), 60 * PEN_SEC);
        ck_assert_int_eq(pen_await(end, NULL), 0);
        pen_task_unref(end);
        api_world_stop(&w);
        return 0;
}

/* A store that does not answer: every verb suspends until it is cancelled. */
static int no_push(struct store_queue *q, struct push *pushes, size_t n, bool wait)
{
        (void)q, (void)pushes, (void)n, (void)wait;
        return pen_sleep(PEN_DAY);
}

static int no_count(struct store_queue *q, struct store_counts *ret_counts)
{
        (void)q, (void)ret_counts;
        return pen_sleep(PEN_DAY);
}

static ssize_t no_letters(struct store_queue *q, const char *after, struct dead_letter *ret,
                          size_t max)
{
        (void)q, (void)after, (void)ret, (void)max;
        return pen_sleep(PEN_DAY);
}

static void no_close(struct store_queue *q)
{
        (void)q;
}

IN_VIRTUAL_LOOP(store_that_is_away_is_503_within_the_time_of_a_request)
{
        static const struct store_class away = {
                .push = no_push, .count = no_count, .dead_list = no_letters, .close = no_close
        };
        static const char retry[] = "{\"all\":true}";
        static const char path[] = "/v1/queues/mail/dead/retry";
        struct store_queue store = { .class = &away };
        struct api_world w = API_WORLD;
        struct answer a;

        w.store = &store;
        api_world_start(&w);
        api_expect_job(&w, "{}", 503, "the store does not answer");
        a = api_post(&w, JOBS "?wait=1h", JSON, "{}", 2);
        expect(&a, 503, NULL);
        ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
        answer_deinit(&a);
        a = api_post(&w, JOBS, "application/x-ndjson", "{}\n{}", 5);
        expect(&a, 503, "{\"line\":2,\"status\":\"unavailable\"}");
        answer_deinit(&a);
        a = api_post(&w, path, JSON, retry, sizeof(retry) - 1);
        expect(&a, 503, NULL);
        answer_deinit(&a);
        api_expect(&w, "GET /v1/queues", 503, NULL);
        api_expect(&w, "GET /v1/queues/mail", 503, NULL);
        api_expect(&w, "GET /v1/queues/mail/dead", 503, NULL);
        api_expect(&w, "POST /v1/queues/mail/join", 503, NULL);
        ck_assert_uint_lt(pen_now(), 81 * PEN_SEC);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(readiness_is_the_stores_and_health_the_loops)
{
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect(&w, "GET /readyz", 200, "ready");
        w.ready = false;
        api_expect(&w, "GET /readyz", 503, "\"status\":503");
        api_expect(&w, "GET /healthz", 200, "ok");
        api_expect_job(&w, "{}", 503, "stopping");
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

/* --- what is there to ask ----------------------------------------------------------------------- */

IN_LOOP(bad_names_of_queues_are_refused)
{
        static const struct {
                const char *name;
                unsigned status;
                const char *text;
        } cases[] = {
                { "*", 400, "\\\"*\\\" is no name" },
                { "{}", 400, "\\\"{}\\\" is no name" },
                { "%7b%7d", 400, "\\\"{}\\\" is no name" },
                { "", 400, "\\\"\\\" is no name" },
                { "mail%0a", 400, "is no name" },
                { "a%2Fb", 400, "\\\"a/b\\\" is no name" },
                { "%2e%2e%2f", 400, "\\\"../\\\" is no name" },
                { "mail%00", 404, "no such path" },
                { "mail%2", 404, "no such path" },
                { "mail%zz", 404, "no such path" },
                { "..", 404, "there is no queue .." },
                { "mali", 404, "there is no queue mali; the nearest is mail\"" },
                { "0123456789012345678901234567890123456789012345678901234567890123", 404,
                  "there is no queue 0" },
                { "01234567890123456789012345678901234567890123456789012345678901234", 400,
                  "is no name" },
        };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char what[200];

                snprintf(what, sizeof(what), "GET /v1/queues/%s", cases[i].name);
                api_expect(&w, what, cases[i].status, cases[i].text);
                snprintf(what, sizeof(what), "/v1/queues/%s/jobs", cases[i].name);
                PEN_CLEANUP(answer_deinit) struct answer a = api_post(&w, what, JSON, "{}", 2);
                expect(&a, cases[i].status, cases[i].text);
        }
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(encoded_letters_of_a_name_are_decoded)
{
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect(&w, "GET /v1/queues/m%61il", 200, "\"name\":\"mail\"");
        api_expect(&w, "GET /v1/queues%2Fmail", 404, "no such path");
        api_world_stop(&w);
        return 0;
}

IN_LOOP(other_paths_are_404_and_other_methods_405)
{
        static const char *const paths[] = { "/",
                                             "/v1",
                                             "/v2/queues",
                                             "/v1/queues/mail/job",
                                             "/v1/queues/mail/jobs/",
                                             "/v1/queues/mail/dead/retry/x",
                                             "/healthz/x" };
        struct api_world w = API_WORLD;
        struct answer a;
        char what[100];

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                snprintf(what, sizeof(what), "GET %s", paths[i]);
                api_expect(&w, what, 404, "there are /v1/queues");
        }
        a = api_ask(&w, "DELETE /v1/queues/mail");
        expect(&a, 405, "DELETE is not for this path; GET is");
        ck_assert_ptr_nonnull(strstr(a.head, "Allow: GET, HEAD\r\n"));
        answer_deinit(&a);
        a = api_ask(&w, "GET /v1/queues/mail/jobs");
        expect(&a, 405, NULL);
        ck_assert_ptr_nonnull(strstr(a.head, "Allow: POST\r\n"));
        answer_deinit(&a);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(unknown_arguments_and_bad_values_are_refused)
{
        static const char *const cases[][2] = {
                { "/v1/queues/mail/jobs?wiat=5s", "wait is" },
                { "/v1/queues/mail/jobs?wait=5", "like 250ms" },
                { "/v1/queues/mail/jobs?wait", "like 250ms" },
                { "/v1/queues/mail/jobs?wait=%35", "like 250ms" },
                { "/v1/queues/mail/join?timeout=never", "?timeout= is a duration" },
                { "/v1/queues/mail/join?wait=5s", "timeout is" },
        };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                PEN_CLEANUP(answer_deinit)
                struct answer a = api_post(&w, cases[i][0], JSON, "{}", 2);

                expect(&a, 400, cases[i][1]);
        }
        api_expect(&w, "GET /v1/queues?x=1", 400, "nothing is");
        api_expect(&w, "GET /v1/queues/mail/dead?limit=0", 400, "1 to 1000");
        api_expect(&w, "GET /v1/queues/mail/dead?limit=1001", 400, "1 to 1000");
        api_expect(&w, "GET /v1/queues/mail/dead?x=1", 400, "after and limit are");
        ck_assert_uint_eq(api_count(&w).ready, 0);
        api_world_stop(&w);
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "http api", a_job_is_stored_and_answered_with_its_id,
                an_id_again_is_answered_as_it_is, payloads_arrive_bit_for_bit,
                what_is_no_job_is_refused_with_place_and_reason, json_nested_100000_deep_is_refused,
                payload_of_the_limit_is_taken_and_one_byte_more_is_413,
                body_larger_than_any_job_is_413, other_types_of_a_body_are_415,
                full_queue_is_429_and_says_when_to_try_again, push_waits_for_room_as_long_as_it_may,
                store_that_is_away_is_503_within_the_time_of_a_request,
                readiness_is_the_stores_and_health_the_loops, bad_names_of_queues_are_refused,
                encoded_letters_of_a_name_are_decoded, other_paths_are_404_and_other_methods_405,
                unknown_arguments_and_bad_values_are_refused);
}
