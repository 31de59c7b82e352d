#include "world.h"

#include <alloca.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <penstock/queue.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>
#include <penstock/wait.h>

#define ME pen_task_name(pen_task_current())

static char job[] = "job";

static int give(void *result)
{
        return *(int *)result;
}

static int yield_and_give(void *result)
{
        int r = pen_yield();

        return r < 0 ? r : *(int *)result;
}

/* What pen_await(w->task) answered, or what the task returned. */
static int await_other(void *world)
{
        struct world *w = world;
        int r = pen_await(w->task, &w->result);

        return r < 0 ? r : w->result;
}

/* --- spawning, results, names ----------------------------------------------------------------- */

START_TEST(result_is_what_the_function_returned)
{
        int values[] = { 0, 7, -EIO, -ECANCELED };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                struct pen_task *waiter;

                w.task = world_spawn_arg(&w, yield_and_give, &values[i]);
                waiter = world_spawn(&w, await_other);
                w.result = 99;
                ck_assert(!pen_task_done(w.task));
                ck_assert_int_eq(pen_task_result(w.task), -EAGAIN);
                world_run_until_idle(&w);
                ck_assert(pen_task_done(w.task));
                ck_assert_int_eq(pen_task_result(w.task), values[i]);
                ck_assert_int_eq(w.result, values[i]);
                ck_assert_int_eq(pen_task_result(waiter), values[i]);
        }
}
END_TEST

START_TEST(await_of_an_ended_task_answers_its_result)
{
        int value = -EIO;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn_arg(&w, give, &value);
        world_run_until_idle(&w);
        for (int i = 0; i < 2; i++) {
                world_spawn(&w, await_other);
                world_run_until_idle(&w);
                ck_assert_int_eq(w.result, -EIO);
                w.result = 0;
        }
}
END_TEST

START_TEST(spawned_task_does_not_run_before_its_spawner_waits)
{
        int value = 1;
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn_arg(&w, give, &value);
        ck_assert(!pen_task_done(t));
        world_run_until_idle(&w);
        ck_assert(pen_task_done(t));
}
END_TEST

static void spawn_forgotten(const char *name, int *result)
{
        struct pen_spawn_options options = { .name = name };

        ck_assert_int_eq(pen_spawn_with(&options, yield_and_give, result, NULL), 0);
}

START_TEST(failure_of_a_forgotten_task_is_logged_by_name)
{
        int failed = -EIO, cancelled = -ECANCELED, fine = 1;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        spawn_forgotten("stray", &failed);
        spawn_forgotten("dropped", &cancelled);
        spawn_forgotten("happy", &fine);
        world_run_until_idle(&w);
        ck_assert_ptr_nonnull(strstr(w.log, "stray"));
        ck_assert_ptr_null(strstr(w.log, "dropped"));
        ck_assert_ptr_null(strstr(w.log, "happy"));
}
END_TEST

START_TEST(awaited_failure_is_not_logged)
{
        int value = -EIO;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn_arg(&w, yield_and_give, &value);
        world_spawn(&w, await_other);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.log, "");
}
END_TEST

START_TEST(task_ends_though_its_handle_was_given_back)
{
        int value = 5;
        struct pen_task *t = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        pen_task_unrefp(&t);
        ck_assert_int_eq(pen_spawn(yield_and_give, &value, &t), 0);
        ck_assert_ptr_eq(pen_task_ref(t), t);
        ck_assert_ptr_null(pen_task_unref(t));
        ck_assert_ptr_null(pen_task_unref(t));
        ck_assert_uint_eq(w.loop->n_tasks, 1);
        world_run_until_idle(&w);
        ck_assert_uint_eq(w.loop->n_tasks, 0);
}
END_TEST

static int say_name(void *world)
{
        world_say(world, "%s,", ME);
        return 0;
}

START_TEST(names_are_copied_cut_or_made)
{
        char name[] = "fetcher", longer[] = "0123456789012345678901234567890123456789";
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *a, *b;

        world_init(&w);
        world_spawn_named(&w, name, say_name);
        name[0] = 'X';
        world_spawn_named(&w, longer, say_name);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "fetcher,0123456789012345678901234567890,");

        a = world_spawn(&w, say_name);
        b = world_spawn(&w, say_name);
        ck_assert_int_eq(strncmp(pen_task_name(a), "task-", 5), 0);
        ck_assert_str_ne(pen_task_name(a), pen_task_name(b));
}
END_TEST

START_TEST(without_a_loop_nothing_is_made_and_nothing_waits)
{
        struct pen_task *t = (void *)&t;
        struct pen_queue *q = (void *)&q;
        int value = 3;

        ck_assert_int_eq(pen_spawn(give, &value, &t), -ENXIO);
        ck_assert_ptr_eq(t, &t);
        ck_assert_int_eq(pen_queue_create(1, NULL, &q), -ENXIO);
        ck_assert_ptr_eq(q, &q);
        ck_assert_int_eq(pen_sleep(1), -EDEADLK);
        ck_assert_int_eq(pen_yield(), -EDEADLK);
        ck_assert_ptr_null(pen_task_current());
        ck_assert_ptr_null(pen_loop_current());
        ck_assert_uint_eq(pen_now(), 0);
        ck_assert_int_eq(pen_on_thread_stack(give, &value), 3);
}
END_TEST

START_TEST(stack_that_cannot_be_had_is_no_memory)
{
        static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2 };
        struct pen_task *t = (void *)&t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct pen_spawn_options options = { .stack_size = sizes[i] };

                ck_assert_int_eq(pen_spawn_with(&options, give, NULL, &t), -ENOMEM);
                ck_assert_ptr_eq(t, &t);
        }
        ck_assert_uint_eq(w.loop->n_tasks, 0);
}
END_TEST

static int use_stack(void *size)
{
        memset(alloca(*(size_t *)size), 1, *(size_t *)size);
        return 1;
}

START_TEST(task_may_ask_for_a_stack_of_its_own_size)
{
        struct pen_spawn_options options = { .stack_size = 2 << 20 };
        size_t size = (2 << 20) - (64 << 10);
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *t = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_spawn_with(&options, use_stack, &size, &t), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        t = pen_task_unref(t);
}
END_TEST

static int use_thread_stack(void *world)
{
        size_t size = 1 << 20;

        (void)world;
        ck_assert_int_eq(pen_on_thread_stack(use_stack, &size), 1);
        return pen_on_thread_stack(use_stack, &size) + pen_yield();
}

START_TEST(thread_stack_is_big_and_gives_the_result_back)
{
        size_t size = 1 << 20;
        struct pen_task *a, *b;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        a = world_spawn(&w, use_thread_stack);
        b = world_spawn(&w, use_thread_stack);
        ck_assert_int_eq(pen_on_thread_stack(use_stack, &size), 1);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), 1);
        ck_assert_int_eq(pen_task_result(b), 1);
}
END_TEST

/* --- handles -------------------------------------------------------------------------------------- */

static int await_mine(void *world)
{
        struct world *w = world;
        int value = 7, result = 99;
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(yield_and_give, &value, &t), 0);
        ck_assert_int_eq(pen_await(t, &result), 0);
        ck_assert_int_eq(result, 7);
        ck_assert_int_eq(pen_sleep(10), 0);
        ck_assert(pen_task_done(t)); /* as good as ever, long after its end */
        ck_assert_int_eq(pen_task_result(t), 7);
        ck_assert(!pen_task_cancel(t));
        ck_assert_uint_eq(w->loop->n_tasks, 1);
        w->task = t; /* ours no more: the test's */
        return 1;
}

START_TEST(handle_is_good_long_after_its_task_and_that_of_its_spawner_have_ended)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, await_mine);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), 1);
        for (int i = 0; i < 100; i++)
                world_spawn(&w, say_name); /* nobody takes its place */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(w.task), 7);
        w.task = pen_task_unref(w.task);
}
END_TEST

START_TEST(many_may_await_one_task_and_each_gets_its_result)
{
        int value = -EIO;
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiters[10];

        world_init(&w);
        w.task = world_spawn_arg(&w, yield_and_give, &value);
        for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
                waiters[i] = world_spawn(&w, await_other);
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
                ck_assert_int_eq(pen_task_result(waiters[i]), -EIO);
}
END_TEST

static int await_a_failure(void *world)
{
        struct world *w = world;
        static int value = -EIO;
        int r;

        ck_assert_int_eq(pen_spawn(yield_and_give, &value, &w->task), 0);
        r = pen_await(w->task, NULL);
        w->task = pen_task_unref(w->task);
        return r;
}

START_TEST(failure_that_was_awaited_without_its_result_counts_as_seen)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn(&w, await_a_failure);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.log, "");
}
END_TEST

/* --- cancellation ----------------------------------------------------------------------------- */

static int sleep_then_say(void *world)
{
        int r = pen_sleep(PEN_SEC);

        world_say(world, "%d at %d, ", r, (int)pen_now());
        return r;
}

START_TEST(cancelled_before_its_first_run_it_still_runs)
{
        int value = 3;
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waits, *never_waits;

        world_init(&w);
        waits = world_spawn(&w, sleep_then_say);
        never_waits = world_spawn_arg(&w, give, &value);
        ck_assert(pen_task_cancel(waits));
        ck_assert(pen_task_cancel(never_waits));
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(waits), -ECANCELED);
        ck_assert_int_eq(pen_task_result(never_waits), 3);
        ck_assert(!pen_task_cancel(waits));
}
END_TEST

static int sleep_twice(void *world)
{
        struct world *w = world;

        world_say(w, "%d ", pen_sleep(PEN_SEC));
        world_say(w, "%u ", pen_cancelling());
        world_say(w, "%d ", pen_sleep(PEN_SEC));
        return pen_now() >= PEN_SEC;
}

START_TEST(two_cancels_merge_into_one_delivery)
{
        char expected[32];
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, sleep_twice);
        world_run_until_idle(&w);
        ck_assert(pen_task_cancel(t));
        ck_assert(pen_task_cancel(t));
        world_run_until_idle(&w);
        ck_assert(!pen_task_done(t));
        world_advance(&w, PEN_SEC);
        snprintf(expected, sizeof(expected), "%d 2 0 ", -ECANCELED);
        ck_assert_str_eq(w.trace, expected);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

START_TEST(cancel_during_cleanup_is_delivered_there)
{
        char expected[32];
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, sleep_twice);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        snprintf(expected, sizeof(expected), "%d 1 %d ", -ECANCELED, -ECANCELED);
        ck_assert_str_eq(w.trace, expected);
        ck_assert(pen_task_done(t));
}
END_TEST

static int end(void *arg)
{
        (void)arg;
        return 0;
}

/* Every call here need not suspend, and must answer -ECANCELED nevertheless. */
#define DELIVERS(call)                                     \
        do {                                               \
                pen_task_cancel(pen_task_current());       \
                ck_assert_int_eq((int)(call), -ECANCELED); \
                ck_assert_uint_eq(pen_uncancel(), 0);      \
                ck_assert_int_eq(pen_yield(), 0);          \
        } while (0)

static int cancel_each_call(void *world)
{
        struct world *w = world;
        int result = 99;
        void *item = NULL;

        DELIVERS(pen_yield());
        DELIVERS(pen_sleep(0));
        DELIVERS(pen_queue_put(w->queue, job));
        ck_assert_uint_eq(pen_queue_size(w->queue), 0);
        ck_assert_int_eq(pen_queue_put_nowait(w->queue, job), 0);
        DELIVERS(pen_queue_get(w->queue, &item));
        DELIVERS(pen_queue_get_many(w->queue, &item, 1));
        ck_assert_ptr_null(item);
        ck_assert_uint_eq(pen_queue_size(w->queue), 1);
        DELIVERS(pen_lock_acquire(w->lock));
        ck_assert(!pen_lock_locked(w->lock));
        DELIVERS(pen_semaphore_acquire(w->semaphore));
        ck_assert_uint_eq(pen_semaphore_value(w->semaphore), 1);
        DELIVERS(pen_event_wait(w->event));
        DELIVERS(pen_await(w->task, &result));
        DELIVERS(pen_gather(&w->task, 1, &result, 0));
        DELIVERS(pen_gather(NULL, 0, NULL, 0));
        return 1;
}

START_TEST(cancellation_is_delivered_by_a_call_that_need_not_suspend)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_queue_create(1, NULL, &w.queue), 0);
        ck_assert_int_eq(pen_lock_create(&w.lock), 0);
        ck_assert_int_eq(pen_semaphore_create(1, 0, &w.semaphore), 0);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        pen_event_set(w.event);
        w.task = world_spawn(&w, end);
        world_run_until_idle(&w);
        t = world_spawn(&w, cancel_each_call);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int uncancel_some(void *world)
{
        struct pen_task *me = pen_task_current();

        (void)world;
        ck_assert_uint_eq(pen_uncancel(), 0);
        ck_assert(pen_task_cancel(me));
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_uint_eq(pen_uncancel(), 0);
        ck_assert_int_eq(pen_yield(), 0); /* void */

        pen_task_cancel(me);
        pen_task_cancel(me);
        ck_assert_uint_eq(pen_uncancel(), 1);
        ck_assert_int_eq(pen_yield(), -ECANCELED); /* one was left */
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_uint_eq(pen_uncancel(), 0);
        return 1;
}

START_TEST(uncancel_to_zero_makes_an_undelivered_request_void)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, uncancel_some);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int sleep_uncancellable(void *world)
{
        (void)world;
        pen_uncancellable_begin();
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(10), 0);
        pen_uncancellable_end();
        ck_assert_int_eq(pen_sleep(10), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_uncancellable_end();
        ck_assert_uint_eq(pen_now(), 20);
        return pen_yield();
}

START_TEST(uncancellable_stretches_nest_and_the_request_waits)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, sleep_uncancellable);
        world_advance(&w, 5);
        pen_task_cancel(t);
        world_advance(&w, 10);
        pen_task_cancel(t);
        ck_assert(!pen_task_done(t));
        world_advance(&w, 5);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

START_TEST(cancel_of_a_sleeper_loses_to_nothing)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, sleep_then_say);
        world_advance(&w, PEN_SEC - 1);
        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_ptr_nonnull(strstr(w.trace, " at 999999,"));
}
END_TEST

/* --- cancellation and await ------------------------------------------------------------------- */

START_TEST(cancelling_the_waiter_cancels_the_awaited)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter, *bystander;

        world_init(&w);
        w.task = world_spawn(&w, sleep_forever);
        waiter = world_spawn(&w, await_other);
        bystander = world_spawn(&w, await_other);
        world_run_until_idle(&w);
        w.result = 99;
        pen_task_cancel(waiter);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
        ck_assert_int_eq(w.result, -ECANCELED); /* by the bystander: its wait did not fail */
        ck_assert(pen_task_done(bystander));
}
END_TEST

static int cleanup_slowly(void *world)
{
        (void)world;
        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        return -ECANCELED;
}

START_TEST(cancelled_waiter_waits_for_the_cleanup_of_the_awaited)
{
        struct pen_task *waiter;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn(&w, cleanup_slowly);
        waiter = world_spawn(&w, await_other);
        world_run_until_idle(&w);
        pen_task_cancel(waiter);
        world_advance(&w, PEN_SEC - 1);
        ck_assert(!pen_task_done(waiter));
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
}
END_TEST

static int swallow(void *world)
{
        (void)world;
        return pen_sleep(PEN_FOREVER) == -ECANCELED ? 5 : 0;
}

static int await_then_go_on(void *world)
{
        struct world *w = world;
        int result;

        ck_assert_int_eq(pen_await(w->task, &result), 0);
        ck_assert_int_eq(result, 5);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return 1;
}

START_TEST(awaited_that_swallows_the_cancellation_spares_the_waiter)
{
        struct pen_task *waiter;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn(&w, swallow);
        waiter = world_spawn(&w, await_then_go_on);
        world_run_until_idle(&w);
        pen_task_cancel(waiter);
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(waiter), 1);
}
END_TEST

static int wait_for_event(void *world)
{
        struct world *w = world;

        return pen_event_wait(w->event);
}

static int cancel_waiter_of_ended(void *world)
{
        struct world *w = world;
        int r = pen_event_wait(w->event);

        ck_assert(pen_task_done(w->task));
        pen_task_cancel(w->tasks[1]);
        return r;
}

START_TEST(cancelled_when_the_awaited_has_just_ended_it_is_cancelled_itself)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *waiter, *canceller;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        w.task = world_spawn(&w, wait_for_event);
        waiter = world_spawn(&w, await_other);
        canceller = world_spawn(&w, cancel_waiter_of_ended);
        world_run_until_idle(&w);
        pen_event_set(w.event); /* wakes the awaited, then the canceller; the waiter is third */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(w.task), 0);
        ck_assert_int_eq(pen_task_result(canceller), 0);
        ck_assert_int_eq(pen_task_result(waiter), -ECANCELED);
}
END_TEST

static int await_arg(void *task)
{
        int result, r = pen_await(task, &result);

        return r < 0 ? r : result;
}

START_TEST(long_chain_of_awaits_is_cancelled_from_its_end)
{
        size_t n = many(100000, 1000);
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn(&w, sleep_forever);
        for (size_t i = 0; i < n; i++)
                w.task = world_spawn_arg(&w, await_arg, w.task);
        world_run_until_idle(&w);
        pen_task_cancel(w.task);
        world_run_until_idle(&w);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(pen_task_result(w.tasks[i]), -ECANCELED);
}
END_TEST

static int await_the_last(void *world)
{
        struct world *w = world;

        return pen_await(w->tasks[w->n_tasks - 1], NULL);
}

START_TEST(tasks_that_wait_for_each_other_can_be_cancelled)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *outside, *one, *other;

        world_init(&w);
        outside = world_spawn(&w, await_other);
        one = w.task = world_spawn(&w, await_the_last);
        other = world_spawn(&w, await_other);
        world_run_until_idle(&w);
        pen_task_cancel(outside);
        world_run_until_idle(&w);
        ck_assert(pen_task_done(one));
        ck_assert(pen_task_done(other));
        ck_assert_int_eq(pen_task_result(outside), -ECANCELED);
}
END_TEST

static int await_myself(void *world)
{
        int result = 99;

        (void)world;
        ck_assert_int_eq(pen_await(pen_task_current(), &result), -EDEADLK);
        ck_assert_int_eq(result, 99);
        return 1;
}

START_TEST(await_of_oneself_is_a_deadlock)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, await_myself);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

START_TEST(the_root_cannot_wait_but_may_do_what_need_not)
{
        void *item = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_queue_create(1, NULL, &w.queue), 0);
        ck_assert_int_eq(pen_lock_create(&w.lock), 0);
        w.task = world_spawn(&w, sleep_forever);
        ck_assert_ptr_null(pen_task_current());
        ck_assert_int_eq(pen_sleep(1), -EDEADLK);
        ck_assert_int_eq(pen_yield(), -EDEADLK);
        ck_assert_int_eq(pen_await(w.task, NULL), -EDEADLK);
        ck_assert_int_eq(pen_gather(&w.task, 1, NULL, 0), -EDEADLK);
        ck_assert_int_eq(pen_queue_get(w.queue, &item), -EDEADLK);
        ck_assert_int_eq(pen_queue_put(w.queue, job), 0);
        ck_assert_int_eq(pen_queue_put(w.queue, job), -EDEADLK);
        ck_assert_int_eq(pen_queue_join(w.queue), -EDEADLK);
        ck_assert_int_eq(pen_queue_get(w.queue, &item), 0);
        ck_assert_int_eq(pen_lock_acquire(w.lock), 0);
        ck_assert_int_eq(pen_lock_acquire(w.lock), -EDEADLK);
        ck_assert(!pen_task_done(w.task));
}
END_TEST

/* --- turns and time --------------------------------------------------------------------------- */

static int sleep_by_name(void *world)
{
        int r = pen_sleep((pen_usec)atoi(ME));

        world_say(world, "%s@%d ", ME, (int)pen_now());
        return r;
}

START_TEST(sleepers_wake_when_their_time_has_come)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn_named(&w, "30", sleep_by_name);
        world_spawn_named(&w, "10", sleep_by_name);
        world_spawn_named(&w, "20", sleep_by_name);
        world_spawn_named(&w, "0", sleep_by_name);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "0@0 ");
        world_advance(&w, 19);
        ck_assert_str_eq(w.trace, "0@0 10@10 ");
        world_advance(&w, 1);
        world_advance(&w, PEN_HOUR);
        ck_assert_str_eq(w.trace, "0@0 10@10 20@20 30@30 ");
}
END_TEST

static int take_turns(void *world)
{
        for (int i = 0; i < 3; i++) {
                world_say(world, "%s", ME);
                if (i % 2 ? pen_sleep(0) : pen_yield())
                        return -1;
        }
        return 0;
}

START_TEST(yield_lets_every_other_run_once)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn_named(&w, "a", take_turns);
        world_spawn_named(&w, "b", take_turns);
        world_spawn_named(&w, "c", take_turns);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "abcabcabc");
}
END_TEST

static void play_seeded(uint64_t seed, char trace[static 25])
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init_seeded(&w, seed);
        for (const char *name = "abcdefgh"; *name; name++)
                world_spawn_named(&w, (char[]){ *name, 0 }, take_turns);
        world_run_until_idle(&w);
        ck_assert_uint_eq(strlen(w.trace), 24);
        strcpy(trace, w.trace);
}

START_TEST(same_seed_same_order_and_others_differ)
{
        char a[64], b[64], fair[64];
        unsigned different = 0;

        play_seeded(0, fair);
        ck_assert_str_eq(fair, "abcdefghabcdefghabcdefgh");
        for (uint64_t seed = 1; seed <= 20; seed++) {
                play_seeded(seed, a);
                play_seeded(seed, b);
                ck_assert_str_eq(a, b);
                play_seeded(seed + 1, b);
                different += strcmp(a, b) != 0;
        }
        ck_assert_uint_ge(different, 19);
}
END_TEST

/* Yields until a deadline of zero has come; `result` is how slowly, and becomes how often. */
static int count_turns(void *world)
{
        struct world *w = world;
        useconds_t usec = (useconds_t)w->result;
        struct pen_timeout scope;
        int n = 0;

        pen_timeout_begin(&scope, 0);
        while (pen_yield() == 0) {
                if (usec > 0)
                        usleep(usec);
                n++;
        }
        w->result = n;
        return pen_timeout_end(&scope, -ECANCELED);
}

static int turns_at(int usec)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init_seeded(&w, 1);
        w.result = usec;
        t = world_spawn(&w, count_turns);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        return w.result;
}

START_TEST(slow_machine_does_not_change_a_virtual_run)
{
        ck_assert_int_eq(turns_at(200), turns_at(0));
}
END_TEST

/* --- pen_run ---------------------------------------------------------------------------------- */

static int leftover(void *trace)
{
        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        strcat(trace, "cleaning ");
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        strcat(trace, "clean ");
        return -ECANCELED;
}

static int late(void *trace)
{
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        strcat(trace, "late ");
        return 0;
}

static int leave_tasks(void *trace)
{
        ck_assert_str_eq(ME, "main");
        if (pen_spawn(leftover, trace, NULL) < 0 || pen_yield() < 0)
                return -1;
        return pen_spawn(late, trace, NULL) < 0 ? -1 : 3;
}

START_TEST(leftovers_are_cancelled_and_awaited_when_main_has_ended)
{
        char trace[64] = "";

        ck_assert_int_eq(run_virtual(leave_tasks, trace), 3);
        ck_assert_ptr_nonnull(strstr(trace, "late "));
        ck_assert_ptr_nonnull(strstr(trace, "cleaning "));
        ck_assert_ptr_nonnull(strstr(trace, "clean "));
        ck_assert_ptr_null(pen_loop_current());
}
END_TEST

static int run_again(void *value)
{
        ck_assert_ptr_nonnull(pen_loop_current());
        return pen_run(give, value);
}

START_TEST(run_in_a_run_is_busy)
{
        int value = -EIO;

        ck_assert_int_eq(pen_run(run_again, &value), -EBUSY);
        ck_assert_int_eq(pen_run(give, &value), -EIO);
}
END_TEST

static int wait_for_nothing(void *world)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *never = NULL;

        (void)world;
        ck_assert_int_eq(pen_event_create(&never), 0);
        return pen_event_wait(never);
}

static void keep_message(void *log, enum pen_log_level level, const char *message)
{
        size_t n = strlen(log);

        if (level == PEN_LOG_ERROR)
                snprintf((char *)log + n, 256 - n, "%s\n", message);
}

START_TEST(deadlock_with_the_virtual_clock_is_told_and_ends)
{
        char log[256] = "";
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL,
                                       .log = keep_message,
                                       .log_data = log };

        ck_assert_int_eq(pen_run_with(&options, wait_for_nothing, NULL), -ECANCELED);
        ck_assert_ptr_nonnull(strstr(log, "deadlock"));
}
END_TEST

static int sleep_a_day(void *arg)
{
        (void)arg;
        return pen_sleep(PEN_DAY) == 0 && pen_now() == PEN_DAY;
}

START_TEST(virtual_day_takes_no_time)
{
        ck_assert_int_eq(run_virtual(sleep_a_day, NULL), 1);
}
END_TEST

static int sleep_really(void *arg)
{
        pen_usec before = pen_now();

        (void)arg;
        return pen_sleep(2 * PEN_MSEC) == 0 && pen_now() - before >= 2 * PEN_MSEC;
}

START_TEST(real_sleep_is_not_too_short)
{
        ck_assert_int_eq(pen_run(sleep_really, NULL), 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "task", result_is_what_the_function_returned,
                await_of_an_ended_task_answers_its_result,
                spawned_task_does_not_run_before_its_spawner_waits,
                failure_of_a_forgotten_task_is_logged_by_name, awaited_failure_is_not_logged,
                task_ends_though_its_handle_was_given_back, names_are_copied_cut_or_made,
                without_a_loop_nothing_is_made_and_nothing_waits,
                stack_that_cannot_be_had_is_no_memory, task_may_ask_for_a_stack_of_its_own_size,
                thread_stack_is_big_and_gives_the_result_back,
                cancelled_before_its_first_run_it_still_runs, two_cancels_merge_into_one_delivery,
                cancel_during_cleanup_is_delivered_there,
                cancellation_is_delivered_by_a_call_that_need_not_suspend,
                uncancel_to_zero_makes_an_undelivered_request_void,
                uncancellable_stretches_nest_and_the_request_waits,
                cancel_of_a_sleeper_loses_to_nothing, cancelling_the_waiter_cancels_the_awaited,
                cancelled_waiter_waits_for_the_cleanup_of_the_awaited,
                awaited_that_swallows_the_cancellation_spares_the_waiter,
                cancelled_when_the_awaited_has_just_ended_it_is_cancelled_itself,
                long_chain_of_awaits_is_cancelled_from_its_end,
                tasks_that_wait_for_each_other_can_be_cancelled, await_of_oneself_is_a_deadlock,
                the_root_cannot_wait_but_may_do_what_need_not,
                sleepers_wake_when_their_time_has_come, yield_lets_every_other_run_once,
                same_seed_same_order_and_others_differ, slow_machine_does_not_change_a_virtual_run,
                leftovers_are_cancelled_and_awaited_when_main_has_ended, run_in_a_run_is_busy,
                deadlock_with_the_virtual_clock_is_told_and_ends, virtual_day_takes_no_time,
                real_sleep_is_not_too_short,
                handle_is_good_long_after_its_task_and_that_of_its_spawner_have_ended,
                many_may_await_one_task_and_each_gets_its_result,
                failure_that_was_awaited_without_its_result_counts_as_seen);
}
