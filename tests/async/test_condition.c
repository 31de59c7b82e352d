#include "world.h"

#include <errno.h>

#include <penstock/sync.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

/* A lock, who has it, and a condition of it. */
struct room {
        struct world w;
        struct pen_condition *condition;
        const void *holder;
        bool open; /* what wait_for waits for */
};

static struct room room(void)
{
        struct room room = { 0 };

        world_init(&room.w);
        ck_assert_int_eq(pen_lock_create(&room.w.lock), 0);
        ck_assert_int_eq(pen_condition_create(room.w.lock, &room.condition), 0);
        return room;
}

static void room_deinit(struct room *room)
{
        world_deinit(&room->w);
        pen_condition_freep(&room->condition);
}

/* The lock was got, by the running task or by the test itself. */
static void entered(struct room *room)
{
        ck_assert(pen_lock_locked(room->w.lock));
        ck_assert_ptr_null(room->holder);
        room->holder = room->w.loop->current;
}

static void leaving(struct room *room)
{
        ck_assert_ptr_eq(room->holder, room->w.loop->current);
        room->holder = NULL;
}

static void leave(struct room *room)
{
        leaving(room);
        ck_assert_int_eq(pen_lock_release(room->w.lock), 0);
}

static void enter_nowait(struct room *room)
{
        ck_assert_int_eq(pen_lock_acquire_nowait(room->w.lock), 0);
        entered(room);
}

static int enter(struct room *room)
{
        int r = pen_lock_acquire(room->w.lock);

        if (r == 0)
                entered(room);
        return r;
}

static int wait_inside(struct room *room)
{
        int r;

        leaving(room);
        r = pen_condition_wait(room->condition);
        entered(room); /* whatever it answered */
        return r;
}

/* Says its name, with a `!` if it was cancelled. */
static int wait_once(void *arg)
{
        struct room *room = arg;
        int r = enter(room);

        if (r < 0)
                return r;
        r = wait_inside(room);
        world_say(&room->w, "%s%s", ME, r < 0 ? "!" : "");
        leave(room);
        return r;
}

/* So many tasks, named from a on, that wait. */
static void let_wait(struct room *room, int n)
{
        for (int i = 0; i < n; i++)
                world_spawn_named(&room->w, (char[]){ (char)('a' + i), 0 }, wait_once);
        world_run_until_idle(&room->w);
        ck_assert(!pen_lock_locked(room->w.lock));
        ck_assert_str_eq(room->w.trace, "");
}

static void notify(struct room *room, size_t n)
{
        enter_nowait(room);
        ck_assert_int_eq(pen_condition_notify(room->condition, n), 0);
        leave(room);
}

/* --- notify ----------------------------------------------------------------------------------- */

START_TEST(notified_go_on_in_order_when_they_get_the_lock)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 3);
        enter_nowait(&r);
        ck_assert_int_eq(pen_condition_notify(r.condition, 1), 0);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, ""); /* the lock is ours */
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a");
        notify(&r, 2);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "abc");
        ck_assert(!pen_lock_locked(r.w.lock));
}
END_TEST

START_TEST(as_many_are_notified_as_was_said)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        notify(&r, 5); /* nobody waits, and it is not kept for later */
        let_wait(&r, 4);
        notify(&r, 0);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "");
        notify(&r, 2);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "ab");
        notify(&r, 1);
        notify(&r, 2048);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "abcd");
}
END_TEST

START_TEST(notify_all_wakes_all_who_wait_and_nobody_who_comes_later)
{
        struct pen_task *late;
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 3);
        enter_nowait(&r);
        ck_assert_int_eq(pen_condition_notify_all(r.condition), 0);
        leave(&r);
        late = world_spawn_named(&r.w, "d", wait_once);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "abc");
        ck_assert(!pen_task_done(late));
}
END_TEST

static bool is_open(void *arg)
{
        struct room *room = arg;

        return room->open;
}

static int wait_without_the_lock(void *arg)
{
        struct room *room = arg;

        ck_assert_int_eq(pen_condition_wait(room->condition), -EPERM);
        ck_assert_int_eq(pen_condition_notify(room->condition, 1), -EPERM);
        ck_assert_int_eq(pen_condition_notify_all(room->condition), -EPERM);
        ck_assert_int_eq(pen_condition_wait_for(room->condition, is_open, room), -EPERM);
        room->open = true;
        ck_assert_int_eq(pen_condition_wait_for(room->condition, is_open, room), 0);
        return 0;
}

START_TEST(without_the_lock_nobody_waits_or_notifies)
{
        struct pen_task *t;
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 1);
        t = world_spawn(&r.w, wait_without_the_lock);
        world_run_until_idle(&r.w);
        ck_assert_int_eq(pen_task_result(t), 0);
        ck_assert(!pen_lock_locked(r.w.lock));
        ck_assert_str_eq(r.w.trace, ""); /* and nobody was notified */
}
END_TEST

/* Goes through the room. */
static int pass_through(void *arg)
{
        struct room *room = arg;
        int r = enter(room);

        if (r < 0)
                return r;
        world_say(&room->w, "%s", ME);
        leave(room);
        return 0;
}

START_TEST(outside_of_a_task_the_lock_is_kept)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        enter_nowait(&r);
        world_spawn_named(&r.w, "b", pass_through); /* waits for the lock */
        world_run_until_idle(&r.w);
        ck_assert_int_eq(pen_condition_wait(r.condition), -EDEADLK);
        ck_assert_int_eq(pen_condition_wait_for(r.condition, is_open, &r), -EDEADLK);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "");
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "b");
}
END_TEST

START_TEST(conditions_of_one_lock_are_told_apart)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        PEN_CLEANUP(pen_condition_freep) struct pen_condition *other = NULL;

        ck_assert_int_eq(pen_condition_create(r.w.lock, &other), 0);
        let_wait(&r, 1);
        enter_nowait(&r);
        ck_assert_int_eq(pen_condition_notify_all(other), 0);
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "");
        notify(&r, 1);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a");
}
END_TEST

/* --- cancelled -------------------------------------------------------------------------------- */

START_TEST(cancelled_waiter_has_the_lock_again)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 2);
        enter_nowait(&r);
        pen_task_cancel(r.w.tasks[0]);
        world_run_until_idle(&r.w);
        ck_assert(!pen_task_done(r.w.tasks[0])); /* it waits for the lock */
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_int_eq(pen_task_result(r.w.tasks[0]), -ECANCELED);
        ck_assert_str_eq(r.w.trace, "a!"); /* it was not notified: it wakes nobody */
        notify(&r, 1);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a!b");
}
END_TEST

START_TEST(cancelled_when_notified_passes_it_on)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 5);
        notify(&r, 2);
        pen_task_cancel(r.w.tasks[0]);
        pen_task_cancel(r.w.tasks[1]);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a!b!cd");
        ck_assert_int_eq(pen_task_result(r.w.tasks[0]), -ECANCELED);
        ck_assert_int_eq(pen_task_result(r.w.tasks[1]), -ECANCELED);
}
END_TEST

START_TEST(cancelled_before_it_was_notified_passes_it_on)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 3);
        pen_task_cancel(r.w.tasks[0]);
        notify(&r, 1); /* the first in line has not run yet */
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a!b");
}
END_TEST

START_TEST(cancelled_while_it_waits_for_the_lock_again_passes_it_on)
{
        PEN_CLEANUP(room_deinit) struct room r = room();

        let_wait(&r, 3);
        enter_nowait(&r);
        ck_assert_int_eq(pen_condition_notify(r.condition, 1), 0);
        world_run_until_idle(&r.w);
        pen_task_cancel(r.w.tasks[0]);
        world_run_until_idle(&r.w);
        ck_assert(!pen_task_done(r.w.tasks[0])); /* waits for the lock, uninterruptibly */
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a!b");
        ck_assert_int_eq(pen_task_result(r.w.tasks[0]), -ECANCELED);
}
END_TEST

static int wait_and_clean_up(void *arg)
{
        struct room *room = arg;
        int r = enter(room);

        if (r < 0)
                return r;
        r = wait_inside(room);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 2);
        ck_assert_int_eq(pen_sleep(1), 0); /* cleanup may wait */
        world_say(&room->w, "cleaned");
        leave(room);
        return r;
}

START_TEST(cancelled_again_while_it_waits_for_the_lock_is_told_once)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *t = world_spawn(&r.w, wait_and_clean_up);

        world_run_until_idle(&r.w);
        enter_nowait(&r);
        pen_task_cancel(t);
        world_run_until_idle(&r.w);
        pen_task_cancel(t);
        world_run_until_idle(&r.w);
        leave(&r);
        world_advance(&r.w, 1);
        ck_assert_str_eq(r.w.trace, "cleaned");
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

static int wait_though_cancelled(void *arg)
{
        struct room *room = arg;
        int r = enter(room);

        if (r < 0)
                return r;
        ck_assert_int_eq(pen_sleep(1), 0);
        pen_task_cancel(pen_task_current());
        room->open = true;
        r = pen_condition_wait_for(room->condition, is_open, room);
        ck_assert_int_eq(r, -ECANCELED); /* though it need not wait */
        pen_task_cancel(pen_task_current());
        r = pen_condition_wait(room->condition);
        world_say(&room->w, "kept");
        leave(room);
        return r;
}

START_TEST(cancelled_before_it_waits_keeps_the_lock)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *t = world_spawn(&r.w, wait_though_cancelled);

        world_spawn_named(&r.w, "b", pass_through); /* waits for the lock */
        world_advance(&r.w, 1);
        ck_assert_str_eq(r.w.trace, "keptb");
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

static int wait_patiently(void *arg)
{
        struct room *room = arg;
        struct pen_timeout scope;
        int r = enter(room);

        if (r < 0)
                return r;
        pen_timeout_begin(&scope, 10);
        r = pen_timeout_end(&scope, wait_inside(room));
        world_say(&room->w, "%s%s", ME, r == -ETIME ? "?" : "");
        leave(room);
        return r;
}

START_TEST(deadline_ends_the_wait_with_the_lock_held)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *a = world_spawn_named(&r.w, "a", wait_patiently);

        world_advance(&r.w, 9);
        ck_assert(!pen_task_done(a));
        world_advance(&r.w, 1);
        ck_assert_int_eq(pen_task_result(a), -ETIME);
        ck_assert(!pen_lock_locked(r.w.lock));
}
END_TEST

START_TEST(deadline_of_a_notified_waiter_passes_it_on)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *a = world_spawn_named(&r.w, "a", wait_patiently);

        world_spawn_named(&r.w, "b", wait_once);
        world_run_until_idle(&r.w);
        enter_nowait(&r);
        ck_assert_int_eq(pen_condition_notify(r.condition, 1), 0);
        world_advance(&r.w, 20); /* too late when it gets the lock */
        leave(&r);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "a?b");
        ck_assert_int_eq(pen_task_result(a), -ETIME);
}
END_TEST

/* --- wait_for --------------------------------------------------------------------------------- */

static bool is_open_now(void *arg)
{
        struct room *room = arg;

        ck_assert(pen_lock_locked(room->w.lock));
        world_say(&room->w, "%c", room->open ? 'y' : 'n');
        return room->open;
}

static int wait_until_open(void *arg)
{
        struct room *room = arg;
        int r = pen_lock_acquire(room->w.lock);

        if (r < 0)
                return r;
        r = pen_condition_wait_for(room->condition, is_open_now, room);
        entered(room);
        leave(room);
        return r;
}

START_TEST(wait_for_looks_again_at_each_notification)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *t = world_spawn(&r.w, wait_until_open);

        world_run_until_idle(&r.w);
        notify(&r, 1);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "nn");
        r.open = true; /* nobody looks until told */
        world_run_until_idle(&r.w);
        ck_assert(!pen_task_done(t));
        notify(&r, 1);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "nny");
        ck_assert_int_eq(pen_task_result(t), 0);
}
END_TEST

START_TEST(cancelled_wait_for_looks_no_more)
{
        PEN_CLEANUP(room_deinit) struct room r = room();
        struct pen_task *t = world_spawn(&r.w, wait_until_open);

        world_run_until_idle(&r.w);
        r.open = true;
        pen_task_cancel(t);
        world_run_until_idle(&r.w);
        ck_assert_str_eq(r.w.trace, "n");
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert(!pen_lock_locked(r.w.lock));
}
END_TEST

START_TEST(made_in_a_loop_only_and_none_may_be_freed)
{
        struct pen_condition *condition = NULL;

        ck_assert_int_eq(pen_condition_create(NULL, &condition), -ENXIO);
        pen_condition_free(condition);
        pen_condition_freep(&condition);
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

#define N_WORKERS 6
#define N_VICTIMS 4 /* of them, who are cancelled some time, and leave */
#define N_ITEMS 15

/* A buffer between those who fill and those who drain it. Each notifies one: if that is lost, the
 * one of each kind that is left at last waits for ever. */
struct buffer {
        struct world w;
        struct random random;
        struct pen_condition *not_full, *not_empty;
        const void *holder;
        int n, room, n_fillers;
        int n_put, n_got;
};

static int buffer_enter(struct buffer *b)
{
        int r = pen_lock_acquire(b->w.lock);

        if (r < 0)
                return r;
        ck_assert_ptr_null(b->holder);
        b->holder = pen_task_current();
        return 0;
}

static void buffer_leave(struct buffer *b)
{
        ck_assert_ptr_eq(b->holder, pen_task_current());
        b->holder = NULL;
        ck_assert_int_eq(pen_lock_release(b->w.lock), 0);
}

static int buffer_wait(struct buffer *b, struct pen_condition *condition)
{
        int r;

        b->holder = NULL;
        r = pen_condition_wait(condition);
        ck_assert_ptr_null(b->holder);
        b->holder = pen_task_current();
        return r;
}

static int fill_one(struct buffer *b)
{
        int r = buffer_enter(b);

        if (r < 0)
                return r;
        while (r == 0 && b->n == b->room)
                r = buffer_wait(b, b->not_full);
        if (r == 0) {
                b->n++;
                b->n_put++;
                ck_assert_int_eq(pen_condition_notify(b->not_empty, 1), 0);
                r = pen_sleep(random_below(&b->random, 3)); /* with the lock */
        }
        buffer_leave(b);
        return r;
}

/* 1: got one; 0: there will be none */
static int drain_one(struct buffer *b)
{
        int r = buffer_enter(b);

        if (r < 0)
                return r;
        while (r == 0 && b->n == 0 && b->n_fillers > 0)
                r = buffer_wait(b, b->not_empty);
        if (r == 0 && b->n > 0) {
                b->n--;
                b->n_got++;
                ck_assert_int_eq(pen_condition_notify(b->not_full, 1), 0);
                r = 1;
        }
        buffer_leave(b);
        return r;
}

static int fill(void *arg)
{
        struct buffer *b = arg;
        int r = 0;

        for (int i = 0; r == 0 && i < N_ITEMS; i++) {
                r = fill_one(b);
                if (r == 0)
                        r = pen_sleep(random_below(&b->random, 4));
        }
        pen_uncancellable_begin();
        ck_assert_int_eq(buffer_enter(b), 0);
        if (--b->n_fillers == 0)
                ck_assert_int_eq(pen_condition_notify_all(b->not_empty), 0);
        buffer_leave(b);
        pen_uncancellable_end();
        return r;
}

static int drain(void *arg)
{
        struct buffer *b = arg;
        int r;

        while ((r = drain_one(b)) > 0) {
                r = pen_sleep(random_below(&b->random, 4));
                if (r < 0)
                        break;
        }
        return r;
}

static int cancel_victims(void *arg)
{
        struct buffer *b = arg;

        for (int i = 0; i < N_VICTIMS; i++) {
                ck_assert_int_eq(pen_sleep(random_below(&b->random, 10)), 0);
                pen_task_cancel(b->w.tasks[i]);
        }
        return 0;
}

START_TEST(random_cancellation_loses_no_notification)
{
        for (uint64_t seed = 1; seed <= many(500, 50); seed++) {
                struct buffer b = { .room = 1 + (int)(seed % 3) };

                random_seed(&b.random, seed);
                world_init_seeded(&b.w, seed % 2 ? seed : 0);
                ck_assert_int_eq(pen_lock_create(&b.w.lock), 0);
                ck_assert_int_eq(pen_condition_create(b.w.lock, &b.not_full), 0);
                ck_assert_int_eq(pen_condition_create(b.w.lock, &b.not_empty), 0);
                for (int i = 0; i < N_WORKERS; i++) {
                        world_spawn_arg(&b.w, i % 2 ? fill : drain, &b);
                        b.n_fillers += i % 2;
                }
                world_spawn_arg(&b.w, cancel_victims, &b);
                world_advance(&b.w, PEN_SEC);
                for (size_t i = 0; i < b.w.n_tasks; i++) {
                        int r = pen_task_result(b.w.tasks[i]);

                        ck_assert(r == 0 || (r == -ECANCELED && i < N_VICTIMS));
                }
                ck_assert_int_eq(b.n_got, b.n_put);
                ck_assert_int_ge(b.n_put, N_ITEMS * (N_WORKERS - N_VICTIMS) / 2);
                ck_assert(!pen_lock_locked(b.w.lock));
                world_deinit(&b.w);
                pen_condition_free(b.not_full);
                pen_condition_free(b.not_empty);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "condition", notified_go_on_in_order_when_they_get_the_lock,
                as_many_are_notified_as_was_said,
                notify_all_wakes_all_who_wait_and_nobody_who_comes_later,
                without_the_lock_nobody_waits_or_notifies, outside_of_a_task_the_lock_is_kept,
                conditions_of_one_lock_are_told_apart, cancelled_waiter_has_the_lock_again,
                cancelled_when_notified_passes_it_on, cancelled_before_it_was_notified_passes_it_on,
                cancelled_while_it_waits_for_the_lock_again_passes_it_on,
                cancelled_again_while_it_waits_for_the_lock_is_told_once,
                cancelled_before_it_waits_keeps_the_lock, deadline_ends_the_wait_with_the_lock_held,
                deadline_of_a_notified_waiter_passes_it_on,
                wait_for_looks_again_at_each_notification, cancelled_wait_for_looks_no_more,
                random_cancellation_loses_no_notification,
                made_in_a_loop_only_and_none_may_be_freed);
}
