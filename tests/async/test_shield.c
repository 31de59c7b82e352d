#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>
#include <penstock/wait.h>

/* What pen_shield(w->task) answered, or what the task returned, and when. */
static int shield_other(void *world)
{
        struct world *w = world;
        int result = 99, r = pen_shield(w->task, &result);

        world_say(w, "%d@%d ", r < 0 ? r : result, (int)pen_now());
        return r < 0 ? r : result;
}

static int await_other(void *world)
{
        struct world *w = world;
        int result, r = pen_await(w->task, &result);

        return r < 0 ? r : result;
}

static void world_with_work(struct world *w, struct work *of_task)
{
        world_init(w);
        w->task = world_spawn_arg(w, work, of_task);
}

START_TEST(result_passes_even_if_it_is_negative)
{
        int results[] = { 0, 7, -EIO, -ETIME };

        for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
                struct work slow = WORK(10, results[i]);
                PEN_CLEANUP(world_deinit) struct world w;
                struct pen_task *t;

                world_with_work(&w, &slow);
                t = world_spawn(&w, shield_other);
                world_advance(&w, 9);
                ck_assert(!pen_task_done(t));
                world_advance(&w, 1);
                ck_assert_int_eq(pen_task_result(t), results[i]);
                ck_assert_str_eq(w.log, "");
        }
}
END_TEST

START_TEST(cancelled_waiter_goes_and_the_task_runs_on)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t, *other;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_other);
        other = world_spawn(&w, shield_other);
        world_advance(&w, 5);
        ck_assert(pen_task_cancel(t));
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert(!pen_task_done(w.task));
        world_advance(&w, 5);
        ck_assert_int_eq(pen_task_result(w.task), 7);
        ck_assert_int_eq(pen_task_result(other), 7);
}
END_TEST

static int shield_then_go_on(void *world)
{
        struct world *w = world;
        int result = 99;

        ck_assert_int_eq(pen_shield(w->task, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0;
}

START_TEST(cancelled_task_is_a_result_to_those_who_shield_it)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_then_go_on);
        world_advance(&w, 5);
        pen_task_cancel(w.task);
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int shield_an_ended_one(void *world)
{
        struct world *w = world;

        ck_assert_int_eq(pen_shield(w->task, NULL), 0);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_shield(w->task, &w->result), -ECANCELED);
        ck_assert_int_eq(w->result, 0);
        ck_assert_int_eq(pen_shield(w->task, &w->result), 0);
        return w->result;
}

START_TEST(ended_task_needs_no_wait_but_a_cancellation_is_delivered)
{
        struct work quick = WORK(0, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &quick);
        world_run_until_idle(&w);
        t = world_spawn(&w, shield_an_ended_one);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 7);
}
END_TEST

static int shield_when_cancelled(void *world)
{
        pen_task_cancel(pen_task_current());
        return shield_other(world);
}

START_TEST(pending_request_is_delivered_at_once_and_spares_the_task)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_when_cancelled);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(w.task), 7);
}
END_TEST

static int await_arg(void *task)
{
        int result, r = pen_await(task, &result);

        return r < 0 ? r : result;
}

START_TEST(cancellation_of_a_chain_stops_at_the_shield)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *shielder, *outer;

        world_with_work(&w, &slow);
        shielder = world_spawn(&w, shield_other);
        outer = world_spawn_arg(&w, await_arg, shielder);
        world_advance(&w, 5);
        pen_task_cancel(outer);
        world_advance(&w, 5);
        ck_assert_int_eq(pen_task_result(outer), -ECANCELED);
        ck_assert_int_eq(pen_task_result(shielder), -ECANCELED);
        ck_assert_int_eq(pen_task_result(w.task), 7);
}
END_TEST

/* Behind the task that ends, and before the waiter that this one wakes by its end. */
static int cancel_waiter_at_10(void *world)
{
        struct world *w = world;

        ck_assert_int_eq(pen_sleep(10), 0);
        ck_assert(pen_task_done(w->task));
        ck_assert(pen_task_cancel(w->tasks[1]));
        return 0;
}

START_TEST(cancelled_as_the_task_ends_is_cancelled)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_other);
        world_spawn(&w, cancel_waiter_at_10);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_int_eq(pen_task_result(w.task), 7);
}
END_TEST

static int shield_twice(void *world)
{
        struct world *w = world;
        int result = 99;

        ck_assert_int_eq(pen_shield(w->task, &result), -ECANCELED);
        ck_assert_int_eq(pen_shield(w->task, &result), 0);
        return result;
}

START_TEST(one_who_was_cancelled_may_shield_again_in_his_cleanup)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_twice);
        world_advance(&w, 5);
        pen_task_cancel(t);
        world_advance(&w, 5);
        ck_assert_int_eq(pen_task_result(t), 7);
}
END_TEST

static int shield_within(void *world)
{
        return pen_within(5, shield_other, world);
}

START_TEST(deadline_around_a_shield_spares_the_task)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_with_work(&w, &slow);
        t = world_spawn(&w, shield_within);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        ck_assert_int_eq(pen_task_result(w.task), 7);
}
END_TEST

static int gather_two(void *world)
{
        struct world *w = world;

        return pen_gather(w->tasks, 2, NULL, 0);
}

/* Two works, a task that gathers them, and one that shields that. */
START_TEST(gather_in_a_shielded_task_runs_on)
{
        struct work works[] = { WORK(10, 1), WORK(20, 2) };
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(works); i++)
                world_spawn_arg(&w, work, &works[i]);
        w.task = world_spawn(&w, gather_two);
        t = world_spawn(&w, shield_other);
        world_advance(&w, 5);
        pen_task_cancel(t);
        world_advance(&w, 15);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_int_eq(pen_task_result(w.task), 0);
        ck_assert_int_eq(pen_task_result(w.tasks[1]), 2);
}
END_TEST

/* A gather of tasks that shield: they are cancelled, what they shield is not. */
START_TEST(gather_of_shields_leaves_the_shielded_running)
{
        struct work slow = WORK(10, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *gatherer, *slowly;

        world_init(&w);
        world_spawn(&w, shield_other);
        world_spawn(&w, shield_other);
        slowly = w.task = world_spawn_arg(&w, work, &slow);
        gatherer = world_spawn(&w, gather_two);
        world_advance(&w, 5);
        pen_task_cancel(gatherer);
        world_advance(&w, 5);
        ck_assert_int_eq(pen_task_result(gatherer), -ECANCELED);
        ck_assert_int_eq(pen_task_result(w.tasks[0]), -ECANCELED);
        ck_assert_int_eq(pen_task_result(slowly), 7);
}
END_TEST

/* The only handle goes with the cancelled waiter. */
static int shield_a_failure(void *world)
{
        struct world *w = world;
        static struct work bad = WORK(10, -EIO);
        int r;

        ck_assert_int_eq(pen_spawn(work, &bad, &w->task), 0);
        r = pen_shield(w->task, NULL);
        w->task = pen_task_unref(w->task);
        return r;
}

START_TEST(failure_is_logged_if_the_waiter_was_cancelled)
{
        for (int cancelled = 0; cancelled < 2; cancelled++) {
                PEN_CLEANUP(world_deinit) struct world w;
                struct pen_task *t;

                world_init(&w);
                t = world_spawn(&w, shield_a_failure);
                world_advance(&w, 5);
                if (cancelled)
                        pen_task_cancel(t);
                world_advance(&w, 5);
                ck_assert_int_eq(pen_task_result(t), cancelled ? -ECANCELED : 0);
                ck_assert_int_eq(!!strstr(w.log, "nobody asked"), cancelled);
        }
}
END_TEST

static int note(void *trace)
{
        strcat(trace, pen_sleep(PEN_DAY) == -ECANCELED ? "cancelled" : "slept");
        return 0;
}

static int shield_at_the_end(void *trace)
{
        struct pen_task *task;
        struct pen_timeout scope;

        ck_assert_int_eq(pen_spawn(note, trace, &task), 0);
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_shield(task, NULL)), -ETIME);
        ck_assert_str_eq(trace, "");
        pen_task_unref(task);
        ck_assert_int_eq(pen_sleep(1), 0);
        return 1;
}

START_TEST(end_of_the_loop_cancels_the_shielded)
{
        char trace[32] = "";

        ck_assert_int_eq(run_virtual(shield_at_the_end, trace), 1);
        ck_assert_str_eq(trace, "cancelled");
}
END_TEST

static int shield_myself(void *world)
{
        (void)world;
        return pen_shield(pen_task_current(), NULL) == -EDEADLK;
}

START_TEST(oneself_and_the_root_cannot_wait)
{
        struct work quick = WORK(1, 7);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;
        int result = 99;

        world_with_work(&w, &quick);
        t = world_spawn(&w, shield_myself);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_int_eq(pen_shield(w.task, &result), -EDEADLK);
        ck_assert_int_eq(result, 99);
        world_advance(&w, 1);
        ck_assert_int_eq(pen_shield(w.task, &result), 0);
        ck_assert_int_eq(result, 7);
}
END_TEST

START_TEST(shield_and_await_of_one_task_do_not_disturb_each_other)
{
        struct work slow = WORK(10, 7, .cleanup = 3);
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *shielder, *waiter;

        world_with_work(&w, &slow);
        shielder = world_spawn(&w, shield_other);
        waiter = world_spawn(&w, await_other);
        world_advance(&w, 5);
        pen_task_cancel(waiter); /* reaches the task */
        world_advance(&w, 1);
        ck_assert(!pen_task_done(w.task));
        pen_task_cancel(shielder); /* does not */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(shielder), -ECANCELED);
        ck_assert(!pen_task_done(w.task));
        world_advance(&w, 2);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
}
END_TEST

int main(void)
{
        return RUN_SUITE("shield", result_passes_even_if_it_is_negative,
                         cancelled_waiter_goes_and_the_task_runs_on,
                         cancelled_task_is_a_result_to_those_who_shield_it,
                         ended_task_needs_no_wait_but_a_cancellation_is_delivered,
                         pending_request_is_delivered_at_once_and_spares_the_task,
                         cancellation_of_a_chain_stops_at_the_shield,
                         cancelled_as_the_task_ends_is_cancelled,
                         one_who_was_cancelled_may_shield_again_in_his_cleanup,
                         deadline_around_a_shield_spares_the_task,
                         gather_in_a_shielded_task_runs_on,
                         gather_of_shields_leaves_the_shielded_running,
                         failure_is_logged_if_the_waiter_was_cancelled,
                         end_of_the_loop_cancels_the_shielded, oneself_and_the_root_cannot_wait,
                         shield_and_await_of_one_task_do_not_disturb_each_other);
}
