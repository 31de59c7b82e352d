#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>
#include <penstock/wait.h>

#define N 6

struct party {
        struct world w;
        struct work works[N];
        struct pen_task *caller;
        size_t n, limit, running, most, begun, ended;
        pen_usec returned;
};

/* One item: a work. Says "begun@time". */
static int do_item(void *item, void *party)
{
        struct party *p = party;
        int r;

        world_say(&p->w, "%d@%d ", (int)((struct work *)item - p->works), (int)pen_now());
        p->begun++;
        p->running++;
        p->most = MAX(p->most, p->running);
        r = work(item);
        p->running--;
        p->ended++;
        return r;
}

static int do_each(void *party)
{
        struct party *p = party;
        void *items[N];
        int r;

        for (size_t i = 0; i < N; i++)
                items[i] = &p->works[i];
        r = pen_each(items, p->n, p->limit, do_item, p);
        ck_assert_uint_eq(p->running, 0);
        p->returned = pen_now();
        return r;
}

/* Items that take 10, 20 ... and answer 0, 1 ... */
static void party_init(struct party *p, size_t limit)
{
        *p = (struct party){ .n = N, .limit = limit };
        for (size_t i = 0; i < N; i++)
                p->works[i] = (struct work)WORK(10 * (i + 1), (int)i);
        world_init(&p->w);
}

static void party_deinit(struct party *p)
{
        world_deinit(&p->w);
}

static void party_begin(struct party *p)
{
        p->caller = world_spawn_arg(&p->w, do_each, p);
        world_run_until_idle(&p->w);
}

static void party_end(struct party *p, int answer, pen_usec returned)
{
        world_advance(&p->w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(p->caller), answer);
        ck_assert_uint_eq(p->returned, returned);
        ck_assert_str_eq(p->w.log, "");
}

/* --- the limit ------------------------------------------------------------------------------------ */

START_TEST(items_are_begun_in_order_and_never_more_than_the_limit_at_once)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 2);
        party_begin(&p);
        party_end(&p, 0, 120);
        ck_assert_uint_eq(p.ended, N);
        ck_assert_uint_eq(p.most, 2);
        ck_assert_str_eq(p.w.trace, "0@0 1@0 2@10 3@20 4@40 5@60 ");
}
END_TEST

START_TEST(limit_of_one_is_one_after_the_other)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 1);
        party_begin(&p);
        party_end(&p, 0, 210);
        ck_assert_str_eq(p.w.trace, "0@0 1@10 2@30 3@60 4@100 5@150 ");
}
END_TEST

START_TEST(limit_may_be_higher_than_the_number_of_items)
{
        for (size_t limit = N; limit <= SIZE_MAX - 1; limit += SIZE_MAX - 1 - N) {
                PEN_CLEANUP(party_deinit) struct party p;

                party_init(&p, limit);
                party_begin(&p);
                party_end(&p, 0, 60);
                ck_assert_uint_eq(p.most, N);
                if (limit > N)
                        break;
        }
}
END_TEST

START_TEST(no_items_are_done_at_once)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 3);
        p.n = 0;
        party_begin(&p);
        party_end(&p, 0, 0);
        ck_assert_str_eq(p.w.trace, "");
}
END_TEST

START_TEST(order_and_limit_hold_whatever_the_order_of_the_tasks)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                PEN_CLEANUP(party_deinit) struct party p;
                size_t limit = 1 + seed % N;
                int next = 0;

                party_init(&p, limit);
                world_deinit(&p.w);
                world_init_seeded(&p.w, seed);
                for (size_t i = 0; i < N; i++)
                        p.works[i] = (struct work)WORK(seed % 3, 0);
                party_begin(&p);
                party_end(&p, 0, seed % 3 * ((N + limit - 1) / limit));
                ck_assert_uint_le(p.most, limit);
                for (char *s = p.w.trace; *s; s = strchr(s, ' ') + 1)
                        ck_assert_int_eq(*s - '0', next++);
                ck_assert_int_eq(next, N);
        }
}
END_TEST

static int count(void *item, void *arg)
{
        (void)item;
        ++*(size_t *)arg;
        return pen_yield();
}

static int count_many(void *counted)
{
        static void *items[1000];

        return pen_each(items, ARRAY_SIZE(items), 10, count, counted);
}

START_TEST(a_thousand_items_ten_at_a_time)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;
        size_t counted = 0;

        world_init(&w);
        t = world_spawn_arg(&w, count_many, &counted);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 0);
        ck_assert_uint_eq(counted, 1000);
}
END_TEST

/* The first item leaves a request behind, undelivered. */
static int cancel_myself(void *item, void *arg)
{
        (void)arg;
        ck_assert_uint_eq(pen_cancelling(), 0);
        if (*(int *)item == 0)
                pen_task_cancel(pen_task_current());
        return *(int *)item == 0 ? 0 : pen_yield();
}

static int cancel_first_of_three(void *arg)
{
        int values[] = { 0, 1, 2 };
        void *items[] = { &values[0], &values[1], &values[2] };

        (void)arg;
        return pen_each(items, 3, 1, cancel_myself, NULL);
}

START_TEST(each_item_has_a_task_of_its_own)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, cancel_first_of_three);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 0);
}
END_TEST

/* --- failing -------------------------------------------------------------------------------------- */

START_TEST(first_error_cancels_what_runs_waits_for_it_and_begins_nothing_new)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 3);
        p.works[0].cancelled_result = -EPIPE;
        p.works[1] = (struct work)WORK(5, -EIO);
        p.works[2].cleanup = 7;
        party_begin(&p);
        party_end(&p, -EIO, 12);
        ck_assert_str_eq(p.w.trace, "0@0 1@0 2@0 ");
        ck_assert_uint_eq(p.ended, 3);
}
END_TEST

/* The one that fails leaves room for another; and those that have a task but not yet their item
 * shall not begin it. */
START_TEST(item_that_fails_at_once_keeps_the_others_from_beginning)
{
        for (size_t limit = 1; limit <= N; limit++) {
                PEN_CLEANUP(party_deinit) struct party p;

                party_init(&p, limit);
                p.works[0] = (struct work)WORK(0, -EIO);
                party_begin(&p);
                party_end(&p, -EIO, 0);
                ck_assert_uint_eq(p.begun,
                                  limit); /* work of 0 yields once: those beside it begin */
        }
}
END_TEST

static int fail_at_once(void *item, void *arg)
{
        (void)item;
        return ++*(int *)arg == 1 ? -EIO : 0;
}

static int fail_first_of_three(void *begun)
{
        void *items[3] = { 0 };

        return pen_each(items, 3, 3, fail_at_once, begun);
}

START_TEST(item_whose_task_has_not_run_is_not_begun_after_an_error)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;
        int begun = 0;

        world_init(&w);
        t = world_spawn_arg(&w, fail_first_of_three, &begun);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -EIO);
        ck_assert_int_eq(begun, 1);
}
END_TEST

START_TEST(item_that_answers_ecanceled_has_failed_too)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 2);
        p.works[1] = (struct work)WORK(5, -ECANCELED);
        party_begin(&p);
        party_end(&p, -ECANCELED, 5);
        ck_assert_str_eq(p.w.trace, "0@0 1@0 ");
}
END_TEST

START_TEST(cleanup_of_an_item_is_not_interrupted_by_another_failure)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 3);
        p.works[0] = (struct work)WORK(100, 0, .cleanup = 20); /* insists that nobody does */
        p.works[1] = (struct work)WORK(100, 0, .cleanup = 10, .cancelled_result = -EPIPE);
        p.works[2] = (struct work)WORK(5, -EIO);
        party_begin(&p);
        party_end(&p, -EIO, 25);
}
END_TEST

/* --- cancelled ------------------------------------------------------------------------------------ */

START_TEST(cancelled_it_cancels_what_runs_and_waits_for_it)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 2);
        p.works[0].cleanup = 7;
        p.works[1].cancelled_result = -EIO;
        party_begin(&p);
        world_advance(&p.w, 5);
        pen_task_cancel(p.caller);
        party_end(&p, -ECANCELED, 12);
        ck_assert_str_eq(p.w.trace, "0@0 1@0 ");
}
END_TEST

START_TEST(cancelled_it_is_cancelled_even_if_all_swallow_it)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, N);
        for (size_t i = 0; i < N; i++)
                p.works[i].cancelled_result = 5;
        party_begin(&p);
        pen_task_cancel(p.caller);
        party_end(&p, -ECANCELED, 0);
        ck_assert_uint_eq(p.ended, N);
}
END_TEST

START_TEST(cancelled_before_it_begins_nothing)
{
        for (size_t n = 0; n <= N; n += N) {
                PEN_CLEANUP(party_deinit) struct party p;

                party_init(&p, 2);
                p.n = n;
                p.caller = world_spawn_arg(&p.w, do_each, &p);
                pen_task_cancel(p.caller);
                party_end(&p, -ECANCELED, 0);
                ck_assert_str_eq(p.w.trace, "");
        }
}
END_TEST

static int do_each_then_yield(void *party)
{
        struct party *p = party;

        p->w.result = do_each(party);
        return pen_yield();
}

START_TEST(cancelled_while_others_clean_up_after_an_error_the_request_stays)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 2);
        p.works[0].cleanup = 7;
        p.works[1] = (struct work)WORK(5, -EIO);
        p.caller = world_spawn_arg(&p.w, do_each_then_yield, &p);
        world_advance(&p.w, 6);
        pen_task_cancel(p.caller);
        party_end(&p, -ECANCELED, 12);
        ck_assert_int_eq(p.w.result, -EIO);
}
END_TEST

static int do_each_within(void *party)
{
        return pen_within(15, do_each, party);
}

START_TEST(deadline_around_it_is_told_as_such)
{
        PEN_CLEANUP(party_deinit) struct party p;

        party_init(&p, 2);
        p.caller = world_spawn_arg(&p.w, do_each_within, &p);
        party_end(&p, -ETIME, 15);
        ck_assert_str_eq(p.w.trace, "0@0 1@0 2@10 ");
}
END_TEST

/* --- refused -------------------------------------------------------------------------------------- */

static int limit_of_zero(void *arg)
{
        (void)arg;
        return pen_each(NULL, 0, 0, count, NULL);
}

START_TEST(limit_of_zero_and_the_root_are_refused)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        ck_assert_int_eq(pen_each(NULL, 0, 1, count, NULL), -EDEADLK);
        world_init(&w);
        ck_assert_int_eq(pen_each(NULL, 0, 1, count, NULL), -EDEADLK);
        t = world_spawn(&w, limit_of_zero);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -EINVAL);
}
END_TEST

static int each_without_stacks(void *arg)
{
        void *items[3] = { 0 };
        struct pen_loop *loop = pen_loop_current();
        struct stack_pool stacks = loop->stacks;
        size_t counted = 0;
        int r;

        (void)arg;
        loop->stacks.size = (size_t)1 << 45;
        loop->stacks.warm = loop->stacks.cold = NULL;
        r = pen_each(items, 3, 2, count, &counted);
        loop->stacks = stacks;
        ck_assert_uint_eq(counted, 0);
        return r;
}

START_TEST(task_that_cannot_be_had_is_no_memory)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn(&w, each_without_stacks);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ENOMEM);
}
END_TEST

int main(void)
{
        return RUN_SUITE("each", items_are_begun_in_order_and_never_more_than_the_limit_at_once,
                         limit_of_one_is_one_after_the_other,
                         limit_may_be_higher_than_the_number_of_items, no_items_are_done_at_once,
                         order_and_limit_hold_whatever_the_order_of_the_tasks,
                         a_thousand_items_ten_at_a_time, each_item_has_a_task_of_its_own,
                         first_error_cancels_what_runs_waits_for_it_and_begins_nothing_new,
                         item_that_fails_at_once_keeps_the_others_from_beginning,
                         item_whose_task_has_not_run_is_not_begun_after_an_error,
                         item_that_answers_ecanceled_has_failed_too,
                         cleanup_of_an_item_is_not_interrupted_by_another_failure,
                         cancelled_it_cancels_what_runs_and_waits_for_it,
                         cancelled_it_is_cancelled_even_if_all_swallow_it,
                         cancelled_before_it_begins_nothing,
                         cancelled_while_others_clean_up_after_an_error_the_request_stays,
                         deadline_around_it_is_told_as_such, limit_of_zero_and_the_root_are_refused,
                         task_that_cannot_be_had_is_no_memory);
}
