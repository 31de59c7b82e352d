#include "world.h"

#include <errno.h>

#include <penstock/timeout.h>
#include <penstock/wait.h>

#define N 3

struct party {
        struct world w;
        struct pen_task *tasks[N], *gatherer;
        int results[N];
        unsigned flags;
        pen_usec returned;
};

static int gather(void *party)
{
        struct party *p = party;
        int r = pen_gather(p->tasks, N, p->results, p->flags);

        p->returned = pen_now();
        return r;
}

static void party_begin(struct party *p, struct work *works, unsigned flags)
{
        *p = (struct party){ .flags = flags, .results = { 99, 99, 99 } };
        world_init(&p->w);
        for (size_t i = 0; i < N; i++)
                p->tasks[i] = world_spawn_arg(&p->w, work, &works[i]);
        p->gatherer = world_spawn_arg(&p->w, gather, p);
        world_run_until_idle(&p->w);
}

/* Lets it happen, and says what should have. */
static void party_end(struct party *p, int result, pen_usec returned, int a, int b, int c)
{
        world_advance(&p->w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p->gatherer), result);
        ck_assert_uint_eq(p->returned, returned);
        ck_assert_int_eq(p->results[0], a);
        ck_assert_int_eq(p->results[1], b);
        ck_assert_int_eq(p->results[2], c);
        world_deinit(&p->w);
}

START_TEST(results_come_in_the_order_given)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, 0);
        party_end(&p, 0, 30, 1, 2, 3);
}
END_TEST

START_TEST(first_error_cancels_the_others_and_waits_for_them)
{
        struct work works[N] = { WORK(30, 1, .cleanup = 5), WORK(10, -EIO), WORK(20, -EPIPE) };
        struct party p;

        party_begin(&p, works, 0);
        party_end(&p, -EIO, 15, -ECANCELED, -EIO, -ECANCELED);
}
END_TEST

START_TEST(error_of_one_that_was_cancelled_is_not_the_first)
{
        struct work works[N] = { WORK(30, 1, .cancelled_result = -EPIPE),
                                 WORK(20, 1, .cancelled_result = 4), WORK(10, -EIO) };
        struct party p;

        party_begin(&p, works, 0);
        party_end(&p, -EIO, 10, -EPIPE, 4, -EIO);
}
END_TEST

START_TEST(cancelled_task_counts_as_failed)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, 0);
        pen_task_cancel(p.tasks[2]);
        party_end(&p, -ECANCELED, 0, -ECANCELED, -ECANCELED, -ECANCELED);
}
END_TEST

START_TEST(returned_errors_cancel_nobody)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -EIO), WORK(20, -EPIPE) };
        struct party p;

        party_begin(&p, works, PEN_RETURN_ERRORS);
        party_end(&p, 0, 30, 1, -EIO, -EPIPE);
}
END_TEST

START_TEST(left_running_go_on_after_the_first_error)
{
        struct work works[N] = { WORK(30, 1), WORK(20, -EIO), WORK(10, 3) };
        struct party p;

        party_begin(&p, works, PEN_LEAVE_RUNNING);
        world_advance(&p.w, 20);
        ck_assert_int_eq(pen_task_result(p.gatherer), -EIO);
        ck_assert(!pen_task_done(p.tasks[0]));
        world_advance(&p.w, 10);
        ck_assert_int_eq(pen_task_result(p.tasks[0]), 1);
        party_end(&p, -EIO, 20, -EAGAIN, -EIO, 3);
}
END_TEST

START_TEST(cancelled_gather_cancels_all_and_waits_for_them)
{
        struct work works[N] = { WORK(30, 1, .cleanup = 5), WORK(40, 2, .cleanup = 7),
                                 WORK(10, 3) };
        struct party p;

        party_begin(&p, works, 0);
        world_advance(&p.w, 20);
        pen_task_cancel(p.gatherer);
        world_advance(&p.w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p.gatherer), -ECANCELED);
        ck_assert_uint_eq(p.returned, 27);
        ck_assert_int_eq(pen_task_result(p.tasks[0]), -ECANCELED);
        ck_assert_int_eq(pen_task_result(p.tasks[1]), -ECANCELED);
        world_deinit(&p.w);
}
END_TEST

START_TEST(cancelled_gather_is_cancelled_even_if_all_swallow_it)
{
        struct work works[N] = { WORK(30, 1, .cancelled_result = 4),
                                 WORK(30, 2, .cancelled_result = 5),
                                 WORK(30, 3, .cancelled_result = 6) };

        for (unsigned flags = 0; flags <= PEN_RETURN_ERRORS; flags += PEN_RETURN_ERRORS) {
                struct party p;

                party_begin(&p, works, flags);
                pen_task_cancel(p.gatherer);
                world_run_until_idle(&p.w);
                ck_assert_int_eq(pen_task_result(p.gatherer), -ECANCELED);
                ck_assert_int_eq(pen_task_result(p.tasks[0]), 4);
                world_deinit(&p.w);
        }
}
END_TEST

START_TEST(cancelled_gather_leaves_running_what_is_slow_to_end)
{
        struct work works[N] = { WORK(30, 1, .cleanup = 5), WORK(40, 2), WORK(10, 3) };
        struct party p;

        party_begin(&p, works, PEN_LEAVE_RUNNING);
        pen_task_cancel(p.gatherer);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_task_result(p.gatherer), -ECANCELED);
        ck_assert_int_eq(pen_task_result(p.tasks[1]), -ECANCELED);
        ck_assert(!pen_task_done(p.tasks[0]));
        world_advance(&p.w, 5);
        ck_assert_int_eq(pen_task_result(p.tasks[0]), -ECANCELED);
        world_deinit(&p.w);
}
END_TEST

START_TEST(already_cancelled_it_still_waits_for_all)
{
        struct work works[N] = { WORK(30, 1, .cleanup = 5), WORK(40, 2), WORK(10, 3) };
        struct party p = { .flags = 0 };

        world_init(&p.w);
        for (size_t i = 0; i < N; i++)
                p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
        world_run_until_idle(&p.w);
        p.gatherer = world_spawn_arg(&p.w, gather, &p);
        pen_task_cancel(p.gatherer);
        world_advance(&p.w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p.gatherer), -ECANCELED);
        ck_assert_uint_eq(p.returned, 5);
        ck_assert_int_eq(pen_task_result(p.tasks[1]), -ECANCELED);
        world_deinit(&p.w);
}
END_TEST

static int gather_within(void *party)
{
        return pen_within(15, gather, party);
}

START_TEST(deadline_around_a_gather_is_told_as_such)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p = { .flags = 0 };
        struct pen_task *t;

        world_init(&p.w);
        for (size_t i = 0; i < N; i++)
                p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
        t = world_spawn_arg(&p.w, gather_within, &p);
        world_advance(&p.w, 15);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        world_deinit(&p.w);
}
END_TEST

static int gather_odd_ones(void *world)
{
        struct world *w = world;
        struct work one = WORK(10, 1), two = WORK(20, 2), bad = WORK(0, -EIO);
        struct pen_task *ended = world_spawn_arg(w, work, &two), *fails, *me = pen_task_current();
        int results[N] = { 99, 99, 99 };

        ck_assert_int_eq(pen_gather(NULL, 0, NULL, 0), 0);

        ck_assert_int_eq(pen_sleep(21), 0);
        ck_assert(pen_task_done(ended));
        w->task = world_spawn_arg(w, work, &one);
        ck_assert_int_eq(
                pen_gather((struct pen_task *[]){ w->task, ended, w->task }, N, results, 0), 0);
        ck_assert_int_eq(results[0], 1);
        ck_assert_int_eq(results[1], 2);
        ck_assert_int_eq(results[2], 1);
        ck_assert_int_eq(pen_gather(&ended, 1, NULL, 0), 0);

        fails = world_spawn_arg(w, work, &bad);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert(pen_task_done(fails));
        w->task = world_spawn_arg(w, work, &one);
        ck_assert_int_eq(pen_gather((struct pen_task *[]){ w->task, fails }, 2, results, 0), -EIO);
        ck_assert_int_eq(pen_task_result(w->task), -ECANCELED);

        w->task = world_spawn_arg(w, work, &one);
        ck_assert_int_eq(pen_gather((struct pen_task *[]){ w->task, me }, 2, results, 0), -EDEADLK);
        ck_assert_int_eq(pen_sleep(11), 0);
        ck_assert_int_eq(pen_task_result(w->task), 1);
        return 1;
}

START_TEST(none_repeated_ended_failed_and_oneself)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, gather_odd_ones);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int give(void *result)
{
        return *(int *)result;
}

static int gather_many(void *world)
{
        size_t n = 1000;
        PEN_CLEANUP(freep) struct pen_task **tasks = calloc(n, sizeof(*tasks));
        PEN_CLEANUP(freep) int *values = calloc(n, sizeof(*values));
        PEN_CLEANUP(freep) int *results = calloc(n, sizeof(*results));

        for (size_t i = 0; i < n; i++) {
                values[i] = (int)i;
                tasks[i] = world_spawn_arg(world, give, &values[i]);
        }
        ck_assert_int_eq(pen_gather(tasks, n, results, 0), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(results[i], (int)i);
        return 1;
}

START_TEST(a_thousand_are_gathered)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, gather_many);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

/* --- awkward -------------------------------------------------------------------------------------- */

START_TEST(of_errors_in_one_turn_the_first_to_end_is_told)
{
        struct work works[N] = { WORK(10, 1), WORK(20, -EIO), WORK(20, -EPIPE) };
        struct party p;

        party_begin(&p, works, 0);
        party_end(&p, -EIO, 20, 1, -EIO, -EPIPE);
}
END_TEST

START_TEST(cancelled_task_is_a_result_if_errors_are_returned)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_RETURN_ERRORS);
        pen_task_cancel(p.tasks[0]);
        party_end(&p, 0, 20, -ECANCELED, 2, 3);
}
END_TEST

START_TEST(errors_returned_and_left_running_waits_for_all)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -EIO), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_RETURN_ERRORS | PEN_LEAVE_RUNNING);
        party_end(&p, 0, 30, 1, -EIO, 3);
}
END_TEST

static int gather_twice_the_same(void *party)
{
        struct party *p = party;

        p->tasks[2] = p->tasks[0];
        return gather(p);
}

START_TEST(same_task_twice_tells_its_error_in_both_places)
{
        struct work works[N] = { WORK(10, -EIO), WORK(30, 2, .cleanup = 5), WORK(0, 0) };
        struct party p = { .flags = 0 };

        world_init(&p.w);
        for (size_t i = 0; i < N; i++)
                p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
        p.gatherer = world_spawn_arg(&p.w, gather_twice_the_same, &p);
        party_end(&p, -EIO, 15, -EIO, -ECANCELED, -EIO);
}
END_TEST

START_TEST(one_that_had_failed_before_is_told_at_once)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -EIO), WORK(5, -EPIPE) };

        for (unsigned flags = 0; flags <= PEN_LEAVE_RUNNING; flags += PEN_LEAVE_RUNNING) {
                struct party p = { .flags = flags };

                world_init(&p.w);
                for (size_t i = 0; i < N; i++)
                        p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
                world_advance(&p.w, 20);
                p.gatherer = world_spawn_arg(&p.w, gather, &p);
                party_end(&p, -EIO, 20, flags ? -EAGAIN : -ECANCELED, -EIO, -EPIPE);
        }
}
END_TEST

static int gather_then_yield(void *party)
{
        ((struct party *)party)->w.result = gather(party);
        return pen_yield();
}

/* The second request neither interrupts the cleanup nor is it lost. */
static void cancel_twice(struct work works[N], pen_usec first, pen_usec second, int answer)
{
        struct party p = { .flags = 0 };

        world_init(&p.w);
        for (size_t i = 0; i < N; i++)
                p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
        p.gatherer = world_spawn_arg(&p.w, gather_then_yield, &p);
        world_advance(&p.w, first);
        pen_task_cancel(p.gatherer);
        world_advance(&p.w, second - first);
        pen_task_cancel(p.gatherer);
        world_advance(&p.w, PEN_HOUR);
        ck_assert_int_eq(p.w.result, answer);
        ck_assert_int_eq(pen_task_result(p.gatherer), -ECANCELED);
        world_deinit(&p.w);
}

START_TEST(cancelled_again_while_they_clean_up_the_request_stays)
{
        struct work works[N] = { WORK(30, 1, .cleanup = 10), WORK(30, 1, .cleanup = 10),
                                 WORK(10, 1) };
        struct work failing[N] = { WORK(30, 1, .cleanup = 10), WORK(2, -EIO), WORK(10, 1) };

        cancel_twice(works, 5, 8, -ECANCELED);
        cancel_twice(failing, 5, 8, -EIO);
}
END_TEST

/* Wakes behind the last to end, and before the gatherer that this one wakes by its end. */
static int cancel_gatherer_at_30(void *party)
{
        struct party *p = party;

        ck_assert_int_eq(pen_sleep(30), 0);
        ck_assert(pen_task_done(p->tasks[0]));
        ck_assert(pen_task_cancel(p->gatherer));
        return 0;
}

START_TEST(cancelled_as_the_last_ends_it_is_cancelled_and_tells_the_results)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, 0);
        world_spawn_arg(&p.w, cancel_gatherer_at_30, &p);
        party_end(&p, -ECANCELED, 30, 1, 2, 3);
}
END_TEST

static int gather_gatherers(void *party)
{
        struct party *p = party;

        return pen_gather(&p->gatherer, 1, NULL, 0);
}

START_TEST(gather_of_a_gather_is_cancelled_through)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3, .cleanup = 5) };
        struct pen_task *outer;
        struct party p;

        party_begin(&p, works, 0);
        outer = world_spawn_arg(&p.w, gather_gatherers, &p);
        world_advance(&p.w, 15);
        pen_task_cancel(outer);
        world_run_until_idle(&p.w);
        ck_assert(!pen_task_done(outer));
        world_advance(&p.w, 5);
        ck_assert_int_eq(pen_task_result(outer), -ECANCELED);
        party_end(&p, -ECANCELED, 20, -ECANCELED, 2, -ECANCELED);
}
END_TEST

START_TEST(failures_that_were_gathered_are_not_logged)
{
        struct work works[N] = { WORK(10, -EIO), WORK(30, 1, .cancelled_result = -EPIPE),
                                 WORK(30, 1, .cancelled_result = -ENOENT) };
        struct pen_task *tasks[N];
        struct party p = { .flags = 0 };

        world_init(&p.w);
        for (size_t i = 0; i < N; i++) {
                ck_assert_int_eq(pen_spawn(work, &works[i], &tasks[i]), 0);
                p.tasks[i] = tasks[i];
        }
        p.gatherer = world_spawn_arg(&p.w, gather, &p);
        world_advance(&p.w, 10);
        ck_assert_int_eq(pen_task_result(p.gatherer), -EIO);
        for (size_t i = 0; i < N; i++)
                pen_task_unref(tasks[i]);
        ck_assert_str_eq(p.w.log, "");
        world_deinit(&p.w);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "gather", results_come_in_the_order_given,
                first_error_cancels_the_others_and_waits_for_them,
                error_of_one_that_was_cancelled_is_not_the_first, cancelled_task_counts_as_failed,
                returned_errors_cancel_nobody, left_running_go_on_after_the_first_error,
                cancelled_gather_cancels_all_and_waits_for_them,
                cancelled_gather_is_cancelled_even_if_all_swallow_it,
                cancelled_gather_leaves_running_what_is_slow_to_end,
                already_cancelled_it_still_waits_for_all, deadline_around_a_gather_is_told_as_such,
                none_repeated_ended_failed_and_oneself, a_thousand_are_gathered,
                of_errors_in_one_turn_the_first_to_end_is_told,
                cancelled_task_is_a_result_if_errors_are_returned,
                errors_returned_and_left_running_waits_for_all,
                same_task_twice_tells_its_error_in_both_places,
                one_that_had_failed_before_is_told_at_once,
                cancelled_again_while_they_clean_up_the_request_stays,
                cancelled_as_the_last_ends_it_is_cancelled_and_tells_the_results,
                gather_of_a_gather_is_cancelled_through,
                failures_that_were_gathered_are_not_logged);
}
