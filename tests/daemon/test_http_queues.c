/* Counts, join, dead letters. */
#include "api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/task.h>

#define JOIN "POST /v1/queues/mail/join"
#define DEAD "GET /v1/queues/mail/dead"
#define RETRY "/v1/queues/mail/dead/retry"

IN_LOOP(counts_are_those_of_the_store_and_of_this_daemon)
{
        struct api_world w = API_WORLD;
        struct job *fetched[3];

        api_world_start(&w);
        for (int i = 0; i < 5; i++)
                api_expect_job(&w, "{}", 202, NULL);
        api_expect_job(&w, "{\"delay\":\"1h\"}", 202, NULL);
        api_end(&w, OUTCOME_DONE);
        api_end(&w, OUTCOME_REJECTED);
        ck_assert_int_eq(store_fetch(w.store, fetched, 2), 2);
        w.buffered = 1;
        w.paused = true;
        api_expect(&w, "GET /v1/queues/mail", 200,
                   "{\"name\":\"mail\",\"ready\":1,\"delayed\":1,\"buffered\":1,\"running\":1,"
                   "\"dead_letters\":1,\"done\":1,\"dead\":1,\"expired\":0,\"cancelled\":0,"
                   "\"duplicates\":0,\"conflicts\":0,\"paused\":true}\n");
        api_expect(&w, "GET /v1/queues", 200, "{\"queues\":[{\"name\":\"mail\",\"ready\":1,");
        for (int i = 0; i < 2; i++) {
                api_settle(&w, fetched[i], OUTCOME_DONE);
                job_unref(fetched[i]);
        }
        api_world_stop(&w);
        return 0;
}

/* --- join --------------------------------------------------------------------------------------- */

struct end {
        struct api_world *world;
        enum outcome outcome;
};

static int end_later(void *arg)
{
        struct end *end = arg;
        int r = pen_sleep(20 * PEN_SEC);

        api_end(end->world, end->outcome);
        return r;
}

IN_VIRTUAL_LOOP(join_waits_for_the_end_and_tells_how_many_died)
{
        static const struct {
                enum outcome outcome;
                const char *text;
        } cases[] = { { OUTCOME_DONE, "{\"died\":0}\n" },
                      { OUTCOME_FAILED, "{\"died\":1}\n" },
                      { OUTCOME_DONE, "{\"died\":0}\n" } };
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect(&w, JOIN, 200, "{\"died\":0}");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct end end = { &w, cases[i].outcome };
                pen_usec begin = pen_now();
                struct pen_task *task;

                api_expect_job(&w, "{}", 202, NULL);
                ck_assert_int_eq(pen_spawn(end_later, &end, &task), 0);
                api_expect(&w, JOIN, 200, cases[i].text);
                ck_assert_uint_eq((pen_now() - begin) / PEN_SEC, 20);
                ck_assert_int_eq(pen_await(task, NULL), 0);
                pen_task_unref(task);
        }
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(join_gives_up_when_its_time_is_over)
{
        struct api_world w = API_WORLD;

        api_world_start(&w);
        api_expect_job(&w, "{\"delay\":\"7d\"}", 202, NULL);
        api_expect(&w, JOIN, 408, "there still are jobs");
        ck_assert_uint_eq(pen_now() / PEN_SEC, 30);
        api_expect(&w, JOIN "?timeout=2h", 408, NULL); /* longer than any step of a request */
        ck_assert_uint_eq(pen_now() / PEN_SEC, 7230);
        api_expect(&w, JOIN "?timeout=0", 408, NULL);
        ck_assert_uint_eq(pen_now() / PEN_SEC, 7230);
        api_world_stop(&w);
        return 0;
}

/* --- dead letters ------------------------------------------------------------------------------- */

static void bury(struct api_world *w, const char *job)
{
        api_expect_job(w, job, 202, NULL);
        api_end(w, OUTCOME_FAILED);
}

/* The member's value in the n-th object that has it. */
static void member(const struct answer *a, const char *name, int n, char *value, size_t size)
{
        const char *at = a->body;
        char key[40];

        snprintf(key, sizeof(key), "\"%s\":\"", name);
        do {
                at = strstr(at, key);
                ck_assert_ptr_nonnull(at);
                at += strlen(key);
        } while (n-- > 0);
        snprintf(value, size, "%.*s", (int)strcspn(at, "\""), at);
}

IN_LOOP(letters_have_the_job_and_its_end)
{
        struct api_world w = API_WORLD;
        struct answer a;

        api_world_start(&w);
        api_expect(&w, DEAD, 200, "{\"letters\":[],\"next\":null}\n");
        bury(&w, "{\"id\":\"a\",\"type\":\"t\",\"payload\":\"h\\u00e9\\n\"}");
        bury(&w, "{\"id\":\"b\",\"payload_base64\":\"/wA=\"}");
        a = api_ask(&w, DEAD);
        expect(&a, 200,
               "{\"letters\":[{\"outcome\":\"failed\",\"attempts\":3,\"crashes\":0,"
               "\"failed_at\":1");
        ck_assert_ptr_nonnull(strstr(a.body, "\"id\":\"a\",\"type\":\"t\",\"error\":\"no luck\","));
        ck_assert_ptr_nonnull(strstr(a.body, "\"payload\":\"h\xc3\xa9\\n\"},{"));
        ck_assert_ptr_nonnull(strstr(a.body, "\"id\":\"b\",\"error\":\"no luck\","));
        ck_assert_ptr_nonnull(strstr(a.body, "\"payload_base64\":\"/wA=\"}],\"next\":null}\n"));
        answer_deinit(&a);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(letters_are_listed_page_by_page)
{
        struct api_world w = API_WORLD;
        char what[200] = DEAD "?limit=9", id[20], place[48];

        api_world_start(&w);
        for (int i = 0; i < 20; i++) {
                snprintf(what + 100, 100, "{\"id\":\"%d\"}", i);
                bury(&w, what + 100);
        }
        for (int i = 0; i < 20;) {
                PEN_CLEANUP(answer_deinit) struct answer a = api_ask(&w, what);

                expect(&a, 200, NULL);
                for (int k = 0; k < 9 && i < 20; k++, i++) {
                        member(&a, "id", k, id, sizeof(id));
                        ck_assert_int_eq(atoi(id), i);
                }
                if (i == 20) {
                        ck_assert_ptr_nonnull(strstr(a.body, "\"next\":null}"));
                        break;
                }
                member(&a, "next", 0, place, sizeof(place));
                snprintf(what, 100, DEAD "?limit=9&after=%s", place);
        }
        api_expect(&w, DEAD "?after=nowhere", 400, "no place");
        api_expect(&w, DEAD "?after=0123456789012345678901234567890123456789012345678", 400,
                   "no place");
        api_world_stop(&w);
        return 0;
}

static struct answer retry(const struct api_world *w, const char *body)
{
        return api_post(w, RETRY, "application/json", body, strlen(body));
}

static void expect_retry(const struct api_world *w, const char *body, unsigned status,
                         const char *text)
{
        PEN_CLEANUP(answer_deinit) struct answer a = retry(w, body);

        expect(&a, status, text);
}

IN_LOOP(a_letter_is_retried_by_its_place)
{
        struct api_world w = API_WORLD;
        struct answer a;
        char place[48], body[100];

        api_world_start(&w);
        bury(&w, "{\"id\":\"a\"}");
        bury(&w, "{\"id\":\"b\"}");
        a = api_ask(&w, DEAD);
        member(&a, "place", 1, place, sizeof(place));
        answer_deinit(&a);
        snprintf(body, sizeof(body), "{\"place\":\"%s\"}", place);
        expect_retry(&w, body, 200, "{\"retried\":1,\"kept\":0,\"reasons\":[],\"next\":null}\n");
        expect_retry(&w, body, 404, "no dead letter");
        ck_assert_uint_eq(api_count(&w).ready, 1);
        ck_assert_uint_eq(api_count(&w).dead_letters, 1);
        api_end(&w, OUTCOME_DONE);
        api_world_stop(&w);
        return 0;
}

IN_VIRTUAL_LOOP(all_letters_are_retried_and_those_kept_are_told_why)
{
        struct api_world w = API_WORLD;
        char body[100], place[48];
        struct answer a;

        w.store_options.dedupe = PEN_SEC;
        api_world_start(&w);
        for (int i = 0; i < 20; i++) {
                snprintf(body, sizeof(body), "{\"id\":\"job-%d\"}", i);
                bury(&w, body);
        }
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        api_expect_job(&w, "{\"id\":\"job-7\"}", 202, "stored");
        a = api_ask(&w, DEAD);
        member(&a, "place", 10, place, sizeof(place));
        answer_deinit(&a);
        snprintf(body, sizeof(body), "{\"after\":\"%s\",\"all\":true}", place);
        expect_retry(&w, body, 200, "{\"retried\":9,\"kept\":0,");
        a = retry(&w, " {\"all\":true}");
        expect(&a, 200,
               "{\"retried\":10,\"kept\":1,\"reasons\":[{\"reason\":\"a live job has its id\"");
        ck_assert_ptr_nonnull(strstr(a.body, "\"id\":\"job-7\"}],\"next\":null}"));
        answer_deinit(&a);
        ck_assert_uint_eq(api_count(&w).ready, 20);
        ck_assert_uint_eq(api_count(&w).dead_letters, 1);
        api_world_stop(&w);
        return 0;
}

static const struct store_class *memory;

/* The job dies again before the next one is retried. */
static int retry_in_vain(struct store_queue *q, const char *place)
{
        struct settlement settlement = { .verdict.move = MOVE_DEAD, .outcome = OUTCOME_FAILED };
        int r = memory->dead_retry(q, place);

        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(memory->fetch(q, &settlement.job, 1), 1);
        ck_assert_int_eq(memory->settle(q, &settlement, 1), 0);
        job_unref(settlement.job);
        return 0;
}

IN_LOOP(retrying_all_ends_though_the_jobs_die_again_at_once)
{
        struct api_world w = API_WORLD;
        struct store_class in_vain;
        struct answer a;

        api_world_start(&w);
        for (int i = 0; i < 20; i++)
                bury(&w, "{}");
        memory = w.store->class;
        in_vain = *memory;
        in_vain.dead_retry = retry_in_vain;
        w.store->class = &in_vain;
        a = retry(&w, "{\"all\":true}");
        expect(&a, 200, "{\"retried\":20,\"kept\":0,\"reasons\":[],\"next\":null}");
        answer_deinit(&a);
        w.store->class = memory;
        ck_assert_uint_eq(api_count(&w).dead_letters, 20);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(what_is_no_wish_for_a_retry_is_refused)
{
        static const char *const bodies[] = {
                "",
                "{}",
                "[]",
                "{\"all\":false}",
                "{\"all\":1}",
                "{\"place\":1}",
                "{\"place\":\"1\",\"all\":true}",
                "{\"after\":\"1\"}",
                "{\"place\":\"nowhere\"} x",
                "{\"all\":true,\"x\":1}",
                "{\"place\":\"012345678901234567890123456789012345678901234567\"}"
        };
        struct api_world w = API_WORLD;
        char large[5000] = { 0 };
        struct answer a;

        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
                expect_retry(&w, bodies[i], 400, "send {");
        expect_retry(&w, "{\"all\":true,\"after\":\"nowhere\"}", 200, "\"retried\":0");
        bury(&w, "{}");
        expect_retry(&w, "{\"all\":true,\"after\":\"nowhere\"}", 400, "no place");
        memset(large, ' ', sizeof(large) - 1);
        expect_retry(&w, large, 413, "4096");
        a = api_post(&w, RETRY, "text/plain", "{\"all\":true}", 12);
        expect(&a, 415, NULL);
        answer_deinit(&a);
        a = api_post(&w, "/v1/queues/nobody/dead/retry", "application/json", "{\"all\":true}", 12);
        expect(&a, 404, "there is no queue nobody");
        answer_deinit(&a);
        ck_assert_uint_eq(api_count(&w).dead_letters, 1);
        api_world_stop(&w);
        return 0;
}

int main(void)
{
        return RUN_SUITE("http queues", counts_are_those_of_the_store_and_of_this_daemon,
                         join_waits_for_the_end_and_tells_how_many_died,
                         join_gives_up_when_its_time_is_over, letters_have_the_job_and_its_end,
                         letters_are_listed_page_by_page, a_letter_is_retried_by_its_place,
                         all_letters_are_retried_and_those_kept_are_told_why,
                         retrying_all_ends_though_the_jobs_die_again_at_once,
                         what_is_no_wish_for_a_retry_is_refused);
}
