#include "world.h"

#include <errno.h>

#include <penstock/future.h>

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
        return RUN_SUITE("future", result_wakes_all_who_wait,
                         negative_result_is_a_result_and_is_set_once,
                         cancelled_waiter_leaves_the_future_to_others,
                         cancelled_at_the_moment_of_the_result_is_cancelled,
                         future_needs_a_loop_and_none_may_be_freed);
}
