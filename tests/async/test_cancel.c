/* Cancellation, the awkward cases; the plain ones are in test_task.c. */
#include "world.h"

#include <errno.h>

#include <penstock/future.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

/* Its time has come and it is in the run queue when another, before it there, cancels it. */
static int cancel_task_at_10(void *world)
{
        struct world *w = world;

        ck_assert_int_eq(pen_sleep(10), 0);
        ck_assert(pen_task_cancel(w->task));
        return 0;
}

static int sleep_10_twice(void *world)
{
        struct world *w = world;

        ck_assert_int_eq(pen_sleep(10), w->result);
        ck_assert_int_eq(pen_sleep(10), 0);
        return (int)pen_now();
}

START_TEST(cancelled_while_its_wakeup_is_under_way_it_is_cancelled_once)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.result = -ECANCELED;
        world_spawn(&w, cancel_task_at_10);
        w.task = world_spawn(&w, sleep_10_twice);
        world_advance(&w, 20);
        ck_assert_int_eq(pen_task_result(w.task), 20);
}
END_TEST

static int cancel_myself_at_the_end(void *value)
{
        pen_task_cancel(pen_task_current());
        return *(int *)value;
}

START_TEST(request_that_was_never_met_changes_no_result)
{
        int values[] = { 3, -EIO };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                struct pen_task *t = world_spawn_arg(&w, cancel_myself_at_the_end, &values[i]);

                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(t), values[i]);
        }
}
END_TEST

static int ignore_cancellations(void *arg)
{
        int n = 0;

        (void)arg;
        while (n < 3)
                n += pen_sleep(PEN_HOUR) == -ECANCELED;
        return n;
}

START_TEST(task_may_ignore_cancellations_each_of_which_is_delivered)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, ignore_cancellations);
        for (int i = 0; i < 3; i++) {
                world_run_until_idle(&w);
                ck_assert(!pen_task_done(t));
                pen_task_cancel(t);
        }
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 3);
        ck_assert(!pen_task_cancel(t));
}
END_TEST

/* Blocks, each of which cancels its task and takes that back if it was its own request. */
static int blocks(void *world)
{
        struct pen_task *me = pen_task_current();

        (void)world;
        for (int i = 0; i < 3; i++) {
                pen_task_cancel(me); /* the outer block's */
                pen_task_cancel(me); /* the inner block's */
                ck_assert_int_eq(pen_sleep(1), -ECANCELED);
                ck_assert_uint_eq(pen_uncancel(), 1);
                ck_assert_int_eq(pen_sleep(1), 0);
                ck_assert_uint_eq(pen_uncancel(), 0);
                ck_assert_int_eq(pen_sleep(1), 0);
        }
        return 1;
}

START_TEST(requests_are_taken_back_one_by_one_as_blocks_end)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, blocks);
        world_advance(&w, PEN_SEC);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

/* Taken back in part while nothing was delivered, in the cleanup of an older cancellation. */
static int uncancel_in_cleanup(void *world)
{
        struct pen_task *me = pen_task_current();

        (void)world;
        pen_task_cancel(me);
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        pen_task_cancel(me);
        pen_task_cancel(me);
        ck_assert_uint_eq(pen_uncancel(), 2);
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_uint_eq(pen_uncancel(), 1);
        ck_assert_uint_eq(pen_uncancel(), 0);
        ck_assert_uint_eq(pen_uncancel(), 0);
        return pen_yield() == 0;
}

START_TEST(uncancel_above_zero_leaves_the_delivery_pending)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, uncancel_in_cleanup);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int cancel_each_other(void *world)
{
        struct world *w = world;
        int r = pen_sleep(10);

        for (size_t i = 0; i < w->n_tasks; i++)
                pen_task_cancel(w->tasks[i]);
        world_say(w, "%d@%d ", r, (int)pen_now());
        return pen_sleep(10);
}

START_TEST(two_that_cancel_each_other_and_themselves_end)
{
        PEN_CLEANUP(world_deinit) struct world w;
        char expected[64];

        world_init(&w);
        world_spawn(&w, cancel_each_other);
        world_spawn(&w, cancel_each_other);
        world_advance(&w, 10);
        snprintf(expected, sizeof(expected), "0@10 %d@10 ", -ECANCELED);
        ck_assert_str_eq(w.trace, expected);
        for (size_t i = 0; i < w.n_tasks; i++)
                ck_assert_int_eq(pen_task_result(w.tasks[i]), -ECANCELED);
}
END_TEST

/* --- a wake-up is under way ----------------------------------------------------------------------- */

static int wait_for_future(void *world)
{
        struct world *w = world;

        return pen_future_wait(w->future, NULL);
}

static int wait_for_event(void *world)
{
        struct world *w = world;

        return pen_event_wait(w->event);
}

static int await_task(void *world)
{
        struct world *w = world;

        return pen_await(w->task, NULL);
}

/* Woken and cancelled in one step, in both orders: a wake-up never hides a cancellation. */
START_TEST(wakeup_that_is_under_way_does_not_hide_a_cancellation)
{
        for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
                PEN_CLEANUP(world_deinit) struct world w;
                struct pen_task *of_future, *of_event;

                world_init(&w);
                ck_assert_int_eq(pen_future_create(&w.future), 0);
                ck_assert_int_eq(pen_event_create(&w.event), 0);
                of_future = world_spawn(&w, wait_for_future);
                of_event = world_spawn(&w, wait_for_event);
                world_run_until_idle(&w);
                for (int i = 0; i < 2; i++) {
                        if (i != cancel_first) {
                                ck_assert_int_eq(pen_future_set(w.future, 7), 0);
                                pen_event_set(w.event);
                        } else {
                                ck_assert(pen_task_cancel(of_future));
                                ck_assert(pen_task_cancel(of_event));
                        }
                }
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(of_future), -ECANCELED);
                ck_assert_int_eq(pen_task_result(of_event), -ECANCELED);
        }
}
END_TEST

/* The waiter is cancelled, and so is the one it waits for: one delivery to each. */
START_TEST(waiter_and_awaited_may_both_be_cancelled)
{
        for (int waiter_first = 0; waiter_first < 2; waiter_first++) {
                PEN_CLEANUP(world_deinit) struct world w;
                struct pen_task *waiter;

                world_init(&w);
                w.task = world_spawn(&w, sleep_forever);
                waiter = world_spawn(&w, await_task);
                world_run_until_idle(&w);
                ck_assert(pen_task_cancel(waiter_first ? waiter : w.task));
                ck_assert(pen_task_cancel(waiter_first ? w.task : waiter));
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
                ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
        }
}
END_TEST

static int await_cancelled(void *world)
{
        struct world *w = world;
        int result;

        ck_assert_int_eq(pen_await(w->task, &result), 0);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0 ? result : 0;
}

START_TEST(end_of_a_cancelled_task_does_not_cancel_those_who_await_it)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter;

        world_init(&w);
        w.task = world_spawn(&w, sleep_forever);
        waiter = world_spawn(&w, await_cancelled);
        world_run_until_idle(&w);
        pen_task_cancel(w.task);
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
}
END_TEST

static int await_when_cancelled(void *world)
{
        struct world *w = world;
        int result = 99;

        pen_task_cancel(pen_task_current());
        w->result = pen_await(w->task, &result);
        world_say(w, "%d@%d ", result, (int)pen_now());
        ck_assert_uint_eq(pen_cancelling(), 1);
        return pen_yield();
}

/* Or a child would outlive the frame that it writes into. */
START_TEST(pending_request_goes_to_the_awaited_and_its_end_is_waited_for)
{
        struct work obeys = WORK(PEN_HOUR, 1, .cleanup = 10);
        struct work swallows = WORK(PEN_HOUR, 1, .cleanup = 10, .cancelled_result = 5);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter;

        world_init(&w);
        w.task = world_spawn_arg(&w, work, &obeys);
        world_run_until_idle(&w);
        waiter = world_spawn(&w, await_when_cancelled);
        world_advance(&w, 10);
        ck_assert_int_eq(w.result, -ECANCELED);
        ck_assert_int_eq(pen_task_result(waiter), 0);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);

        w.task = world_spawn_arg(&w, work, &swallows);
        world_run_until_idle(&w);
        waiter = world_spawn(&w, await_when_cancelled);
        world_advance(&w, 10);
        ck_assert_int_eq(w.result, 0);
        ck_assert_int_eq(pen_task_result(waiter), 0);
        ck_assert_str_eq(w.trace, "99@10 5@20 ");
}
END_TEST

static int await_when_cancelled_twice(void *world)
{
        pen_task_cancel(pen_task_current());
        return await_task(world);
}

static int await_first(void *world)
{
        struct world *w = world;

        return pen_await(w->tasks[0], NULL);
}

START_TEST(pending_request_of_one_who_is_awaited_in_turn_comes_back)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *one, *other;

        world_init(&w);
        one = world_spawn(&w, await_when_cancelled_twice);
        other = world_spawn(&w, await_first);
        w.task = other;
        pen_task_cancel(one);
        world_run_until_idle(&w);
        ck_assert(pen_task_done(one));
        ck_assert(pen_task_done(other));
}
END_TEST

static int wait_within_zero(void *world)
{
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 0);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(1), 0);
        pen_uncancellable_end();
        r = await_task(world);
        r = pen_timeout_end(&scope, r);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_yield() == 0 ? r : 0;
}

START_TEST(deadline_that_has_passed_goes_to_the_awaited_too)
{
        struct work slow = WORK(PEN_HOUR, 1, .cleanup = 10);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter;

        world_init(&w);
        w.task = world_spawn_arg(&w, work, &slow);
        waiter = world_spawn(&w, wait_within_zero);
        world_advance(&w, 11);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
        ck_assert_int_eq(pen_task_result(waiter), -ETIME);
}
END_TEST

/* --- before the first run ------------------------------------------------------------------------- */

static int count_cancellations(void *arg)
{
        int n = 0;

        (void)arg;
        ck_assert_uint_eq(pen_cancelling(), 2);
        for (int i = 0; i < 3; i++)
                n += pen_yield() == -ECANCELED;
        return n;
}

static int uncancel_first(void *arg)
{
        (void)arg;
        return pen_uncancel() == 0 && pen_yield() == 0;
}

START_TEST(cancelled_twice_before_its_first_run_it_meets_one)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *twice, *taken_back;

        world_init(&w);
        twice = world_spawn(&w, count_cancellations);
        taken_back = world_spawn(&w, uncancel_first);
        pen_task_cancel(twice);
        pen_task_cancel(twice);
        pen_task_cancel(taken_back);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(twice), 1);
        ck_assert_int_eq(pen_task_result(taken_back), 1);
}
END_TEST

static int cancel_first_spawned(void *world)
{
        struct world *w = world;

        ck_assert_str_eq(w->task->waits_for, "its first run");
        ck_assert(pen_task_cancel(w->tasks[0]));
        return 0;
}

START_TEST(waiter_of_one_that_has_not_run_passes_its_cancellation_on)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter;

        world_init(&w);
        waiter = world_spawn(&w, await_task);
        world_spawn(&w, cancel_first_spawned);
        w.task = world_spawn(&w, sleep_forever);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
}
END_TEST

/* Does not look at requests. */
static int sleep_deaf(void *usec)
{
        int r;

        pen_uncancellable_begin();
        r = pen_sleep(*(pen_usec *)usec);
        pen_uncancellable_end();
        return r;
}

static int await_and_sleep(void *world)
{
        struct world *w = world;
        int result = -1;

        ck_assert_int_eq(pen_await(w->task, &result), 0);
        ck_assert_int_eq(result, 0);
        ck_assert_uint_eq(pen_now(), 10);
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_int_eq(pen_sleep(1), -ECANCELED);
        ck_assert_int_eq(pen_sleep(1), 0); /* once */
        return 1;
}

START_TEST(request_that_the_awaited_has_not_met_stays_with_who_awaited_it)
{
        pen_usec usec = 10;

        /* Cancelled before it waits; meanwhile; and when the awaited can run, but has not. */
        for (pen_usec when = 0; when <= 10; when += 5) {
                struct pen_task *waiter;
                PEN_CLEANUP(world_deinit) struct world w;

                world_init(&w);
                w.task = world_spawn_arg(&w, sleep_deaf, &usec);
                waiter = world_spawn(&w, await_and_sleep);
                if (when > 0)
                        world_advance(&w, when - 1);
                w.loop->now = when;
                pen_task_cancel(waiter);
                world_advance(&w, 100);
                ck_assert_int_eq(pen_task_result(waiter), 1);
        }
}
END_TEST

static int await_the_waiter(void *world)
{
        struct world *w = world;
        int result;

        ck_assert_int_eq(pen_await(w->tasks[1], &result), 0);
        ck_assert_int_eq(result, 7);
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        ck_assert_int_eq(pen_yield(), 0);
        return 1;
}

static int await_and_return(void *world)
{
        struct world *w = world;

        ck_assert_int_eq(pen_await(w->task, NULL), 0);
        return 7; /* nor has this one met it */
}

START_TEST(request_that_nobody_in_a_chain_of_awaits_has_met_comes_back_to_its_beginning)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *first;
        pen_usec usec = 10;

        world_init(&w);
        w.task = world_spawn_arg(&w, sleep_deaf, &usec);
        world_spawn(&w, await_and_return);
        first = world_spawn(&w, await_the_waiter);
        world_run_until_idle(&w);
        pen_task_cancel(first);
        world_advance(&w, 100);
        ck_assert_int_eq(pen_task_result(first), 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "cancel", pending_request_goes_to_the_awaited_and_its_end_is_waited_for,
                pending_request_of_one_who_is_awaited_in_turn_comes_back,
                deadline_that_has_passed_goes_to_the_awaited_too,
                cancelled_while_its_wakeup_is_under_way_it_is_cancelled_once,
                request_that_was_never_met_changes_no_result,
                task_may_ignore_cancellations_each_of_which_is_delivered,
                requests_are_taken_back_one_by_one_as_blocks_end,
                uncancel_above_zero_leaves_the_delivery_pending,
                two_that_cancel_each_other_and_themselves_end,
                wakeup_that_is_under_way_does_not_hide_a_cancellation,
                waiter_and_awaited_may_both_be_cancelled,
                end_of_a_cancelled_task_does_not_cancel_those_who_await_it,
                cancelled_twice_before_its_first_run_it_meets_one,
                waiter_of_one_that_has_not_run_passes_its_cancellation_on,
                request_that_the_awaited_has_not_met_stays_with_who_awaited_it,
                request_that_nobody_in_a_chain_of_awaits_has_met_comes_back_to_its_beginning);
}
