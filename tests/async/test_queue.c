#include "world.h"

#include <errno.h>

#include <penstock/queue.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

/* Items are numbers, from 1 on: pointers into this. */
static char items[100001];

#define ITEM(n) ((void *)&items[n])
#define NUMBER(item) ((int)((char *)(item)-items))

static int n_freed, sum_freed;

static void free_item(void *item)
{
        n_freed++;
        sum_freed += NUMBER(item);
}

static struct world world_with_queue(size_t maxsize)
{
        struct world w;

        n_freed = sum_freed = 0;
        world_init(&w);
        ck_assert_int_eq(pen_queue_create(maxsize, free_item, &w.queue), 0);
        return w;
}

static void fill(struct world *w, int first, int last)
{
        for (int i = first; i <= last; i++)
                ck_assert_int_eq(pen_queue_put_nowait(w->queue, ITEM(i)), 0);
}

/* Takes what is there, which should be these. */
static void expect(struct world *w, int first, int last)
{
        for (int i = first; i <= last; i++) {
                void *item;

                ck_assert_int_eq(pen_queue_get_nowait(w->queue, &item), 0);
                ck_assert_int_eq(NUMBER(item), i);
        }
}

/* Says its name and the item, or answers the error. */
static int get_one(void *world)
{
        struct world *w = world;
        void *item = NULL;
        int r = pen_queue_get(w->queue, &item);

        if (r < 0)
                ck_assert_ptr_null(item);
        else
                world_say(w, "%s%d ", ME, NUMBER(item));
        return r;
}

/* Puts the number that is its name. */
static int put_one(void *world)
{
        struct world *w = world;
        int r = pen_queue_put(w->queue, ITEM(atoi(ME)));

        if (r == 0)
                world_say(w, "put%s ", ME);
        return r;
}

static int join(void *world)
{
        struct world *w = world;

        return pen_queue_join(w->queue);
}

/* --- first in, first out ---------------------------------------------------------------------- */

START_TEST(items_leave_in_the_order_they_came)
{
        void *item = ITEM(9);
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(3);

        ck_assert(pen_queue_empty(w.queue));
        ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), -EAGAIN);
        ck_assert_int_eq(NUMBER(item), 9);
        for (int round = 0; round < 10; round++) {
                fill(&w, 1, 3);
                ck_assert_int_eq(pen_queue_put_nowait(w.queue, ITEM(4)), -EAGAIN);
                ck_assert(pen_queue_full(w.queue));
                expect(&w, 1, 1);
                ck_assert_uint_eq(pen_queue_size(w.queue), 2);
                ck_assert(!pen_queue_full(w.queue) && !pen_queue_empty(w.queue));
                fill(&w, 4, 4);
                expect(&w, 2, 4);
        }
}
END_TEST

START_TEST(unbounded_queue_grows_and_wraps_in_order)
{
        int in = 0, out = 0, n = (int)many(ARRAY_SIZE(items) - 1, 5000);
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(0);

        for (int step = 1; in < n; step = step * 3 + 1) { /* more in than out, from any offset */
                int more = MIN(step, n - in), less = more * 2 / 3;

                fill(&w, in + 1, in + more);
                in += more;
                ck_assert(!pen_queue_full(w.queue));
                expect(&w, out + 1, out + less);
                out += less;
                ck_assert_uint_eq(pen_queue_size(w.queue), (size_t)(in - out));
        }
        expect(&w, out + 1, in);
        ck_assert(pen_queue_empty(w.queue));
}
END_TEST

START_TEST(waiting_getters_are_served_in_the_order_they_came)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(2);

        world_spawn_named(&w, "a", get_one);
        world_spawn_named(&w, "b", get_one);
        world_spawn_named(&w, "c", get_one);
        world_run_until_idle(&w);
        fill(&w, 1, 2);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a1 b2 ");
        fill(&w, 3, 3);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a1 b2 c3 ");
}
END_TEST

START_TEST(waiting_putters_are_served_in_the_order_they_came)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);

        fill(&w, 1, 1);
        world_spawn_named(&w, "2", put_one);
        world_spawn_named(&w, "3", put_one);
        world_spawn_named(&w, "4", put_one);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "");
        expect(&w, 1, 1);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "put2 ");
        ck_assert(pen_queue_full(w.queue));
        expect(&w, 2, 2);
        world_run_until_idle(&w);
        expect(&w, 3, 3);
        world_run_until_idle(&w);
        expect(&w, 4, 4);
        ck_assert_str_eq(w.trace, "put2 put3 put4 ");
}
END_TEST

static int get_many(void *world)
{
        struct world *w = world;
        void *got[3];
        ssize_t n = pen_queue_get_many(w->queue, got, ARRAY_SIZE(got));

        for (ssize_t i = 0; i < n; i++)
                world_say(w, "%d ", NUMBER(got[i]));
        return (int)n;
}

START_TEST(get_many_takes_what_is_there_and_makes_room_for_all_it_took)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(3);

        t = world_spawn(&w, get_many);
        world_run_until_idle(&w);
        ck_assert(!pen_task_done(t)); /* waits for one */
        fill(&w, 1, 1);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);

        fill(&w, 2, 4);
        world_spawn_named(&w, "5", put_one);
        world_spawn_named(&w, "6", put_one);
        world_spawn_named(&w, "7", put_one);
        world_spawn_named(&w, "8", put_one);
        world_run_until_idle(&w);
        t = world_spawn(&w, get_many);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 3);
        ck_assert_str_eq(w.trace, "1 2 3 4 put5 put6 put7 ");
        expect(&w, 5, 7);
}
END_TEST

/* --- cancelled at the moment ------------------------------------------------------------------ */

START_TEST(cancelled_getter_loses_nothing)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(/* maxsize= */ 1);
        struct pen_task *getter = world_spawn(&w, get_one);

        world_run_until_idle(&w);
        pen_task_cancel(getter);
        ck_assert_int_eq(pen_queue_put_nowait(w.queue, ITEM(1)), 0);
        world_run_until_idle(&w);

        ck_assert_int_eq(pen_task_result(getter), -ECANCELED);
        ck_assert_uint_eq(pen_queue_size(w.queue), 1);
}
END_TEST

START_TEST(getter_cancelled_when_served_passes_the_item_on)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *a = world_spawn_named(&w, "a", get_one);
        struct pen_task *b = world_spawn_named(&w, "b", get_one);

        world_run_until_idle(&w);
        fill(&w, 1, 1); /* for a */
        pen_task_cancel(a);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), 0);
        ck_assert_str_eq(w.trace, "b1 ");
}
END_TEST

START_TEST(second_waiter_cancelled_at_the_put_takes_nothing_from_the_first)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *b;

        world_spawn_named(&w, "a", get_one);
        b = world_spawn_named(&w, "b", get_one);
        world_run_until_idle(&w);
        fill(&w, 1, 1);
        pen_task_cancel(b);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(b), -ECANCELED);
        ck_assert_str_eq(w.trace, "a1 ");
}
END_TEST

START_TEST(first_of_several_served_getters_cancelled_drops_nothing)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(0);
        struct pen_task *a = world_spawn_named(&w, "a", get_one);

        world_spawn_named(&w, "b", get_one);
        world_spawn_named(&w, "c", get_one);
        world_run_until_idle(&w);
        fill(&w, 1, 2); /* for a and b */
        pen_task_cancel(a);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "b1 c2 ");
        ck_assert(pen_queue_empty(w.queue));
}
END_TEST

static int try_again(struct world *w, int (*fn)(void *world))
{
        int r = fn(w);

        ck_assert_int_eq(r, -ECANCELED);
        return fn(w);
}

static int get_again(void *world)
{
        return try_again(world, get_one);
}

static int put_again(void *world)
{
        return try_again(world, put_one);
}

START_TEST(cancelled_when_served_may_try_again_and_keeps_the_order)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(2);
        struct pen_task *t = world_spawn_named(&w, "a", get_again);

        world_run_until_idle(&w);
        fill(&w, 1, 2);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "a1 ");

        fill(&w, 3, 3);
        t = world_spawn_named(&w, "4", put_again);
        world_run_until_idle(&w);
        expect(&w, 2, 2); /* room for it */
        pen_task_cancel(t);
        world_run_until_idle(&w);
        expect(&w, 3, 4);
        ck_assert(pen_queue_empty(w.queue));
}
END_TEST

START_TEST(putter_cancelled_when_served_passes_its_room_on)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *a, *b;

        fill(&w, 1, 1);
        a = world_spawn_named(&w, "2", put_one);
        b = world_spawn_named(&w, "3", put_one);
        world_run_until_idle(&w);
        expect(&w, 1, 1); /* room for a */
        pen_task_cancel(a);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), 0);
        expect(&w, 3, 3);
        ck_assert(pen_queue_empty(w.queue));
}
END_TEST

START_TEST(cancelled_waiters_are_skipped)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *a = world_spawn_named(&w, "a", get_one);

        world_spawn_named(&w, "b", get_one);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        fill(&w, 1, 1); /* a is still to run */
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "b1 ");

        fill(&w, 2, 2);
        a = world_spawn_named(&w, "3", put_one);
        world_spawn_named(&w, "4", put_one);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        expect(&w, 2, 2);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "b1 put4 ");
        expect(&w, 4, 4);
}
END_TEST

/* --- task_done and join ----------------------------------------------------------------------- */

START_TEST(join_waits_until_all_is_dealt_with)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(0);
        struct pen_task *a, *b;

        ck_assert_int_eq(pen_queue_join(w.queue), 0);
        ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
        fill(&w, 1, 2);
        a = world_spawn(&w, join);
        b = world_spawn(&w, join);
        world_run_until_idle(&w);
        expect(&w, 1, 2);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        world_run_until_idle(&w);
        ck_assert(!pen_task_done(a));
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
        fill(&w, 3, 3); /* too late for them */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), 0);
        ck_assert_int_eq(pen_task_result(b), 0);
}
END_TEST

START_TEST(cancelled_join_harms_nobody)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(0);
        struct pen_task *a, *b;

        fill(&w, 1, 1);
        a = world_spawn(&w, join);
        b = world_spawn(&w, join);
        world_run_until_idle(&w);
        pen_task_cancel(a);
        expect(&w, 1, 1);
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        ck_assert_int_eq(pen_task_result(b), 0);
        a = world_spawn(&w, join);
        pen_task_cancel(a); /* it need not wait, and is told all the same */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
}
END_TEST

START_TEST(item_that_was_not_put_needs_no_task_done)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *t;

        fill(&w, 1, 1);
        t = world_spawn_named(&w, "2", put_one);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_queue_put_nowait(w.queue, ITEM(3)), -EAGAIN);
        expect(&w, 1, 1);
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        ck_assert_int_eq(pen_queue_join(w.queue), 0);
        ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
}
END_TEST

/* --- shutdown and free ------------------------------------------------------------------------ */

START_TEST(shutdown_refuses_puts_and_lets_gets_drain)
{
        void *item = NULL;
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(2);
        struct pen_task *putter, *joiner, *late;

        fill(&w, 1, 2);
        putter = world_spawn_named(&w, "3", put_one);
        joiner = world_spawn(&w, join);
        world_run_until_idle(&w);
        pen_queue_shutdown(w.queue, false);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(putter), -EPIPE);
        ck_assert_int_eq(pen_queue_put_nowait(w.queue, ITEM(4)), -EPIPE); /* though it is full */
        ck_assert_int_eq(pen_queue_put(w.queue, ITEM(4)), -EPIPE);
        expect(&w, 1, 2);
        ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), -EPIPE);
        ck_assert_int_eq(pen_queue_get(w.queue, &item), -EPIPE);
        ck_assert_int_eq((int)pen_queue_get_many(w.queue, &item, 1), -EPIPE);
        late = world_spawn_named(&w, "a", get_one);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(late), -EPIPE);

        ck_assert(!pen_task_done(joiner));
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(joiner), 0);
        ck_assert_int_eq(n_freed, 0);
}
END_TEST

START_TEST(shutdown_wakes_all_who_wait)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *getters[3];

        for (size_t i = 0; i < ARRAY_SIZE(getters); i++)
                getters[i] = world_spawn(&w, i == 1 ? get_many : get_one);
        world_run_until_idle(&w);
        pen_queue_shutdown(w.queue, false);
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(getters); i++)
                ck_assert_int_eq(pen_task_result(getters[i]), -EPIPE);
        ck_assert_int_eq(pen_queue_join(w.queue), 0);
        pen_queue_shutdown(w.queue, true);
}
END_TEST

START_TEST(immediate_shutdown_frees_the_rest_and_counts_it_as_dealt_with)
{
        void *item = NULL;
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(3);
        struct pen_task *putters[2], *joiner;

        fill(&w, 1, 3);
        expect(&w, 1, 1);
        fill(&w, 4, 4);
        putters[0] = world_spawn_named(&w, "5", put_one);
        putters[1] = world_spawn_named(&w, "6", put_one);
        joiner = world_spawn(&w, join);
        world_run_until_idle(&w);
        pen_queue_shutdown(w.queue, false);
        pen_queue_shutdown(w.queue, true);
        pen_queue_shutdown(w.queue, true);
        ck_assert_int_eq(n_freed, 3);
        ck_assert_int_eq(sum_freed, 2 + 3 + 4);
        ck_assert(pen_queue_empty(w.queue));
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(putters[0]), -EPIPE);
        ck_assert_int_eq(pen_task_result(putters[1]), -EPIPE);
        ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), -EPIPE);
        ck_assert(!pen_task_done(joiner)); /* for the one that was got */
        ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(joiner), 0);
        ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
}
END_TEST

START_TEST(immediate_shutdown_ends_a_join_and_a_served_getter)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(3);
        struct pen_task *getter = world_spawn_named(&w, "a", get_one), *joiner;

        world_run_until_idle(&w);
        fill(&w, 1, 2);
        joiner = world_spawn(&w, join);
        pen_queue_shutdown(w.queue, true); /* the getter has been woken and has not run */
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(getter), -EPIPE);
        ck_assert_int_eq(pen_task_result(joiner), 0);
        ck_assert_int_eq(n_freed, 2);
}
END_TEST

START_TEST(room_made_in_a_queue_that_is_shut_down_is_for_nobody)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(1);
        struct pen_task *putter;

        fill(&w, 1, 1);
        putter = world_spawn_named(&w, "2", put_one);
        world_run_until_idle(&w);
        expect(&w, 1, 1); /* the putter has been woken and has not run */
        pen_queue_shutdown(w.queue, false);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(putter), -EPIPE);
        ck_assert(pen_queue_empty(w.queue));
}
END_TEST

START_TEST(free_hands_the_rest_over)
{
        struct pen_queue *q = NULL;
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(0);

        (void)w;
        pen_queue_free(NULL);
        pen_queue_freep(&q);
        ck_assert_int_eq(pen_queue_create(0, free_item, &q), 0);
        for (int i = 1; i <= 10; i++)
                ck_assert_int_eq(pen_queue_put_nowait(q, ITEM(i)), 0);
        pen_queue_free(q);
        ck_assert_int_eq(n_freed, 10);
        ck_assert_int_eq(sum_freed, 55);

        ck_assert_int_eq(pen_queue_create(1, NULL, &q), 0); /* no free_item: theirs to keep */
        ck_assert_int_eq(pen_queue_put_nowait(q, ITEM(1)), 0);
        pen_queue_shutdown(q, true);
        pen_queue_free(q);
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

#define N_TASKS 6
#define N_STEPS 40

/* Tasks that do anything to one queue; `line` is what a queue should be. */
struct chaos {
        struct world w;
        struct random random;
        size_t maxsize;
        int line[N_TASKS * N_STEPS], first, end; /* the numbers in the queue, by their order */
        int next_number, n_undone;
        bool immediate;
};

static uint64_t below(struct chaos *c, uint64_t n)
{
        return random_below(&c->random, n);
}

static void was_put(struct chaos *c, int number)
{
        c->line[c->end++] = number;
        c->n_undone++;
        ck_assert(c->maxsize == 0 || pen_queue_size(c->w.queue) <= c->maxsize);
        ck_assert_uint_eq(pen_queue_size(c->w.queue), (size_t)(c->end - c->first));
}

static void was_got(struct chaos *c, void *item)
{
        ck_assert_int_lt(c->first, c->end);
        ck_assert_int_eq(NUMBER(item), c->line[c->first++]);
}

static void done(struct chaos *c, ssize_t n)
{
        for (; n > 0; n--, c->n_undone--)
                ck_assert_int_eq(pen_queue_task_done(c->w.queue), 0);
}

/* One random operation, answered as the queue did. */
static int step(struct chaos *c)
{
        struct pen_queue *q = c->w.queue;
        void *got[4];
        ssize_t n = 0;
        int r, number;

        switch (below(c, 7)) {
        case 0:
        case 1:
                number = ++c->next_number;
                r = pen_queue_put(q, ITEM(number));
                if (r == 0)
                        was_put(c, number);
                return r;
        case 2:
                number = ++c->next_number;
                r = pen_queue_put_nowait(q, ITEM(number));
                if (r == 0)
                        was_put(c, number);
                return r;
        case 3:
        case 4:
                r = pen_queue_get(q, &got[0]);
                n = r == 0;
                break;
        case 5:
                r = pen_queue_get_nowait(q, &got[0]);
                n = r == 0;
                break;
        default:
                n = pen_queue_get_many(q, got, 1 + below(c, ARRAY_SIZE(got)));
                r = n < 0 ? (int)n : 0;
        }
        for (ssize_t i = 0; i < n; i++)
                was_got(c, got[i]);
        if (below(c, 2))
                r = pen_sleep(below(c, 3));
        done(c, n);
        return r;
}

static int live(void *chaos)
{
        struct chaos *c = chaos;

        for (int i = 0; i < N_STEPS; i++) {
                struct pen_timeout scope;
                int r;

                pen_timeout_begin(&scope, below(c, 4) ? below(c, 6) : PEN_SEC);
                r = pen_timeout_end(&scope, step(c));
                ck_assert(r == 0 || r == -ETIME || r == -EAGAIN || r == -ECANCELED || r == -EPIPE);
                if (r == -ECANCELED) /* goes on */
                        pen_uncancel();
        }
        return 0;
}

static int cancel_at_random(void *chaos)
{
        struct chaos *c = chaos;

        for (int i = 0; i < N_STEPS; i++) {
                pen_task_cancel(c->w.tasks[below(c, N_TASKS)]);
                ck_assert_int_eq(below(c, 2) ? pen_sleep(below(c, 4)) : pen_yield(), 0);
        }
        return 0;
}

static int shut_down(void *chaos)
{
        struct chaos *c = chaos;
        int left, r;

        ck_assert_int_eq(pen_sleep(20 + below(c, 60)), 0);
        left = c->end - c->first;
        pen_queue_shutdown(c->w.queue, c->immediate);
        if (c->immediate) {
                ck_assert_int_eq(n_freed, left);
                c->n_undone -= left;
                c->first = c->end;
        }
        for (;;) {
                void *item;

                r = pen_queue_get_nowait(c->w.queue, &item);
                if (r < 0)
                        break;
                was_got(c, item);
                done(c, 1);
        }
        ck_assert_int_eq(r, -EPIPE);
        r = pen_queue_join(c->w.queue);
        ck_assert_int_eq(c->n_undone, 0);
        return r;
}

START_TEST(nothing_is_lost_doubled_or_reordered_at_random)
{
        for (uint64_t seed = 1; seed <= many(1000, 50); seed++) {
                struct chaos c = { .maxsize = seed % 4, .immediate = seed % 8 < 4 };

                random_seed(&c.random, seed);
                c.w = world_with_queue(c.maxsize);
                c.w.loop->options.seed = seed % 3; /* two of three run in random order */
                for (int i = 0; i < N_TASKS; i++)
                        world_spawn_arg(&c.w, live, &c);
                world_spawn_arg(&c.w, cancel_at_random, &c);
                world_spawn_arg(&c.w, shut_down, &c);
                world_advance(&c.w, PEN_MINUTE);
                for (size_t i = 0; i < c.w.n_tasks; i++)
                        ck_assert_int_eq(pen_task_result(c.w.tasks[i]), 0);
                ck_assert_int_eq(c.first, c.end);
                ck_assert(pen_queue_empty(c.w.queue));
                ck_assert_int_eq(pen_queue_task_done(c.w.queue), -EINVAL);
                world_deinit(&c.w);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("queue", items_leave_in_the_order_they_came,
                         unbounded_queue_grows_and_wraps_in_order,
                         waiting_getters_are_served_in_the_order_they_came,
                         waiting_putters_are_served_in_the_order_they_came,
                         get_many_takes_what_is_there_and_makes_room_for_all_it_took,
                         cancelled_getter_loses_nothing,
                         getter_cancelled_when_served_passes_the_item_on,
                         second_waiter_cancelled_at_the_put_takes_nothing_from_the_first,
                         first_of_several_served_getters_cancelled_drops_nothing,
                         cancelled_when_served_may_try_again_and_keeps_the_order,
                         putter_cancelled_when_served_passes_its_room_on,
                         cancelled_waiters_are_skipped, join_waits_until_all_is_dealt_with,
                         cancelled_join_harms_nobody, item_that_was_not_put_needs_no_task_done,
                         shutdown_refuses_puts_and_lets_gets_drain, shutdown_wakes_all_who_wait,
                         immediate_shutdown_frees_the_rest_and_counts_it_as_dealt_with,
                         immediate_shutdown_ends_a_join_and_a_served_getter,
                         room_made_in_a_queue_that_is_shut_down_is_for_nobody,
                         free_hands_the_rest_over, nothing_is_lost_doubled_or_reordered_at_random);
}
