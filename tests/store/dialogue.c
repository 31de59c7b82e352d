#include "contract.h"

#include <errno.h>
#include <string.h>

const struct store_under_test *under_test;

struct store_queue *store_with(struct store_queue_options options)
{
        struct store_queue *q;

        ck_assert_int_eq(under_test->open(&options, &q), 0);
        return q;
}

struct store_queue *any_store(void)
{
        return store_with((struct store_queue_options){
                .dedupe = T(100), .dead_keep = PEN_FOREVER, .max_crashes = 3 });
}

void finish_all(struct store_queue *q)
{
        while (counts_of(q).ready > 0)
                settle(q, fetch(q), MOVE_DONE, 0);
        expect_counts(q, 0, 0, 0);
        under_test->close(q);
}

/* --- pushing ------------------------------------------------------------------------------------- */

struct bytes text(const char *payload)
{
        return (struct bytes){ payload, strlen(payload) };
}

enum push_result push_fields(struct store_queue *q, struct job_fields fields)
{
        PEN_CLEANUP(job_unrefp) struct job *job;
        struct push push;

        ck_assert_int_eq(job_create(&fields, &job), 0);
        push = (struct push){ .job = job };
        ck_assert_int_eq(store_push(q, &push, 1, false), 0);
        return push.result;
}

void push(struct store_queue *q, const char *payload)
{
        ck_assert_int_eq(push_fields(q, (struct job_fields){ .payload = text(payload) }),
                         PUSH_STORED);
}

void push_delayed(struct store_queue *q, const char *payload, pen_usec delay)
{
        ck_assert_int_eq(
                push_fields(q, (struct job_fields){ .payload = text(payload), .delay = delay }),
                PUSH_STORED);
}

enum push_result push_id(struct store_queue *q, const char *id, const char *payload)
{
        return push_fields(q, (struct job_fields){ .id = id, .payload = text(payload) });
}

static int fetch_nothing(void *q)
{
        struct job *job;
        int r = (int)store_fetch(q, &job, 1);

        ck_assert_int_lt(r, 0);
        return r;
}

void put_aside(struct store_queue *q)
{
        struct pen_task *fetcher;

        if (!under_test->aside_at_fetch)
                return;
        fetcher = spawn(fetch_nothing, q);
        UNTIL(counts_of(q).ready == 0 && counts_of(q).running == 0);
        cancel_and_unref(fetcher);
}

/* --- running ------------------------------------------------------------------------------------- */

bool has_payload(const struct job *job, const char *payload)
{
        struct bytes have = job->fields.payload;

        return have.size == strlen(payload) && memcmp(have.data, payload, have.size) == 0;
}

struct job *fetch(struct store_queue *q)
{
        struct job *job;

        ck_assert_int_eq(store_fetch(q, &job, 1), 1);
        return job;
}

struct job *fetch_expecting(struct store_queue *q, const char *payload)
{
        struct job *job = fetch(q);

        ck_assert_msg(has_payload(job, payload), "expected %s, got %.*s", payload,
                      (int)job->fields.payload.size, job->fields.payload.data);
        return job;
}

static void settle_as(struct store_queue *q, struct settlement settlement)
{
        settlement.stale = true;
        pen_uncancellable_begin();
        ck_assert_int_eq(store_settle(q, &settlement, 1), 0);
        pen_uncancellable_end();
        ck_assert(!settlement.stale);
        job_unref(settlement.job);
}

void settle(struct store_queue *q, struct job *job, enum move move, pen_usec delay)
{
        settle_as(q, (struct settlement){ .job = job, .verdict = { move, delay } });
}

void settle_dead(struct store_queue *q, struct job *job, enum outcome outcome, const char *error)
{
        settle_as(q, (struct settlement){ .job = job,
                                          .verdict = { .move = MOVE_DEAD },
                                          .outcome = outcome,
                                          .error = error });
}

void run_and_finish(struct store_queue *q, const char *payload)
{
        struct job *job = fetch_expecting(q, payload);

        ck_assert_int_eq(store_start(q, job), 0);
        settle(q, job, MOVE_DONE, 0);
}

/* --- looking ------------------------------------------------------------------------------------- */

struct store_counts counts_of(struct store_queue *q)
{
        struct store_counts counts;

        ck_assert_int_eq(store_count(q, &counts), 0);
        return counts;
}

void expect_counts(struct store_queue *q, size_t ready, size_t delayed, size_t running)
{
        struct store_counts counts = counts_of(q);

        ck_assert_uint_eq(counts.ready, ready);
        ck_assert_uint_eq(counts.delayed, delayed);
        ck_assert_uint_eq(counts.running, running);
}

void promote(struct store_queue *q, size_t n)
{
        size_t promoted = 0;

        while (promoted < n) {
                ssize_t some = store_promote(q);

                ck_assert_int_ge(some, 0);
                promoted += (size_t)some;
        }
        ck_assert_uint_eq(promoted, n);
}

/* --- tasks --------------------------------------------------------------------------------------- */

struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *task;

        ck_assert_int_eq(pen_spawn(fn, arg, &task), 0);
        return task;
}

int await_and_unref(struct pen_task *task)
{
        int result;

        ck_assert_int_eq(pen_await(task, &result), 0);
        pen_task_unref(task);
        return result;
}

void cancel_and_unref(struct pen_task *task)
{
        pen_task_cancel(task);
        ck_assert_int_eq(await_and_unref(task), -ECANCELED);
}

int promote_for_ever(void *q)
{
        ssize_t r;

        do
                r = store_promote(q);
        while (r >= 0);
        return (int)r;
}

int join(void *q)
{
        return store_join(q);
}

void expect_waiting(struct pen_task *task)
{
        ck_assert_int_eq(pen_sleep(T(1)), 0);
        ck_assert(!pen_task_done(task));
}
