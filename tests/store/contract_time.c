/* Promises about jobs that start later. */
#include "contract.h"

#include <errno.h>

#include <base/clock.h>

/* `began` is a while ago, and not much more. Only a virtual clock is exact. */
static void expect_passed(pen_usec began, pen_usec usec)
{
        pen_usec passed = pen_now() - began;

        ck_assert_uint_ge(passed + under_test->clock_error, usec);
        if (under_test->clock == PEN_CLOCK_VIRTUAL)
                ck_assert_uint_eq(passed, usec);
}

static void a_delayed_job_is_ready_when_due_and_not_before(void)
{
        struct store_queue *q = any_store();
        pen_usec began = pen_now();

        push_delayed(q, "later", T(10));
        push_delayed(q, "sooner", T(4));
        put_aside(q);
        expect_counts(q, 0, 2, 0);
        promote(q, 1);
        expect_passed(began, T(4));
        run_and_finish(q, "sooner");
        expect_counts(q, 0, 1, 0);
        promote(q, 1);
        expect_passed(began, T(10));
        run_and_finish(q, "later");
        finish_all(q);
}

static void run_at_is_a_moment_and_one_in_the_past_is_now(void)
{
        struct store_queue *q = any_store();
        pen_usec began = pen_now();
        uint64_t now = clock_wall_ms();

        ck_assert_int_eq(
                push_fields(q, (struct job_fields){ .run_at = now - 5000, .payload = text("now") }),
                PUSH_STORED);
        run_and_finish(q, "now");
        ck_assert_int_eq(push_fields(q, (struct job_fields){ .run_at = now + T(10) / PEN_MSEC,
                                                             .payload = text("then") }),
                         PUSH_STORED);
        put_aside(q);
        expect_counts(q, 0, 1, 0);
        promote(q, 1);
        ck_assert_uint_ge(pen_now() - began + PEN_SEC, T(10)); /* two clocks */
        ck_assert_uint_ge(clock_wall_ms() + 1 +
                                  (under_test->clock == PEN_CLOCK_VIRTUAL ? T(10) / PEN_MSEC : 0),
                          now + T(10) / PEN_MSEC);
        run_and_finish(q, "then");
        finish_all(q);
}

static void a_job_with_an_id_may_be_delayed_too(void)
{
        struct store_queue *q = any_store();
        struct job_fields fields = { .id = "a", .payload = text("x"), .delay = T(4) };
        struct job *job;

        ck_assert_int_eq(push_fields(q, fields), PUSH_STORED);
        put_aside(q);
        ck_assert_int_eq(push_fields(q, fields), PUSH_EXISTS);
        expect_counts(q, 0, 1, 0);
        promote(q, 1);
        job = fetch_expecting(q, "x");
        ck_assert_str_eq(job->fields.id, "a");
        ck_assert_int_eq(store_start(q, job), 0);
        ck_assert_uint_eq(job->deliveries, 1);
        ck_assert_int_eq(push_fields(q, fields), PUSH_EXISTS);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
}

static void a_push_that_is_due_earlier_is_promoted_earlier(void)
{
        struct store_queue *q = any_store();
        struct pen_task *scheduler;

        push_delayed(q, "later", T(2000));
        put_aside(q);
        scheduler = spawn(promote_for_ever, q);
        expect_waiting(scheduler);
        push_delayed(q, "sooner", T(2));
        run_and_finish(q, "sooner");
        expect_counts(q, 0, 1, 0);
        cancel_and_unref(scheduler);
        under_test->close(q);
}

static void a_retry_that_is_due_earlier_is_promoted_earlier(void)
{
        struct store_queue *q = any_store();
        struct pen_task *scheduler;

        push(q, "later");
        push(q, "sooner");
        settle(q, fetch(q), MOVE_RETRY, T(2000));
        scheduler = spawn(promote_for_ever, q);
        expect_waiting(scheduler);
        settle(q, fetch(q), MOVE_RETRY, T(2));
        run_and_finish(q, "sooner");
        expect_counts(q, 0, 1, 0);
        cancel_and_unref(scheduler);
        under_test->close(q);
}

static int fetch_many_of_none(void *q)
{
        struct job *jobs[128];
        int r = (int)store_fetch(q, jobs, ARRAY_SIZE(jobs));

        ck_assert_int_lt(r, 0);
        return r;
}

static void a_thousand_that_are_due_at_once_are_all_promoted(void)
{
        enum {
                N = 1000
        };
        struct store_queue *q = any_store();
        struct push *pushes = calloc(N, sizeof(*pushes));
        struct job_fields fields = { .run_at = clock_wall_ms() + T(20) / PEN_MSEC };
        struct pen_task *fetcher;

        for (size_t i = 0; i < N; i++)
                ck_assert_int_eq(job_create(&fields, &pushes[i].job), 0);
        ck_assert_int_eq(store_push(q, pushes, N, false), 0);
        for (size_t i = 0; i < N; i++)
                job_unref(pushes[i].job);
        free(pushes);
        if (under_test->aside_at_fetch) {
                fetcher = spawn(fetch_many_of_none, q);
                UNTIL(counts_of(q).delayed == N);
                cancel_and_unref(fetcher);
        }
        expect_counts(q, 0, N, 0);
        promote(q, N);
        expect_counts(q, N, 0, 0);
        finish_all(q);
}

const struct promise time_promises[] = {
        P(a_delayed_job_is_ready_when_due_and_not_before),
        P(run_at_is_a_moment_and_one_in_the_past_is_now),
        P(a_job_with_an_id_may_be_delayed_too),
        P(a_push_that_is_due_earlier_is_promoted_earlier),
        P(a_retry_that_is_due_earlier_is_promoted_earlier),
        P(a_thousand_that_are_due_at_once_are_all_promoted),
        { NULL, NULL },
};
