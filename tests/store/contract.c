#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../async/world.h"

#include <base/clock.h>
#include <base/parse.h>
#include <base/random.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

static open_fn open_store;

/* --- a dialogue with a store --------------------------------------------------------------------- */

static struct store_queue *store_with(struct store_queue_options options)
{
        struct store_queue *q;

        ck_assert_int_eq(open_store(&options, &q), 0);
        return q;
}

static struct store_queue *any_store(void)
{
        return store_with((struct store_queue_options){ .dedupe = 10 * PEN_MINUTE });
}

static enum push_result push_fields(struct store_queue *q, struct job_fields fields)
{
        PEN_CLEANUP(job_unrefp) struct job *job;
        struct push push;

        ck_assert_int_eq(job_create(&fields, &job), 0);
        push = (struct push){ .job = job };
        ck_assert_int_eq(store_push(q, &push, 1, false), 0);
        return push.result;
}

static struct bytes text(const char *payload)
{
        return (struct bytes){ payload, strlen(payload) };
}

static void push(struct store_queue *q, const char *payload)
{
        ck_assert_int_eq(push_fields(q, (struct job_fields){ .payload = text(payload) }),
                         PUSH_STORED);
}

static void push_delayed(struct store_queue *q, const char *payload, pen_usec delay)
{
        ck_assert_int_eq(
                push_fields(q, (struct job_fields){ .payload = text(payload), .delay = delay }),
                PUSH_STORED);
}

static enum push_result push_id(struct store_queue *q, const char *id, const char *payload)
{
        return push_fields(q, (struct job_fields){ .id = id, .payload = text(payload) });
}

static bool has_payload(const struct job *job, const char *payload)
{
        struct bytes have = job->fields.payload;

        return have.size == strlen(payload) && memcmp(have.data, payload, have.size) == 0;
}

static struct job *fetch(struct store_queue *q)
{
        struct job *job;

        ck_assert_int_eq(store_fetch(q, &job, 1), 1);
        return job;
}

static struct job *fetch_expecting(struct store_queue *q, const char *payload)
{
        struct job *job = fetch(q);

        ck_assert_msg(has_payload(job, payload), "expected %s, got %.*s", payload,
                      (int)job->fields.payload.size, job->fields.payload.data);
        return job;
}

/* Takes the caller's reference. */
static void settle(struct store_queue *q, struct job *job, enum move move, pen_usec delay)
{
        struct settlement settlement = { .job = job, .verdict = { move, delay } };

        ck_assert_int_eq(store_settle(q, &settlement, 1), 0);
        job_unref(job);
}

static void expect_counts(struct store_queue *q, size_t ready, size_t delayed, size_t running)
{
        struct store_counts counts;

        ck_assert_int_eq(store_count(q, &counts), 0);
        ck_assert_uint_eq(counts.ready, ready);
        ck_assert_uint_eq(counts.delayed, delayed);
        ck_assert_uint_eq(counts.running, running);
}

static struct store_counts counts_of(struct store_queue *q)
{
        struct store_counts counts;

        ck_assert_int_eq(store_count(q, &counts), 0);
        return counts;
}

static void finish_all(struct store_queue *q)
{
        while (counts_of(q).ready > 0)
                settle(q, fetch(q), MOVE_DONE, 0);
        store_close(q);
}

static int promote_once(void *q)
{
        return (int)store_promote(q);
}

static int promote_for_ever(void *q)
{
        int r;

        do
                r = (int)store_promote(q);
        while (r >= 0);
        return r;
}

static int fetch_one(void *q)
{
        struct job *job;
        int r = (int)store_fetch(q, &job, 1);

        if (r < 0)
                return r;
        settle(q, job, MOVE_DONE, 0);
        return r;
}

static int join(void *q)
{
        return store_join(q);
}

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *task;

        ck_assert_int_eq(pen_spawn(fn, arg, &task), 0);
        return task;
}

static int await_and_unref(struct pen_task *task)
{
        int result;

        ck_assert_int_eq(pen_await(task, &result), 0);
        pen_task_unref(task);
        return result;
}

/* Each test is a task on the virtual clock. */
#define PROMISE(name)                                                \
        static int name##_body(void *arg);                           \
        START_TEST(name)                                             \
        {                                                            \
                ck_assert_int_eq(run_virtual(name##_body, NULL), 0); \
        }                                                            \
        END_TEST                                                     \
        static int name##_body(__attribute__((unused)) void *arg)

/* --- push and fetch ------------------------------------------------------------------------------ */

PROMISE(a_job_comes_out_as_it_went_in)
{
        static const struct job_meta meta[] = { { "who", "anna" }, { "why", "" } };
        struct job_fields fields = {
                .id = "my-id",
                .type = "mail",
                .payload = { "a\0b\xff\n", 5 },
                .timeout = 3 * PEN_SEC,
                .max_attempts = 7,
                .expires_at = 4102444800000,
                .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                .meta = meta,
                .n_meta = 2,
        };
        struct store_queue *q = any_store();
        struct job *job;

        ck_assert_int_eq(push_fields(q, fields), PUSH_STORED);
        job = fetch(q);
        ck_assert_str_eq(job->fields.id, "my-id");
        ck_assert_str_eq(job->fields.type, "mail");
        ck_assert_uint_eq(job->fields.payload.size, 5);
        ck_assert_mem_eq(job->fields.payload.data, "a\0b\xff\n", 5);
        ck_assert_uint_eq(job->fields.timeout, 3 * PEN_SEC);
        ck_assert_uint_eq(job->fields.max_attempts, 7);
        ck_assert_uint_eq(job->fields.expires_at, 4102444800000);
        ck_assert_str_eq(job->fields.traceparent, fields.traceparent);
        ck_assert_uint_eq(job->fields.n_meta, 2);
        ck_assert_str_eq(job->fields.meta[0].value, "anna");
        ck_assert_str_eq(job->fields.meta[1].name, "why");
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(oldest_first_and_no_more_than_asked_for)
{
        struct store_queue *q = any_store();
        struct job *jobs[3];

        push(q, "1");
        push(q, "2");
        push(q, "3");
        push(q, "4");
        ck_assert_int_eq(store_fetch(q, jobs, 3), 3);
        ck_assert(has_payload(jobs[0], "1") && has_payload(jobs[1], "2") &&
                  has_payload(jobs[2], "3"));
        expect_counts(q, 1, 0, 3);
        for (int i = 0; i < 3; i++)
                settle(q, jobs[i], MOVE_DONE, 0);
        settle(q, fetch_expecting(q, "4"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(fetch_waits_for_a_push)
{
        struct store_queue *q = any_store();
        struct pen_task *fetcher = spawn(fetch_one, q);

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert(!pen_task_done(fetcher));
        push(q, "late");
        ck_assert_int_eq(await_and_unref(fetcher), 1);
        finish_all(q);
        return 0;
}

PROMISE(a_cancelled_fetch_loses_nothing)
{
        struct store_queue *q = any_store();
        struct pen_task *fetcher = spawn(fetch_one, q);

        ck_assert_int_eq(pen_sleep(1), 0);
        push(q, "kept");
        pen_task_cancel(fetcher);
        ck_assert_int_eq(await_and_unref(fetcher), -ECANCELED);
        expect_counts(q, 1, 0, 0);
        settle(q, fetch_expecting(q, "kept"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(ids_are_made_for_those_who_give_none)
{
        struct store_queue *q = any_store();
        char before[129] = "";

        for (int i = 0; i < 100; i++) {
                struct job *job;

                push(q, "x");
                job = fetch(q);
                ck_assert(parse_is_id(job->fields.id, strlen(job->fields.id)));
                ck_assert_str_ne(job->fields.id, before);
                snprintf(before, sizeof(before), "%s", job->fields.id);
                settle(q, job, MOVE_DONE, 0);
        }
        finish_all(q);
        return 0;
}

PROMISE(each_delivery_is_counted)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "x");
        for (uint64_t i = 1; i <= 3; i++) {
                job = fetch(q);
                ck_assert_int_eq(store_start(q, job), 0);
                ck_assert_uint_eq(job->deliveries, i);
                settle(q, job, MOVE_RELEASE, 0);
        }
        finish_all(q);
        return 0;
}

/* --- ids ----------------------------------------------------------------------------------------- */

PROMISE(an_id_is_stored_once_while_its_job_lives)
{
        struct store_queue *q = any_store();
        struct job *job;

        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        expect_counts(q, 1, 0, 0);
        job = fetch(q);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        settle(q, job, MOVE_RETRY, PEN_SEC);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        expect_counts(q, 0, 1, 0);
        ck_assert_int_eq(await_and_unref(spawn(promote_once, q)), 1);
        finish_all(q);
        return 0;
}

PROMISE(an_id_with_another_payload_or_type_is_a_conflict)
{
        struct store_queue *q = any_store();

        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
        ck_assert_int_eq(push_id(q, "a", "other"), PUSH_CONFLICT);
        ck_assert_int_eq(
                push_fields(q,
                            (struct job_fields){ .id = "a", .type = "t", .payload = text("body") }),
                PUSH_CONFLICT);
        expect_counts(q, 1, 0, 0);
        finish_all(q);
        return 0;
}

PROMISE(an_id_is_remembered_for_dedupe_after_the_end)
{
        struct store_queue *q = any_store();

        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
        settle(q, fetch(q), MOVE_DONE, 0);
        ck_assert_int_eq(pen_sleep(10 * PEN_MINUTE - PEN_SEC), 0);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        ck_assert_int_eq(push_id(q, "a", "other"), PUSH_CONFLICT);
        ck_assert_int_eq(pen_sleep(2 * PEN_SEC), 0);
        ck_assert_int_eq(push_id(q, "a", "other"), PUSH_STORED);
        finish_all(q);
        return 0;
}

/* --- room ---------------------------------------------------------------------------------------- */

PROMISE(past_its_capacity_a_push_is_refused)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 2 });
        struct job *job;

        push(q, "1");
        push_delayed(q, "2", PEN_SEC);
        ck_assert_int_eq(push_id(q, "c", "3"), PUSH_FULL);
        expect_counts(q, 1, 1, 0);
        job = fetch_expecting(q, "1"); /* what runs is no backlog */
        ck_assert_int_eq(push_id(q, "c", "3"), PUSH_STORED);
        settle(q, job, MOVE_DONE, 0);
        ck_assert_int_eq(await_and_unref(spawn(promote_once, q)), 1);
        finish_all(q);
        return 0;
}

static int push_waiting(void *arg)
{
        PEN_CLEANUP(job_unrefp) struct job *job;
        struct push p;
        int r;

        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = text("waited") }, &job), 0);
        p = (struct push){ .job = job };
        r = store_push(arg, &p, 1, true);
        ck_assert_int_eq(p.result, r < 0 ? PUSH_PENDING : PUSH_STORED);
        return r;
}

PROMISE(a_push_that_waits_goes_on_when_there_is_room)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 1 });
        struct pen_task *pusher;

        push(q, "1");
        pusher = spawn(push_waiting, q);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert(!pen_task_done(pusher));
        settle(q, fetch_expecting(q, "1"), MOVE_DONE, 0);
        ck_assert_int_eq(await_and_unref(pusher), 0);
        settle(q, fetch_expecting(q, "waited"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(a_cancelled_push_stores_nothing)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 1 });
        struct pen_task *pusher;

        push(q, "1");
        pusher = spawn(push_waiting, q);
        ck_assert_int_eq(pen_sleep(1), 0);
        pen_task_cancel(pusher);
        ck_assert_int_eq(await_and_unref(pusher), -ECANCELED);
        expect_counts(q, 1, 0, 0);
        finish_all(q);
        return 0;
}

/* --- time ---------------------------------------------------------------------------------------- */

PROMISE(a_delayed_job_is_ready_when_due_and_not_before)
{
        struct store_queue *q = any_store();
        pen_usec began = pen_now();

        push_delayed(q, "later", 5 * PEN_SEC);
        push_delayed(q, "sooner", 2 * PEN_SEC);
        expect_counts(q, 0, 2, 0);
        ck_assert_int_eq(store_promote(q), 1);
        ck_assert_uint_eq(pen_now() - began, 2 * PEN_SEC);
        settle(q, fetch_expecting(q, "sooner"), MOVE_DONE, 0);
        ck_assert_int_eq(store_promote(q), 1);
        ck_assert_uint_eq(pen_now() - began, 5 * PEN_SEC);
        settle(q, fetch_expecting(q, "later"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(run_at_is_a_moment_and_one_in_the_past_is_now)
{
        struct store_queue *q = any_store();
        uint64_t now = clock_wall_ms();

        ck_assert_int_eq(push_fields(q, (struct job_fields){ .run_at = now - 5000 }), PUSH_STORED);
        expect_counts(q, 1, 0, 0);
        ck_assert_int_eq(push_fields(q, (struct job_fields){ .run_at = now + 3600000 }),
                         PUSH_STORED);
        expect_counts(q, 1, 1, 0);
        ck_assert_int_eq(store_promote(q), 1);
        ck_assert_uint_ge(pen_now(), 3590 * PEN_SEC);
        finish_all(q);
        return 0;
}

PROMISE(a_push_that_is_due_earlier_is_promoted_earlier)
{
        struct store_queue *q = any_store();
        struct pen_task *scheduler;

        push_delayed(q, "later", PEN_HOUR);
        scheduler = spawn(promote_for_ever, q);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        push_delayed(q, "sooner", PEN_SEC);
        ck_assert_int_eq(pen_sleep(PEN_SEC + 1), 0);
        expect_counts(q, 1, 1, 0);
        settle(q, fetch_expecting(q, "sooner"), MOVE_DONE, 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        settle(q, fetch_expecting(q, "later"), MOVE_DONE, 0);
        pen_task_cancel(scheduler);
        ck_assert_int_eq(await_and_unref(scheduler), -ECANCELED);
        finish_all(q);
        return 0;
}

PROMISE(all_that_is_due_at_once_is_promoted_at_once)
{
        struct store_queue *q = any_store();

        for (int i = 0; i < 1000; i++)
                push_delayed(q, "x", PEN_SEC);
        ck_assert_int_eq(store_promote(q), 1000);
        expect_counts(q, 1000, 0, 0);
        finish_all(q);
        return 0;
}

/* --- settling ------------------------------------------------------------------------------------ */

PROMISE(each_verdict_moves_the_job_where_it_says)
{
        struct store_queue *q = any_store();
        struct store_counts counts;

        for (int i = 0; i < 5; i++)
                push(q, "x");
        settle(q, fetch(q), MOVE_DONE, 0);
        settle(q, fetch(q), MOVE_DEAD, 0);
        settle(q, fetch(q), MOVE_EXPIRE, 0);
        settle(q, fetch(q), MOVE_CANCEL, 0);
        settle(q, fetch(q), MOVE_RETRY, 7 * PEN_SEC);
        ck_assert_int_eq(store_count(q, &counts), 0);
        ck_assert_uint_eq(counts.done, 1);
        ck_assert_uint_eq(counts.dead, 1);
        ck_assert_uint_eq(counts.expired, 1);
        ck_assert_uint_eq(counts.cancelled, 1);
        expect_counts(q, 0, 1, 0);
        ck_assert_int_eq(store_promote(q), 1);
        ck_assert_uint_eq(pen_now() / PEN_SEC, 7);
        finish_all(q);
        return 0;
}

PROMISE(released_jobs_run_before_newer_ones_and_in_order)
{
        struct store_queue *q = any_store();
        struct settlement s[2];
        struct job *jobs[2];

        push(q, "1");
        push(q, "2");
        ck_assert_int_eq(store_fetch(q, jobs, 2), 2);
        push(q, "3");
        s[0] = (struct settlement){ .job = jobs[0], .verdict = { .move = MOVE_RELEASE } };
        s[1] = (struct settlement){ .job = jobs[1], .verdict = { .move = MOVE_RELEASE } };
        ck_assert_int_eq(store_settle(q, s, 2), 0);
        job_unref(jobs[0]);
        job_unref(jobs[1]);
        settle(q, fetch_expecting(q, "1"), MOVE_DONE, 0);
        settle(q, fetch_expecting(q, "2"), MOVE_DONE, 0);
        settle(q, fetch_expecting(q, "3"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(jobs_released_one_by_one_keep_their_order_too)
{
        static const int in_turn[] = { 1, 3, 0, 2 };
        static const char *const payloads[] = { "0", "1", "2", "3" };
        struct store_queue *q = any_store();
        struct job *jobs[4];

        for (int i = 0; i < 4; i++)
                push(q, payloads[i]);
        ck_assert_int_eq(store_fetch(q, jobs, 4), 4);
        push(q, "newer");
        for (int i = 0; i < 4; i++)
                settle(q, jobs[in_turn[i]], MOVE_RELEASE, 0);
        for (int i = 0; i < 4; i++)
                settle(q, fetch_expecting(q, payloads[i]), MOVE_DONE, 0);
        settle(q, fetch_expecting(q, "newer"), MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(no_more_ids_are_remembered_than_allowed)
{
        struct store_queue *q =
                store_with((struct store_queue_options){ .dedupe = PEN_HOUR, .dedupe_max = 2 });

        for (const char *id = "abc"; *id; id++) {
                char name[] = { *id, '\0' };

                ck_assert_int_eq(push_id(q, name, "x"), PUSH_STORED);
                settle(q, fetch(q), MOVE_DONE, 0);
        }
        ck_assert_int_eq(push_id(q, "b", "x"), PUSH_EXISTS);
        ck_assert_int_eq(push_id(q, "c", "x"), PUSH_EXISTS);
        ck_assert_int_eq(push_id(q, "a", "x"), PUSH_STORED);
        finish_all(q);
        return 0;
}

PROMISE(counts_of_attempts_survive_a_retry)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "x");
        job = fetch(q);
        job->attempts = 2;
        job->crashes = 1;
        settle(q, job, MOVE_RETRY, PEN_SEC);
        ck_assert_int_eq(store_promote(q), 1);
        job = fetch(q);
        ck_assert_uint_eq(job->attempts, 2);
        ck_assert_uint_eq(job->crashes, 1);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
        return 0;
}

PROMISE(join_waits_for_ready_delayed_and_running)
{
        struct store_queue *q = any_store();
        struct pen_task *joiner;
        struct job *job;

        push(q, "1");
        push_delayed(q, "2", PEN_SEC);
        joiner = spawn(join, q);
        job = fetch(q);
        ck_assert_int_eq(store_promote(q), 1);
        settle(q, fetch(q), MOVE_DONE, 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert(!pen_task_done(joiner));
        settle(q, job, MOVE_RETRY, PEN_SEC);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert(!pen_task_done(joiner));
        ck_assert_int_eq(store_promote(q), 1);
        settle(q, fetch(q), MOVE_DEAD, 0);
        ck_assert_int_eq(await_and_unref(joiner), 0);
        ck_assert_int_eq(store_join(q), 0); /* of an empty queue: at once */
        finish_all(q);
        return 0;
}

/* --- any history --------------------------------------------------------------------------------- */

/* Random verbs; every job that was stored is, at each moment, in exactly one place. */
PROMISE(no_history_loses_or_invents_a_job)
{
        struct random random;

        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct store_queue *q = any_store();
                struct job *running[64];
                size_t n = 0;
                uint64_t stored = 0, ended = 0;
                struct store_counts c;

                random_seed(&random, seed);
                for (int step = 0; step < 400; step++) {
                        ck_assert_int_eq(store_count(q, &c), 0);
                        switch (random_below(&random, 5)) {
                        case 0:
                                push(q, "x");
                                stored++;
                                break;
                        case 1:
                                push_delayed(q, "x", 1 + random_below(&random, PEN_SEC));
                                stored++;
                                break;
                        case 2:
                                if (c.ready > 0 && n < ARRAY_SIZE(running))
                                        n += (size_t)store_fetch(q, running + n, 1);
                                break;
                        case 3:
                                if (c.delayed > 0)
                                        ck_assert_int_ge(store_promote(q), 1);
                                break;
                        case 4:
                                if (n > 0) {
                                        enum move move = (enum move)random_below(&random, 6);

                                        settle(q, running[--n], move, 1);
                                        ended += move != MOVE_RETRY && move != MOVE_RELEASE;
                                }
                                break;
                        }
                        ck_assert_int_eq(store_count(q, &c), 0);
                        ck_assert_uint_eq(c.running, n);
                        ck_assert_uint_eq(c.done + c.dead + c.expired + c.cancelled, ended);
                        ck_assert_uint_eq(c.ready + c.delayed + c.running, stored - ended);
                }
                while (n > 0)
                        settle(q, running[--n], MOVE_DONE, 0);
                while (counts_of(q).delayed > 0)
                        ck_assert_int_ge(store_promote(q), 1);
                finish_all(q);
        }
        return 0;
}

int run_store_contract(const char *store, open_fn open)
{
        open_store = open;
        return RUN_SUITE(
                store, a_job_comes_out_as_it_went_in, oldest_first_and_no_more_than_asked_for,
                fetch_waits_for_a_push, a_cancelled_fetch_loses_nothing,
                ids_are_made_for_those_who_give_none, each_delivery_is_counted,
                an_id_is_stored_once_while_its_job_lives,
                an_id_with_another_payload_or_type_is_a_conflict,
                an_id_is_remembered_for_dedupe_after_the_end, past_its_capacity_a_push_is_refused,
                a_push_that_waits_goes_on_when_there_is_room, a_cancelled_push_stores_nothing,
                a_delayed_job_is_ready_when_due_and_not_before,
                run_at_is_a_moment_and_one_in_the_past_is_now,
                a_push_that_is_due_earlier_is_promoted_earlier,
                all_that_is_due_at_once_is_promoted_at_once,
                each_verdict_moves_the_job_where_it_says,
                released_jobs_run_before_newer_ones_and_in_order,
                jobs_released_one_by_one_keep_their_order_too,
                no_more_ids_are_remembered_than_allowed, counts_of_attempts_survive_a_retry,
                join_waits_for_ready_delayed_and_running, no_history_loses_or_invents_a_job);
}
