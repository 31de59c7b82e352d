#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/scope.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

#define PLAY(test, fn, expected_result, expected_trace)                  \
        START_TEST(test)                                                 \
        {                                                                \
                PEN_CLEANUP(world_deinit) struct world w;                \
                struct pen_task *t = play(&w, fn);                       \
                                                                         \
                world_advance(&w, PEN_HOUR);                             \
                ck_assert_int_eq(pen_task_result(t), (expected_result)); \
                ck_assert_str_eq(w.trace, expected_trace);               \
        }                                                                \
        END_TEST

static struct world *the_world;

static struct pen_task *play(struct world *w, int (*fn)(void *world))
{
        struct pen_task *t;

        world_init(w);
        the_world = w;
        t = world_spawn(w, fn);
        world_run_until_idle(w);
        return t;
}

static void say(void *number)
{
        world_say(the_world, "%d ", (int)(intptr_t)number);
}

/* Waits for so many seconds first. */
static void say_late(void *seconds)
{
        ck_assert_int_eq(pen_sleep((pen_usec)(intptr_t)seconds * PEN_SEC), 0);
        world_say(the_world, "%d at %d, ", (int)(intptr_t)seconds, (int)(pen_now() / PEN_SEC));
}

static void defer(struct pen_scope *scope, void (*fn)(void *arg), intptr_t number)
{
        ck_assert_int_eq(pen_scope_defer(scope, fn, (void *)number), 0);
}

/* --- order ------------------------------------------------------------------------------------ */

static int defer_many(void *world)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

        for (int i = 1; i <= 5; i++)
                defer(&scope, say, i);
        world_say(world, "body ");
        return 1;
}
PLAY(last_deferred_is_called_first, defer_many, 1, "body 5 4 3 2 1 ")

static int defer_nothing(void *world)
{
        struct pen_scope scope = PEN_SCOPE_INIT;

        (void)world;
        pen_scope_release(&scope);
        pen_scope_deinit(&scope);
        pen_scope_deinit(&scope);
        return 1;
}
PLAY(empty_scope_ends_any_number_of_times, defer_nothing, 1, "")

static int fail_early(void)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

        for (int i = 1; i <= 5; i++) {
                if (i == 4)
                        return -EIO;
                defer(&scope, say, i);
        }
        return 0;
}

static int leave_early(void *world)
{
        int r = fail_early();

        world_say(world, "then ");
        return r;
}
PLAY(early_return_calls_what_was_deferred_by_then, leave_early, -EIO, "3 2 1 then ")

static int use_again(void *world)
{
        struct pen_scope scope = PEN_SCOPE_INIT;

        defer(&scope, say, 1);
        pen_scope_deinit(&scope);
        world_say(world, "again ");
        defer(&scope, say, 2);
        pen_scope_deinit(&scope);
        pen_scope_deinit(&scope);
        return 1;
}
PLAY(ended_scope_is_empty_and_may_be_used_again, use_again, 1, "1 again 2 ")

static struct pen_scope open_scope;

static void defer_more(void *number)
{
        intptr_t n = (intptr_t)number;

        say(number);
        if (n < 4)
                defer(&open_scope, defer_more, n + 1);
}

static int defer_while_ending(void *world)
{
        (void)world;
        defer(&open_scope, say, 0);
        defer(&open_scope, defer_more, 1);
        pen_scope_deinit(&open_scope);
        ck_assert_ptr_null(open_scope.opaque);
        return 1;
}
PLAY(what_is_deferred_meanwhile_is_called_too_and_next, defer_while_ending, 1, "1 2 3 4 0 ")

static int release(void *world)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

        (void)world;
        defer(&scope, say, 1);
        defer(&scope, say, 2);
        pen_scope_release(&scope);
        defer(&scope, say, 3);
        return 1;
}
PLAY(released_is_forgotten_and_later_ones_are_not, release, 1, "3 ")

/* The stack of the others: one scope's end is another's deferral. */
static void end_scope(void *scope)
{
        pen_scope_deinit(scope);
}

static int nest(void *world)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope outer = PEN_SCOPE_INIT;
        struct pen_scope inner = PEN_SCOPE_INIT;

        (void)world;
        defer(&outer, say, 1);
        ck_assert_int_eq(pen_scope_defer(&outer, end_scope, &inner), 0);
        defer(&outer, say, 2);
        defer(&inner, say, 11);
        defer(&inner, say, 12);
        pen_scope_deinit(&outer);
        ck_assert_ptr_null(inner.opaque);
        return 1;
}
PLAY(scopes_nest, nest, 1, "2 12 11 1 ")

#define MANY 100000
static size_t n_called;

static void count(void *number)
{
        ck_assert_uint_eq((size_t)(uintptr_t)number, MANY - ++n_called);
}

START_TEST(outside_of_a_task_a_scope_works_and_holds_many)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

        n_called = 0;
        for (size_t i = 0; i < MANY; i++)
                ck_assert_int_eq(pen_scope_defer(&scope, count, (void *)i), 0);
        pen_scope_deinit(&scope);
        ck_assert_uint_eq(n_called, MANY);
}
END_TEST

/* --- waiting and cancellation ----------------------------------------------------------------- */

static int clean_up_slowly(void *world)
{
        int r;

        {
                PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

                defer(&scope, say_late, 1);
                defer(&scope, say_late, 2);
                r = pen_sleep(PEN_SEC);
        }
        world_say(world, "%d then %d", r, pen_yield());
        return r;
}
PLAY(what_is_called_may_wait, clean_up_slowly, 0, "2 at 3, 1 at 4, 0 then 0")

START_TEST(cancelled_body_ends_its_scope_in_peace)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, clean_up_slowly);

        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_str_eq(w.trace, "2 at 2, 1 at 3, -125 then 0");
}
END_TEST

START_TEST(cancellation_while_the_scope_ends_waits_until_after)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, clean_up_slowly);

        world_advance(&w, 2 * PEN_SEC);
        pen_task_cancel(t);
        world_advance(&w, PEN_SEC / 2);
        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        ck_assert_str_eq(w.trace, "2 at 3, 1 at 4, 0 then -125");
}
END_TEST

static int end_after_deadline(void *world)
{
        struct pen_scope scope = PEN_SCOPE_INIT;
        struct pen_timeout timeout;
        int r;

        pen_timeout_begin(&timeout, PEN_SEC);
        defer(&scope, say_late, 2);
        defer(&scope, say_late, 1);
        pen_scope_deinit(&scope);
        r = pen_yield();
        ck_assert_int_eq(pen_timeout_end(&timeout, r), -ETIME);
        world_say(world, "%d", r);
        return 1;
}
PLAY(deadline_does_not_cut_the_end_of_a_scope, end_after_deadline, 1, "1 at 1, 2 at 3, -125")

/* --- as it is used ---------------------------------------------------------------------------- */

static void unlock(void *lock)
{
        ck_assert_int_eq(pen_lock_release(lock), 0);
}

#define N_LOCKS 5

/* Takes locks up to the one that somebody else has. */
static int take_locks(void *locks)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;
        struct pen_lock **all = locks;
        int r = 0;

        for (size_t i = 0; i < N_LOCKS && r == 0; i++) {
                r = pen_lock_acquire(all[i]);
                if (r == 0)
                        r = pen_scope_defer(&scope, unlock, all[i]);
        }
        return r;
}

START_TEST(number_of_things_taken_is_known_only_at_run_time)
{
        struct pen_lock *locks[N_LOCKS];
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < N_LOCKS; i++)
                ck_assert_int_eq(pen_lock_create(&locks[i]), 0);
        ck_assert_int_eq(pen_lock_acquire_nowait(locks[3]), 0);
        t = world_spawn_arg(&w, take_locks, locks);
        world_run_until_idle(&w);
        for (size_t i = 0; i < N_LOCKS; i++)
                ck_assert(pen_lock_locked(locks[i]) == (i < 4));
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        for (size_t i = 0; i < N_LOCKS; i++) {
                ck_assert(pen_lock_locked(locks[i]) == (i == 3));
                pen_lock_free(locks[i]);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("scope", last_deferred_is_called_first,
                         empty_scope_ends_any_number_of_times,
                         early_return_calls_what_was_deferred_by_then,
                         ended_scope_is_empty_and_may_be_used_again,
                         what_is_deferred_meanwhile_is_called_too_and_next,
                         released_is_forgotten_and_later_ones_are_not, scopes_nest,
                         outside_of_a_task_a_scope_works_and_holds_many, what_is_called_may_wait,
                         cancelled_body_ends_its_scope_in_peace,
                         cancellation_while_the_scope_ends_waits_until_after,
                         deadline_does_not_cut_the_end_of_a_scope,
                         number_of_things_taken_is_known_only_at_run_time);
}
