#include "world.h"

#include <errno.h>

#include <penstock/future.h>
#include <penstock/timeout.h>

/* What the wait answered, or the result. */
static int wait_for_it(void *world)
{
        struct world *w = world;
        int result = 99, r = pen_future_wait(w->future, &result);

        return r < 0 ? r : result;
}

static struct world world_with_future(void)
{
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_future_create(&w.future), 0);
        return w;
}

START_TEST(result_wakes_all_who_wait)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *a = world_spawn(&w, wait_for_it), *b = world_spawn(&w, wait_for_it);

        world_run_until_idle(&w);
        ck_assert(!pen_task_done(a));
        ck_assert(!pen_future_done(w.future));
        ck_assert_int_eq(pen_future_set(w.future, 7), 0);
        ck_assert(pen_future_done(w.future));
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), 7);
        ck_assert_int_eq(pen_task_result(b), 7);
}
END_TEST

START_TEST(negative_result_is_a_result_and_is_set_once)
{
        int result = 99;
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *t;

        ck_assert_int_eq(pen_future_wait_nowait(w.future, &result), -EAGAIN);
        ck_assert_int_eq(pen_future_wait(w.future, &result), -EDEADLK);
        ck_assert_int_eq(result, 99);
        ck_assert_int_eq(pen_future_set(w.future, -EIO), 0);
        ck_assert_int_eq(pen_future_set(w.future, 7), -EALREADY);
        ck_assert_int_eq(pen_future_wait_nowait(w.future, &result), 0);
        ck_assert_int_eq(result, -EIO);
        ck_assert_int_eq(pen_future_wait(w.future, NULL), 0);
        t = world_spawn(&w, wait_for_it);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -EIO);
}
END_TEST

START_TEST(cancelled_waiter_leaves_the_future_to_others)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *a = world_spawn(&w, wait_for_it), *b = world_spawn(&w, wait_for_it);

        world_run_until_idle(&w);
        pen_task_cancel(a);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert(!pen_future_done(w.future));
        ck_assert_int_eq(pen_future_set(w.future, 7), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(b), 7);
}
END_TEST

START_TEST(cancelled_at_the_moment_of_the_result_is_cancelled)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *a = world_spawn(&w, wait_for_it), *b = world_spawn(&w, wait_for_it);

        world_run_until_idle(&w);
        pen_task_cancel(a);
        ck_assert_int_eq(pen_future_set(w.future, 7), 0);
        pen_task_cancel(b);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), -ECANCELED);
}
END_TEST

/* Says who he is and what he got. */
static int say_result(void *world)
{
        int r = wait_for_it(world);

        world_say(world, "%s=%d ", pen_task_name(pen_task_current()), r);
        return r;
}

START_TEST(those_who_wait_are_woken_in_the_order_in_which_they_came)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *b;

        world_spawn_named(&w, "a", say_result);
        b = world_spawn_named(&w, "b", say_result);
        world_spawn_named(&w, "c", say_result);
        world_run_until_idle(&w);
        pen_task_cancel(b);
        world_run_until_idle(&w);
        world_spawn_named(&w, "d", say_result);
        world_run_until_idle(&w);
        w.trace[0] = '\0';
        ck_assert_int_eq(pen_future_set(w.future, 7), 0);
        ck_assert_str_eq(w.trace, ""); /* woken, not run */
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a=7 c=7 d=7 ");
}
END_TEST

struct client {
        struct world *w;
        struct timer timer;
};

static void set_from_callback(struct timer *timer)
{
        ck_assert_ptr_null(pen_task_current());
        ck_assert_int_eq(pen_future_set(container_of(timer, struct client, timer)->w->future, 7),
                         0);
}

START_TEST(callback_sets_the_result)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct client client = { .w = &w, .timer = TIMER_INIT(set_from_callback) };
        struct pen_task *t = world_spawn(&w, wait_for_it);

        ck_assert_int_eq(timer_start(w.loop, &client.timer, 10), 0);
        world_advance(&w, 9);
        ck_assert(!pen_task_done(t));
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(t), 7);
}
END_TEST

static int wait_within(void *world)
{
        return pen_within(10, wait_for_it, world);
}

START_TEST(deadline_around_a_wait_leaves_the_future_as_it_is)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *t = world_spawn(&w, wait_within), *other = world_spawn(&w, wait_for_it);

        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        ck_assert(!pen_future_done(w.future));
        ck_assert_int_eq(pen_future_set(w.future, 0), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(other), 0);
}
END_TEST

static int wait_when_cancelled(void *world)
{
        struct world *w = world;
        int result = 99;

        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_future_wait(w->future, &result), -ECANCELED);
        ck_assert_int_eq(result, 99);
        ck_assert_int_eq(pen_future_wait(w->future, &result), 0);
        return result;
}

START_TEST(cancellation_is_delivered_though_the_result_is_there)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_future();
        struct pen_task *t;

        ck_assert_int_eq(pen_future_set(w.future, 7), 0);
        t = world_spawn(&w, wait_when_cancelled);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 7);
}
END_TEST

START_TEST(future_needs_a_loop_and_none_may_be_freed)
{
        struct pen_future *none = NULL;

        ck_assert_int_eq(pen_future_create(&none), -ENXIO);
        ck_assert_ptr_null(none);
        pen_future_free(none);
        pen_future_freep(&none);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "future", result_wakes_all_who_wait, negative_result_is_a_result_and_is_set_once,
                cancelled_waiter_leaves_the_future_to_others,
                cancelled_at_the_moment_of_the_result_is_cancelled,
                those_who_wait_are_woken_in_the_order_in_which_they_came, callback_sets_the_result,
                deadline_around_a_wait_leaves_the_future_as_it_is,
                cancellation_is_delivered_though_the_result_is_there,
                future_needs_a_loop_and_none_may_be_freed);
}
