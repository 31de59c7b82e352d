#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>
#include <penstock/wait.h>

#define N 3

struct party {
        struct world w;
        struct pen_task *tasks[N], *taker;
        size_t n;
        pen_usec timeout;
        struct pen_as_completed *done;
};

/* Takes one and says it: "result@time "; answers what `next` did. */
static int take_one(void *party)
{
        struct party *p = party;
        struct pen_task *task = NULL;
        int r = pen_as_completed_next(p->done, &task);

        if (r > 0)
                world_say(&p->w, "%d@%d ", pen_task_result(task), (int)pen_now());
        else
                ck_assert_ptr_null(task);
        return r;
}

/* Takes them all, and answers what the last `next` did. */
static int take_all(void *party)
{
        struct party *p = party;
        int r;

        ck_assert_int_eq(pen_as_completed_create(p->tasks, p->n, p->timeout, &p->done), 0);
        while ((r = take_one(p)) > 0)
                ;
        ck_assert_int_eq(take_one(p), r == -ECANCELED ? take_one(p) : r); /* and for good */
        return r;
}

static void party_init(struct party *p, struct work *works, size_t n, pen_usec timeout)
{
        *p = (struct party){ .n = n, .timeout = timeout };
        world_init(&p->w);
        for (size_t i = 0; i < n; i++)
                p->tasks[i] = world_spawn_arg(&p->w, work, &works[i]);
}

static void party_deinit(struct party *p)
{
        pen_as_completed_freep(&p->done);
        world_deinit(&p->w);
}

/* Takes all of a new party: what was said, and what the end was. */
static void play(struct work *works, size_t n, pen_usec timeout, const char *said, int answer)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, n, timeout);
        p.taker = world_spawn_arg(&p.w, take_all, &p);
        world_advance(&p.w, PEN_HOUR);
        ck_assert_str_eq(p.w.trace, said);
        ck_assert_int_eq(pen_task_result(p.taker), answer);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(pen_task_result(p.tasks[i]), works[i].result);
}

/* --- order -------------------------------------------------------------------------------------- */

START_TEST(tasks_come_in_the_order_in_which_they_end)
{
        struct work works[N] = { WORK(30, 1), WORK(10, -5), WORK(20, 3) };

        play(works, N, PEN_FOREVER, "-5@10 3@20 1@30 ", 0);
}
END_TEST

START_TEST(those_that_end_in_one_turn_come_one_by_one)
{
        struct work works[N] = { WORK(10, 1), WORK(5, 2), WORK(10, 3) };

        play(works, N, PEN_FOREVER, "2@5 1@10 3@10 ", 0);
}
END_TEST

START_TEST(of_nobody_there_are_no_more_at_once)
{
        play(NULL, 0, 0, "", 0);
        play(NULL, 0, PEN_FOREVER, "", 0);
}
END_TEST

START_TEST(those_that_had_ended_come_first_and_in_the_order_given)
{
        struct work works[N] = { WORK(20, 1), WORK(30, 2), WORK(10, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        world_advance(&p.w, 25);
        p.taker = world_spawn_arg(&p.w, take_all, &p);
        world_run_until_idle(&p.w);
        ck_assert_str_eq(p.w.trace, "1@25 3@25 ");
        world_advance(&p.w, 5);
        ck_assert_str_eq(p.w.trace, "1@25 3@25 2@30 ");
        ck_assert_int_eq(pen_task_result(p.taker), 0);
}
END_TEST

START_TEST(task_that_is_given_twice_comes_twice)
{
        struct work works[N] = { WORK(20, 1), WORK(10, 2), WORK(0, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        p.tasks[2] = p.tasks[0];
        p.taker = world_spawn_arg(&p.w, take_all, &p);
        world_advance(&p.w, 20);
        ck_assert_str_eq(p.w.trace, "2@10 1@20 1@20 ");
        ck_assert_int_eq(pen_task_result(p.taker), 0);
}
END_TEST

/* --- time ----------------------------------------------------------------------------------------- */

START_TEST(time_that_is_over_is_told_after_those_that_ended)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };

        play(works, N, 25, "2@10 3@20 ", -ETIME);
        play(works, N, 5, "", -ETIME);
        play(works, N, 0, "", -ETIME);
}
END_TEST

START_TEST(time_that_was_not_needed_is_not_told)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };

        play(works, N, 31, "2@10 3@20 1@30 ", 0);
}
END_TEST

/* The taker is busy elsewhere when it happens. */
START_TEST(what_ends_before_the_time_comes_after_it_and_the_rest_never)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, 0);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, 25, &p.done), 0);
        world_advance(&p.w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p.tasks[0]), 1);
        for (int i = 0; i < N + 1; i++)
                p.taker = world_spawn_arg(&p.w, take_one, &p);
        world_run_until_idle(&p.w);
        ck_assert_str_eq(strchr(p.w.trace, '2'), p.w.trace);
        ck_assert_ptr_nonnull(strstr(p.w.trace, " 3@"));
        ck_assert_ptr_null(strstr(p.w.trace, " 1@"));
        ck_assert_int_eq(pen_task_result(p.taker), -ETIME);
}
END_TEST

START_TEST(time_that_is_over_after_all_have_ended_is_void)
{
        struct work works[N] = { WORK(1, 1), WORK(2, 2), WORK(3, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, 0);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, 25, &p.done), 0);
        world_advance(&p.w, PEN_HOUR);
        for (int i = 0; i < N + 1; i++)
                p.taker = world_spawn_arg(&p.w, take_one, &p);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_task_result(p.taker), 0);
        ck_assert_uint_eq(strlen(p.w.trace) / N, strlen("1@3600000000 "));
}
END_TEST

/* --- cancelled -------------------------------------------------------------------------------------- */

static void cancel_the_taker_after(struct party *p, pen_usec usec)
{
        ck_assert_int_eq(pen_as_completed_create(p->tasks, N, PEN_FOREVER, &p->done), 0);
        p->taker = world_spawn_arg(&p->w, take_one, p);
        world_advance(&p->w, usec);
        ck_assert(pen_task_cancel(p->taker));
        world_run_until_idle(&p->w);
        ck_assert_int_eq(pen_task_result(p->taker), -ECANCELED);
        ck_assert_str_eq(p->w.trace, "");
}

START_TEST(cancelled_next_loses_nothing_and_the_tasks_run_on)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        cancel_the_taker_after(&p, 5);
        for (int i = 0; i < N; i++) {
                p.taker = world_spawn_arg(&p.w, take_one, &p);
                world_advance(&p.w, 10);
                ck_assert_int_eq(pen_task_result(p.taker), 1);
        }
        ck_assert_str_eq(p.w.trace, "2@10 3@20 1@30 ");
}
END_TEST

/* Wakes behind the task that ends, and before the taker that this one wakes by its end. */
static int cancel_taker_at_10(void *party)
{
        struct party *p = party;

        ck_assert_int_eq(pen_sleep(10), 0);
        ck_assert(pen_task_done(p->tasks[1]));
        ck_assert(pen_task_cancel(p->taker));
        return 0;
}

START_TEST(cancelled_as_one_ends_it_stays_for_the_next)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, PEN_FOREVER, &p.done), 0);
        p.taker = world_spawn_arg(&p.w, take_one, &p);
        world_spawn_arg(&p.w, cancel_taker_at_10, &p);
        world_advance(&p.w, 10);
        ck_assert_int_eq(pen_task_result(p.taker), -ECANCELED);
        world_spawn_arg(&p.w, take_one, &p);
        world_run_until_idle(&p.w);
        ck_assert_str_eq(p.w.trace, "2@10 ");
}
END_TEST

static int take_when_cancelled(void *party)
{
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(take_one(party), -ECANCELED);
        return take_one(party);
}

START_TEST(cancellation_is_delivered_though_one_has_ended)
{
        struct work works[N] = { WORK(0, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, PEN_FOREVER, &p.done), 0);
        p.taker = world_spawn_arg(&p.w, take_when_cancelled, &p);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_task_result(p.taker), 1);
        ck_assert_str_eq(p.w.trace, "1@0 ");
}
END_TEST

static int take_all_within(void *party)
{
        return pen_within(15, take_all, party);
}

START_TEST(deadline_around_the_loop_ends_the_loop_alone)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, works, N, PEN_FOREVER);
        p.taker = world_spawn_arg(&p.w, take_all_within, &p);
        world_advance(&p.w, 15);
        ck_assert_str_eq(p.w.trace, "2@10 ");
        world_advance(&p.w, 15);
        ck_assert_int_eq(pen_task_result(p.tasks[0]), 1);
}
END_TEST

/* --- life ------------------------------------------------------------------------------------------- */

START_TEST(only_one_may_wait_in_it)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        PEN_CLEANUP(party_deinit) struct party p;
        struct pen_task *second;

        party_init(&p, works, N, PEN_FOREVER);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, PEN_FOREVER, &p.done), 0);
        p.taker = world_spawn_arg(&p.w, take_one, &p);
        second = world_spawn_arg(&p.w, take_one, &p);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_task_result(second), -EBUSY);
        world_advance(&p.w, 10);
        ck_assert_int_eq(pen_task_result(p.taker), 1);
        second = world_spawn_arg(&p.w, take_one, &p);
        world_advance(&p.w, 10);
        ck_assert_int_eq(pen_task_result(second), 1);
}
END_TEST

/* Nobody else has a handle, and the first was freed half-way. */
static int give_up_half_way(void *arg)
{
        struct work works[N] = { WORK(30, 1), WORK(10, 2), WORK(20, 3) };
        struct pen_task *tasks[N], *task;
        struct pen_as_completed *first, *second;

        (void)arg;
        for (size_t i = 0; i < N; i++)
                ck_assert_int_eq(pen_spawn(work, &works[i], &tasks[i]), 0);
        ck_assert_int_eq(pen_as_completed_create(tasks, N, PEN_HOUR, &first), 0);
        ck_assert_int_eq(pen_as_completed_create(tasks, N, PEN_HOUR, &second), 0);
        for (size_t i = 0; i < N; i++)
                pen_task_unref(tasks[i]);
        ck_assert_int_eq(pen_as_completed_next(first, &task), 1);
        ck_assert_int_eq(pen_task_result(task), 2);
        pen_as_completed_free(first);
        ck_assert_int_eq(pen_as_completed_next(second, &task), 1);
        ck_assert_int_eq(pen_task_result(task), 2);
        ck_assert_int_eq(pen_as_completed_next(second, &task), 1);
        ck_assert_int_eq(pen_task_result(task), 3);
        pen_as_completed_free(second);
        return pen_sleep(PEN_DAY) == 0;
}

START_TEST(it_keeps_the_tasks_and_may_be_freed_half_way)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, give_up_half_way);
        world_advance(&w, 2 * PEN_DAY);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

static int wait_for_myself(void *arg)
{
        struct pen_as_completed *none = NULL;
        struct pen_task *me = pen_task_current();

        (void)arg;
        ck_assert_int_eq(pen_as_completed_create(&me, 1, PEN_FOREVER, &none), -EDEADLK);
        ck_assert_ptr_null(none);
        return 1;
}

START_TEST(it_needs_a_loop_and_others_to_wait_for)
{
        struct work works[N] = { WORK(0, 1), WORK(10, 2), WORK(20, 3) };
        struct pen_as_completed *none = NULL;
        struct pen_task *t;

        ck_assert_int_eq(pen_as_completed_create(NULL, 0, 0, &none), -ENXIO);
        ck_assert_ptr_null(none);
        pen_as_completed_free(none);
        pen_as_completed_freep(&none);

        PEN_CLEANUP(party_deinit) struct party p;
        party_init(&p, works, N, PEN_FOREVER);
        t = world_spawn(&p.w, wait_for_myself);
        world_run_until_idle(&p.w);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_int_eq(pen_as_completed_create(p.tasks, N, PEN_FOREVER, &p.done), 0);
        ck_assert_int_eq(take_one(&p), 1);
        ck_assert_int_eq(take_one(&p), -EDEADLK);
        world_advance(&p.w, 10);
        ck_assert_int_eq(take_one(&p), 1);
}
END_TEST

static int take_a_failure(void *world)
{
        struct world *w = world;
        struct work bad = WORK(1, -EIO);
        struct pen_as_completed *done;
        struct pen_task *task;

        ck_assert_int_eq(pen_spawn(work, &bad, &task), 0);
        ck_assert_int_eq(pen_as_completed_create(&task, 1, PEN_FOREVER, &done), 0);
        pen_task_unref(task);
        ck_assert_int_eq(pen_as_completed_next(done, &task), 1);
        if (w->result)
                ck_assert_int_eq(pen_task_result(task), -EIO);
        pen_as_completed_free(done);
        return 1;
}

START_TEST(failure_is_logged_if_its_result_was_not_looked_at)
{
        for (int look = 0; look < 2; look++) {
                PEN_CLEANUP(world_deinit) struct world w;

                world_init(&w);
                w.result = look;
                world_spawn(&w, take_a_failure);
                world_advance(&w, 1);
                ck_assert_int_eq(!strstr(w.log, "nobody asked"), look);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("as_completed", tasks_come_in_the_order_in_which_they_end,
                         those_that_end_in_one_turn_come_one_by_one,
                         of_nobody_there_are_no_more_at_once,
                         those_that_had_ended_come_first_and_in_the_order_given,
                         task_that_is_given_twice_comes_twice,
                         time_that_is_over_is_told_after_those_that_ended,
                         time_that_was_not_needed_is_not_told,
                         what_ends_before_the_time_comes_after_it_and_the_rest_never,
                         time_that_is_over_after_all_have_ended_is_void,
                         cancelled_next_loses_nothing_and_the_tasks_run_on,
                         cancelled_as_one_ends_it_stays_for_the_next,
                         cancellation_is_delivered_though_one_has_ended,
                         deadline_around_the_loop_ends_the_loop_alone, only_one_may_wait_in_it,
                         it_keeps_the_tasks_and_may_be_freed_half_way,
                         it_needs_a_loop_and_others_to_wait_for,
                         failure_is_logged_if_its_result_was_not_looked_at);
}
