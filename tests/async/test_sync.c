#include "world.h"

#include <errno.h>

#include <penstock/sync.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

/* --- lock ------------------------------------------------------------------------------------- */

static struct world world_with_lock(void)
{
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_lock_create(&w.lock), 0);
        return w;
}

/* Holds the lock for a while. */
static int hold(void *world)
{
        struct world *w = world;
        int r = pen_lock_acquire(w->lock);

        if (r < 0)
                return r;
        world_say(w, "%s", ME);
        r = pen_sleep(1);
        ck_assert_int_eq(pen_lock_release(w->lock), 0);
        return r;
}

START_TEST(lock_is_given_in_the_order_they_came)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();

        for (const char *name = "abcdef"; *name; name++)
                world_spawn_named(&w, (char[]){ *name, 0 }, hold);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a");
        ck_assert(pen_lock_locked(w.lock));
        world_advance(&w, 1);
        ck_assert_str_eq(w.trace, "ab");
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "abcdef");
        ck_assert(!pen_lock_locked(w.lock));
}
END_TEST

START_TEST(newcomer_does_not_overtake_who_waits_for_the_lock)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();

        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), -EAGAIN);
        world_spawn_named(&w, "a", hold);
        world_run_until_idle(&w);
        world_spawn_named(&w, "b", hold); /* will run before the woken one */
        ck_assert_int_eq(pen_lock_release(w.lock), 0);
        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), -EAGAIN);
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "ab");
}
END_TEST

START_TEST(cancelled_waiter_passes_the_lock_on)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();
        struct pen_task *a, *b;

        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
        a = world_spawn_named(&w, "a", hold);
        b = world_spawn_named(&w, "b", hold);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_lock_release(w.lock), 0); /* for a */
        pen_task_cancel(a);
        world_advance(&w, PEN_SEC);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), 0);
        ck_assert_str_eq(w.trace, "b");
        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
}
END_TEST

START_TEST(cancelled_first_and_last_waiter_leave_the_lock_usable)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();
        struct pen_task *a, *c;

        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
        a = world_spawn_named(&w, "a", hold);
        world_spawn_named(&w, "b", hold);
        c = world_spawn_named(&w, "c", hold);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        ck_assert_int_eq(pen_lock_release(w.lock), 0); /* a has not run yet */
        world_run_until_idle(&w);
        pen_task_cancel(c);
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "b");
        ck_assert(!pen_lock_locked(w.lock));
        ck_assert_int_eq(pen_lock_release(w.lock), -EPERM);
}
END_TEST

START_TEST(only_waiter_cancelled_when_served_leaves_the_lock_free)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();
        struct pen_task *a;

        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
        a = world_spawn_named(&w, "a", hold);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_lock_release(w.lock), 0);
        pen_task_cancel(a);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert(!pen_lock_locked(w.lock));
        ck_assert_int_eq(pen_lock_acquire_nowait(w.lock), 0);
}
END_TEST

/* --- event ------------------------------------------------------------------------------------ */

static int wait_for_event(void *world)
{
        struct world *w = world;
        int r = pen_event_wait(w->event);

        if (r == 0)
                world_say(w, "%s", ME);
        return r;
}

static struct world world_with_event(void)
{
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        return w;
}

START_TEST(event_set_and_cleared_at_once_wakes_all_who_waited)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();
        struct pen_task *late;

        world_spawn_named(&w, "a", wait_for_event);
        world_spawn_named(&w, "b", wait_for_event);
        world_spawn_named(&w, "c", wait_for_event);
        world_run_until_idle(&w);
        pen_event_set(w.event);
        ck_assert(pen_event_is_set(w.event));
        pen_event_clear(w.event);
        ck_assert(!pen_event_is_set(w.event));
        late = world_spawn_named(&w, "d", wait_for_event);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "abc");
        ck_assert(!pen_task_done(late));
}
END_TEST

START_TEST(set_event_lets_everyone_pass)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();

        pen_event_set(w.event);
        pen_event_set(w.event);
        ck_assert_int_eq(pen_event_wait(w.event), 0);
        world_spawn_named(&w, "a", wait_for_event);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a");
}
END_TEST

START_TEST(who_comes_after_the_event_was_set_need_not_wait)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();

        world_spawn_named(&w, "a", wait_for_event);
        world_spawn_named(&w, "b", wait_for_event);
        world_run_until_idle(&w);
        world_spawn_named(&w, "c", wait_for_event); /* runs first */
        pen_event_set(w.event);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "cab");
}
END_TEST

START_TEST(cancelled_waiter_for_an_event_harms_nobody)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();
        struct pen_task *a = world_spawn_named(&w, "a", wait_for_event);
        struct pen_task *c;

        world_spawn_named(&w, "b", wait_for_event);
        c = world_spawn_named(&w, "c", wait_for_event);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        pen_event_set(w.event);
        pen_task_cancel(c);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(c), -ECANCELED);
        ck_assert_str_eq(w.trace, "b");
}
END_TEST

/* --- semaphore -------------------------------------------------------------------------------- */

static struct world world_with_semaphore(size_t value, size_t bound)
{
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_semaphore_create(value, bound, &w.semaphore), 0);
        return w;
}

static int acquire(void *world)
{
        struct world *w = world;
        int r = pen_semaphore_acquire(w->semaphore);

        if (r == 0)
                world_say(w, "%s", ME);
        return r;
}

START_TEST(semaphore_lets_so_many_pass_and_wakes_in_order)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(2, 0);

        for (const char *name = "abcdef"; *name; name++)
                world_spawn_named(&w, (char[]){ *name, 0 }, acquire);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "ab");
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 0);
        ck_assert_int_eq(pen_semaphore_acquire_nowait(w.semaphore), -EAGAIN);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "abc");
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "abcdef");
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 1);
        ck_assert_int_eq(pen_semaphore_acquire_nowait(w.semaphore), 0);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
}
END_TEST

START_TEST(newcomer_does_not_overtake_who_waits_for_the_semaphore)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(0, 0);

        world_spawn_named(&w, "a", acquire);
        world_run_until_idle(&w);
        world_spawn_named(&w, "b", acquire);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        ck_assert_int_eq(pen_semaphore_acquire_nowait(w.semaphore), -EAGAIN);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a");
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "ab");
}
END_TEST

/* Twice, releasing it between. */
static int acquire_again(void *world)
{
        struct world *w = world;

        for (int i = 1; i <= 2; i++) {
                int r = acquire(w);

                if (r == 0)
                        r = pen_sleep(1);
                ck_assert_int_eq(pen_semaphore_release(w->semaphore), 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

START_TEST(who_releases_and_acquires_again_goes_to_the_end)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(1, 1);

        world_spawn_named(&w, "a", acquire_again);
        world_spawn_named(&w, "b", acquire_again);
        world_spawn_named(&w, "c", acquire_again);
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "abcabc");
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 1);
}
END_TEST

static int release_three_and_acquire(void *world)
{
        struct world *w = world;

        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(pen_semaphore_release(w->semaphore), 0);
        return acquire(world);
}

START_TEST(released_many_times_serves_as_many_in_order)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(0, 0);

        world_spawn_named(&w, "a", acquire);
        world_spawn_named(&w, "b", acquire);
        world_run_until_idle(&w);
        world_spawn_named(&w, "c", release_three_and_acquire); /* for both of them and for itself */
        world_spawn_named(&w, "d", acquire);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "cab");
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 0);
}
END_TEST

START_TEST(waiters_cancelled_before_a_release_are_skipped)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(0, 0);
        struct pen_task *a = world_spawn_named(&w, "a", acquire), *b;

        b = world_spawn_named(&w, "b", acquire);
        world_spawn_named(&w, "c", acquire);
        world_spawn_named(&w, "d", acquire);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        pen_task_cancel(b);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "c");
        pen_task_cancel(w.tasks[3]);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 1); /* nobody is left */
}
END_TEST

START_TEST(cancelled_waiter_passes_its_place_on)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(0, 0);
        struct pen_task *a = world_spawn_named(&w, "a", acquire), *b, *c;

        b = world_spawn_named(&w, "b", acquire);
        c = world_spawn_named(&w, "c", acquire);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        pen_task_cancel(a); /* both were served already */
        pen_task_cancel(b);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), -ECANCELED);
        ck_assert_int_eq(pen_task_result(c), 0);
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 1);
        ck_assert_int_eq(pen_semaphore_acquire_nowait(w.semaphore), 0);
}
END_TEST

START_TEST(bounded_semaphore_is_not_released_above_its_bound)
{
        struct pen_semaphore *none = NULL;
        PEN_CLEANUP(world_deinit) struct world w = world_with_semaphore(1, 2);

        ck_assert_int_eq(pen_semaphore_create(3, 2, &none), -EINVAL);
        ck_assert_ptr_null(none);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), 0);
        ck_assert_int_eq(pen_semaphore_release(w.semaphore), -EOVERFLOW);
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 2);
}
END_TEST

/* --- all of them ------------------------------------------------------------------------------ */

struct crowd {
        struct world w;
        struct random random;
        size_t n_holders, max_holders;
};

/* Takes and gives back, waiting for it no longer than a random time. */
static int jostle(void *crowd)
{
        struct crowd *c = crowd;
        struct pen_semaphore *s = c->w.semaphore;

        for (int i = 0; i < 20; i++) {
                struct pen_timeout scope;
                int r;

                pen_timeout_begin(&scope, random_below(&c->random, 8));
                r = pen_timeout_end(&scope, pen_semaphore_acquire(s));
                if (r == 0) {
                        ck_assert_uint_le(++c->n_holders, c->max_holders);
                        r = pen_sleep(random_below(&c->random, 3));
                        c->n_holders--;
                        ck_assert_int_eq(pen_semaphore_release(s), 0);
                }
                if (r == -ECANCELED)
                        return r;
                ck_assert(r == 0 || r == -ETIME);
        }
        return 0;
}

START_TEST(random_cancellation_loses_no_place)
{
        for (uint64_t seed = 1; seed <= many(300, 40); seed++) {
                struct crowd c = { .max_holders = 1 + seed % 3 };

                random_seed(&c.random, seed);
                world_init_seeded(&c.w, seed % 2 ? seed : 0);
                ck_assert_int_eq(pen_semaphore_create(c.max_holders, c.max_holders, &c.w.semaphore),
                                 0);
                for (int i = 0; i < 8; i++)
                        world_spawn_arg(&c.w, jostle, &c);
                world_advance(&c.w, 20);
                for (int i = 0; i < 3; i++)
                        pen_task_cancel(c.w.tasks[i]);
                world_advance(&c.w, PEN_SEC);
                ck_assert_uint_eq(c.w.loop->n_tasks, 0);
                ck_assert_uint_eq(pen_semaphore_value(c.w.semaphore), c.max_holders);
                ck_assert_int_eq(pen_semaphore_release(c.w.semaphore), -EOVERFLOW);
                world_deinit(&c.w);
        }
}
END_TEST

/* Releases both by leaving, whichever way. */
static int hold_by_scope(void *world)
{
        struct world *w = world;
        PEN_CLEANUP(pen_lock_releasep) struct pen_lock *lock = NULL;
        PEN_CLEANUP(pen_semaphore_releasep) struct pen_semaphore *place = NULL;
        int r = pen_lock_acquire(w->lock);

        if (r < 0)
                return r;
        lock = w->lock;
        r = pen_semaphore_acquire(w->semaphore);
        if (r < 0)
                return r;
        place = w->semaphore;
        return pen_sleep(1);
}

START_TEST(what_is_held_is_given_back_with_its_scope)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_lock();
        struct pen_task *t;

        ck_assert_int_eq(pen_semaphore_create(1, 1, &w.semaphore), 0);
        for (int i = 0; i < 2; i++) { /* left by itself, or cancelled */
                t = world_spawn(&w, hold_by_scope);
                world_run_until_idle(&w);
                ck_assert(pen_lock_locked(w.lock));
                ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 0);
                if (i == 1)
                        pen_task_cancel(t);
                world_advance(&w, 1);
                ck_assert_int_eq(pen_task_result(t), i == 1 ? -ECANCELED : 0);
                ck_assert(!pen_lock_locked(w.lock));
                ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 1);
        }
        ck_assert_int_eq(pen_semaphore_acquire_nowait(w.semaphore), 0);
        t = world_spawn(&w, hold_by_scope); /* cancelled with the lock alone */
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert(!pen_lock_locked(w.lock));
        ck_assert_uint_eq(pen_semaphore_value(w.semaphore), 0);
}
END_TEST

START_TEST(made_in_a_loop_only_and_none_may_be_freed)
{
        struct pen_lock *lock = NULL;
        struct pen_event *event = NULL;
        struct pen_semaphore *semaphore = NULL;

        ck_assert_int_eq(pen_lock_create(&lock), -ENXIO);
        ck_assert_int_eq(pen_event_create(&event), -ENXIO);
        ck_assert_int_eq(pen_semaphore_create(1, 0, &semaphore), -ENXIO);
        pen_lock_freep(&lock);
        pen_event_freep(&event);
        pen_semaphore_freep(&semaphore);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "sync", lock_is_given_in_the_order_they_came,
                newcomer_does_not_overtake_who_waits_for_the_lock,
                cancelled_waiter_passes_the_lock_on,
                cancelled_first_and_last_waiter_leave_the_lock_usable,
                only_waiter_cancelled_when_served_leaves_the_lock_free,
                event_set_and_cleared_at_once_wakes_all_who_waited, set_event_lets_everyone_pass,
                who_comes_after_the_event_was_set_need_not_wait,
                cancelled_waiter_for_an_event_harms_nobody,
                semaphore_lets_so_many_pass_and_wakes_in_order,
                newcomer_does_not_overtake_who_waits_for_the_semaphore,
                who_releases_and_acquires_again_goes_to_the_end,
                released_many_times_serves_as_many_in_order,
                waiters_cancelled_before_a_release_are_skipped,
                cancelled_waiter_passes_its_place_on,
                bounded_semaphore_is_not_released_above_its_bound,
                random_cancellation_loses_no_place, what_is_held_is_given_back_with_its_scope,
                made_in_a_loop_only_and_none_may_be_freed);
}
