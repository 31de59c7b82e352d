#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>
#include <penstock/wait.h>

#define N 3

struct party {
        struct world w;
        struct pen_task *tasks[N], *waiter;
        enum pen_wait_when when;
        pen_usec timeout, returned;
};

static int wait_for_party(void *party)
{
        struct party *p = party;
        ssize_t r = pen_wait(p->tasks, N, p->when, p->timeout), ended = 0;

        p->returned = pen_now();
        for (size_t i = 0; i < N; i++)
                ended += pen_task_done(p->tasks[i]);
        if (r >= 0)
                ck_assert_int_eq(r, ended);
        return (int)r;
}

static void party_spawn(struct party *p, struct work *works, enum pen_wait_when when,
                        pen_usec timeout)
{
        *p = (struct party){ .when = when, .timeout = timeout };
        world_init(&p->w);
        for (size_t i = 0; i < N; i++)
                p->tasks[i] = world_spawn_arg(&p->w, work, &works[i]);
}

static void party_begin(struct party *p, struct work *works, enum pen_wait_when when,
                        pen_usec timeout)
{
        party_spawn(p, works, when, timeout);
        p->waiter = world_spawn_arg(&p->w, wait_for_party, p);
        world_run_until_idle(&p->w);
}

/* What the wait answered and when; and the tasks end as if nobody had waited for them. */
static void party_end(struct party *p, struct work *works, int answer, pen_usec returned)
{
        world_advance(&p->w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p->waiter), answer);
        ck_assert_uint_eq(p->returned, returned);
        for (size_t i = 0; i < N; i++)
                ck_assert_int_eq(pen_task_result(p->tasks[i]), works[i].result);
        world_deinit(&p->w);
}

/* --- when --------------------------------------------------------------------------------------- */

START_TEST(all_completed_waits_for_all_and_failures_are_no_error)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -EIO), WORK(20, -ECANCELED) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, PEN_FOREVER);
        party_end(&p, works, 3, 30);
}
END_TEST

START_TEST(first_completed_waits_for_one_and_the_others_run_on)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_FIRST_COMPLETED, PEN_FOREVER);
        party_end(&p, works, 1, 10);
}
END_TEST

START_TEST(all_that_end_in_one_turn_are_counted)
{
        struct work works[N] = { WORK(10, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_FIRST_COMPLETED, PEN_FOREVER);
        party_end(&p, works, 2, 10);
}
END_TEST

START_TEST(first_exception_waits_for_a_failure)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, -EIO) };
        struct party p;

        party_begin(&p, works, PEN_FIRST_EXCEPTION, PEN_FOREVER);
        party_end(&p, works, 2, 20);
}
END_TEST

START_TEST(first_exception_without_a_failure_waits_for_all)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 0), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_FIRST_EXCEPTION, PEN_FOREVER);
        party_end(&p, works, 3, 30);
}
END_TEST

START_TEST(cancelled_task_is_no_exception)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -ECANCELED), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_FIRST_EXCEPTION, PEN_FOREVER);
        party_end(&p, works, 3, 30);
}
END_TEST

START_TEST(what_ended_before_needs_no_wait)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -EIO), WORK(20, 3) };

        for (enum pen_wait_when when = PEN_FIRST_COMPLETED; when <= PEN_ALL_COMPLETED; when++) {
                bool all = when == PEN_ALL_COMPLETED;
                struct party p;

                party_spawn(&p, works, when, PEN_FOREVER);
                world_advance(&p.w, 25);
                p.waiter = world_spawn_arg(&p.w, wait_for_party, &p);
                party_end(&p, works, all ? 3 : 2, all ? 30 : 25);
        }
}
END_TEST

/* --- time --------------------------------------------------------------------------------------- */

START_TEST(timeout_is_no_error_and_cancels_nobody)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, 25);
        party_end(&p, works, 2, 25);
        party_begin(&p, works, PEN_FIRST_COMPLETED, 5);
        party_end(&p, works, 0, 5);
}
END_TEST

START_TEST(timeout_that_is_not_needed_does_nothing)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, PEN_MINUTE);
        party_end(&p, works, 3, 30);
}
END_TEST

START_TEST(timeout_of_zero_tells_what_has_ended)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, 0);
        party_end(&p, works, 0, 0);
        party_spawn(&p, works, PEN_ALL_COMPLETED, 0);
        world_advance(&p.w, 15);
        p.waiter = world_spawn_arg(&p.w, wait_for_party, &p);
        party_end(&p, works, 1, 15);
}
END_TEST

START_TEST(who_ends_as_the_time_is_over_counts_if_he_has_run)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, 20);
        party_end(&p, works, 2, 20);

        p = (struct party){ .when = PEN_ALL_COMPLETED, .timeout = 20 };
        world_init(&p.w);
        p.waiter = world_spawn_arg(&p.w, wait_for_party, &p); /* its timer fires before theirs */
        for (size_t i = 0; i < N; i++)
                p.tasks[i] = world_spawn_arg(&p.w, work, &works[i]);
        party_end(&p, works, 1, 20);
}
END_TEST

static int wait_within(void *party)
{
        return pen_within(15, wait_for_party, party);
}

START_TEST(deadline_around_a_wait_is_another_thing_than_its_timeout)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_spawn(&p, works, PEN_ALL_COMPLETED, 20);
        p.waiter = world_spawn_arg(&p.w, wait_within, &p);
        party_end(&p, works, -ETIME, 15);
}
END_TEST

/* --- cancelled ------------------------------------------------------------------------------------ */

START_TEST(cancelled_wait_leaves_the_tasks_alone)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, -EIO) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, PEN_FOREVER);
        world_advance(&p.w, 15);
        pen_task_cancel(p.waiter);
        party_end(&p, works, -ECANCELED, 15);
}
END_TEST

/* Wakes behind the last one, and before the waiter that this one wakes by its end. */
static int cancel_waiter_at_30(void *party)
{
        struct party *p = party;

        ck_assert_int_eq(pen_sleep(30), 0);
        ck_assert(pen_task_done(p->tasks[0]));
        ck_assert(pen_task_cancel(p->waiter));
        return 0;
}

START_TEST(cancelled_as_the_last_ends_is_cancelled)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct party p;

        party_begin(&p, works, PEN_ALL_COMPLETED, PEN_FOREVER);
        world_spawn_arg(&p.w, cancel_waiter_at_30, &p);
        party_end(&p, works, -ECANCELED, 30);
}
END_TEST

START_TEST(already_cancelled_it_does_not_even_look)
{
        struct work works[N] = { WORK(0, 1), WORK(0, 2), WORK(0, 3) };
        struct party p;

        party_spawn(&p, works, PEN_ALL_COMPLETED, PEN_FOREVER);
        world_run_until_idle(&p.w);
        p.waiter = world_spawn_arg(&p.w, wait_for_party, &p);
        pen_task_cancel(p.waiter);
        party_end(&p, works, -ECANCELED, 0);
}
END_TEST

/* --- odd ones ------------------------------------------------------------------------------------- */

START_TEST(task_that_is_given_twice_counts_twice)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(30, 1) };
        struct party p;

        party_spawn(&p, works, PEN_ALL_COMPLETED, PEN_FOREVER);
        p.tasks[2] = p.tasks[0];
        p.waiter = world_spawn_arg(&p.w, wait_for_party, &p);
        party_end(&p, works, 3, 30);
}
END_TEST

static int wait_wrongly(void *world)
{
        struct world *w = world;
        struct pen_task *with_me[] = { w->task, pen_task_current() };

        ck_assert_int_eq(pen_wait(NULL, 0, PEN_ALL_COMPLETED, 0), -EINVAL);
        ck_assert_int_eq(pen_wait(with_me, 2, PEN_FIRST_COMPLETED, 0), -EDEADLK);
        ck_assert_int_eq(pen_sleep(20), 0); /* the task's end finds nothing left of the wait */
        return 1;
}

START_TEST(none_oneself_and_the_root_are_refused)
{
        struct work works[] = { WORK(10, 1) };
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn_arg(&w, work, works);
        t = world_spawn(&w, wait_wrongly);
        ck_assert_int_eq(pen_wait(&w.task, 1, PEN_ALL_COMPLETED, 0), -EDEADLK);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int wait_and_forget(void *world)
{
        struct work bad = WORK(1, -EIO);
        struct pen_task *task;

        (void)world;
        ck_assert_int_eq(pen_spawn(work, &bad, &task), 0);
        ck_assert_int_eq(pen_wait(&task, 1, PEN_ALL_COMPLETED, PEN_FOREVER), 1);
        pen_task_unref(task);
        return 1;
}

START_TEST(failure_that_was_waited_for_but_not_looked_at_is_logged)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn(&w, wait_and_forget);
        world_advance(&w, 1);
        ck_assert_ptr_nonnull(strstr(w.log, "failed, and nobody asked"));
}
END_TEST

/* Waits for what is left, again and again: each time one less. */
static int wait_one_by_one(void *world)
{
        struct work works[] = { WORK(40, 1), WORK(10, 2), WORK(30, 3), WORK(20, 4) };
        struct pen_task *left[ARRAY_SIZE(works)];
        size_t n = ARRAY_SIZE(works);

        for (size_t i = 0; i < n; i++)
                left[i] = world_spawn_arg(world, work, &works[i]);
        while (n > 0) {
                size_t still = 0;

                ck_assert_int_eq(pen_wait(left, n, PEN_FIRST_COMPLETED, PEN_FOREVER), 1);
                for (size_t i = 0; i < n; i++)
                        if (pen_task_done(left[i]))
                                world_say(world, "%d", pen_task_result(left[i]));
                        else
                                left[still++] = left[i];
                n = still;
        }
        return 1;
}

START_TEST(what_is_left_can_be_waited_for_again)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn(&w, wait_one_by_one);
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "2431");
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "wait", all_completed_waits_for_all_and_failures_are_no_error,
                first_completed_waits_for_one_and_the_others_run_on,
                all_that_end_in_one_turn_are_counted, first_exception_waits_for_a_failure,
                first_exception_without_a_failure_waits_for_all, cancelled_task_is_no_exception,
                what_ended_before_needs_no_wait, timeout_is_no_error_and_cancels_nobody,
                timeout_that_is_not_needed_does_nothing, timeout_of_zero_tells_what_has_ended,
                who_ends_as_the_time_is_over_counts_if_he_has_run,
                deadline_around_a_wait_is_another_thing_than_its_timeout,
                cancelled_wait_leaves_the_tasks_alone, cancelled_as_the_last_ends_is_cancelled,
                already_cancelled_it_does_not_even_look, task_that_is_given_twice_counts_twice,
                none_oneself_and_the_root_are_refused,
                failure_that_was_waited_for_but_not_looked_at_is_logged,
                what_is_left_can_be_waited_for_again);
}
