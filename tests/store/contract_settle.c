/* Promises about starts, ends, and what goes back. */
#include "contract.h"

#include <errno.h>
#include <stdio.h>

/* --- starting ------------------------------------------------------------------------------------ */

static void each_delivery_is_counted(void)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "x");
        for (uint64_t i = 1; i <= 6; i++) {
                job = fetch(q);
                ck_assert_int_eq(store_start(q, job), 0);
                ck_assert_uint_eq(job->deliveries, i);
                settle(q, job, i % 2 ? MOVE_RELEASE : MOVE_RETRY, 1);
                if (i % 2 == 0)
                        promote(q, 1);
        }
        finish_all(q);
}

static void what_was_fetched_and_never_started_is_not_counted(void)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "x");
        for (int i = 0; i < 3; i++)
                settle(q, fetch(q), MOVE_RELEASE, 0);
        job = fetch(q);
        ck_assert_int_eq(store_start(q, job), 0);
        ck_assert_uint_eq(job->deliveries, 1);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
}

/* --- verdicts ------------------------------------------------------------------------------------ */

static void each_verdict_moves_the_job_where_it_says(void)
{
        struct store_queue *q = any_store();
        struct store_counts counts;
        pen_usec began;

        for (int i = 0; i < 6; i++)
                push(q, "x");
        settle(q, fetch(q), MOVE_DONE, 0);
        settle(q, fetch(q), MOVE_DEAD, 0);
        settle(q, fetch(q), MOVE_EXPIRE, 0);
        settle(q, fetch(q), MOVE_CANCEL, 0);
        settle(q, fetch(q), MOVE_CANCEL, 0);
        began = pen_now();
        settle(q, fetch(q), MOVE_RETRY, T(7));
        counts = counts_of(q);
        ck_assert_uint_eq(counts.done, 1);
        ck_assert_uint_eq(counts.dead, 1);
        ck_assert_uint_eq(counts.dead_letters, 1);
        ck_assert_uint_eq(counts.expired, 1);
        ck_assert_uint_eq(counts.cancelled, 2);
        expect_counts(q, 0, 1, 0);
        promote(q, 1);
        ck_assert_uint_ge(pen_now() - began + under_test->clock_error, T(7));
        finish_all(q);
}

/* All verdicts in one call, of jobs of every kind. */
static void a_batch_is_settled_each_by_its_own_verdict(void)
{
        enum {
                N = 300
        };
        struct store_queue *q = any_store();
        struct settlement s[N];
        size_t n = 0;
        struct store_counts counts;
        char id[16];

        for (int i = 0; i < N; i++) {
                snprintf(id, sizeof(id), "id-%d", i);
                ck_assert_int_eq(push_fields(q, (struct job_fields){ .id = i % 3 ? NULL : id,
                                                                     .payload = text("x") }),
                                 PUSH_STORED);
        }
        while (n < N) {
                struct job *jobs[N];
                ssize_t some = store_fetch(q, jobs, N - n);

                ck_assert_int_ge(some, 1);
                for (ssize_t i = 0; i < some; i++, n++)
                        s[n] = (struct settlement){ .job = jobs[i],
                                                    .verdict = { (enum move)(n % 6), T(1) } };
        }
        ck_assert_int_eq(store_settle(q, s, N), 0);
        for (size_t i = 0; i < N; i++) {
                ck_assert(!s[i].stale);
                job_unref(s[i].job);
        }
        expect_counts(q, N / 6, N / 6, 0);
        counts = counts_of(q);
        ck_assert_uint_eq(counts.done, N / 6);
        ck_assert_uint_eq(counts.dead, N / 6);
        ck_assert_uint_eq(counts.expired, N / 6);
        ck_assert_uint_eq(counts.cancelled, N / 6);
        promote(q, N / 6);
        finish_all(q);
}

static void counts_of_attempts_survive_retries_and_releases(void)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "x");
        job = fetch(q);
        ck_assert_int_eq(store_start(q, job), 0);
        job->attempts = 2;
        job->crashes = 1;
        settle(q, job, MOVE_RETRY, 1);
        promote(q, 1);
        job = fetch(q);
        ck_assert_int_eq(store_start(q, job), 0);
        ck_assert_uint_eq(job->attempts, 2);
        ck_assert_uint_eq(job->crashes, 1);
        job->crashes = 2;
        settle(q, job, MOVE_RELEASE, 0);
        job = fetch(q);
        ck_assert_uint_eq(job->attempts, 2);
        ck_assert_uint_eq(job->crashes, 2);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
}

/* --- release ------------------------------------------------------------------------------------- */

static void released_jobs_run_before_newer_ones_and_in_order(void)
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
        expect_counts(q, 3, 0, 0);
        run_and_finish(q, "1");
        run_and_finish(q, "2");
        run_and_finish(q, "3");
        finish_all(q);
}

static void jobs_released_one_by_one_keep_their_order_too(void)
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
                run_and_finish(q, payloads[i]);
        run_and_finish(q, "newer");
        finish_all(q);
}

static int fetch_and_finish(void *q)
{
        run_and_finish(q, "back");
        return 0;
}

static void a_fetch_that_waits_gets_what_is_released(void)
{
        struct store_queue *q = any_store();
        struct pen_task *fetcher;
        struct job *job;

        push(q, "back");
        job = fetch(q);
        fetcher = spawn(fetch_and_finish, q);
        expect_waiting(fetcher);
        settle(q, job, MOVE_RELEASE, 0);
        ck_assert_int_eq(await_and_unref(fetcher), 0);
        finish_all(q);
}

/* --- join ---------------------------------------------------------------------------------------- */

static void join_waits_for_ready_delayed_and_running(void)
{
        struct store_queue *q = any_store();
        struct pen_task *joiner;
        struct job *job;

        ck_assert_int_eq(store_join(q), 0); /* of an empty queue: at once */
        push(q, "1");
        joiner = spawn(join, q);
        expect_waiting(joiner); /* for what is ready, */
        job = fetch(q);
        expect_waiting(joiner); /* what runs, */
        settle(q, job, MOVE_RETRY, T(4));
        expect_waiting(joiner); /* and what waits for its retry */
        promote(q, 1);
        settle(q, fetch(q), MOVE_RELEASE, 0);
        expect_waiting(joiner);
        settle(q, fetch(q), MOVE_DEAD, 0);
        ck_assert_int_eq(await_and_unref(joiner), 0);
        ck_assert_int_eq(store_join(q), 0);
        finish_all(q);
}

const struct promise settle_promises[] = {
        P(each_delivery_is_counted),
        P(what_was_fetched_and_never_started_is_not_counted),
        P(each_verdict_moves_the_job_where_it_says),
        P(a_batch_is_settled_each_by_its_own_verdict),
        P(counts_of_attempts_survive_retries_and_releases),
        P(released_jobs_run_before_newer_ones_and_in_order),
        P(jobs_released_one_by_one_keep_their_order_too),
        P(a_fetch_that_waits_gets_what_is_released),
        P(join_waits_for_ready_delayed_and_running),
        { NULL, NULL },
};
