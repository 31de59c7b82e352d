/* Queues by priority, and last in first out: what tells them from the one of test_queue.c, and that
 * they keep its promises. */
#include "world.h"

#include <errno.h>

#include <penstock/queue.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

enum kind {
        FIFO,
        LIFO,
        PRIORITY,
        N_KINDS
};

struct item {
        int priority;
        int number;
};

static int n_freed;

static void free_item(void *item)
{
        ((struct item *)item)->number = 0;
        n_freed++;
}

static int by_priority(const void *a, const void *b)
{
        const struct item *x = a, *y = b;

        return (x->priority > y->priority) - (x->priority < y->priority);
}

static int make(enum kind kind, size_t maxsize, struct pen_queue **ret_queue)
{
        switch (kind) {
        case LIFO:
                return pen_queue_create_lifo(maxsize, free_item, ret_queue);
        case PRIORITY:
                return pen_queue_create_priority(maxsize, free_item, by_priority, ret_queue);
        default:
                return pen_queue_create(maxsize, free_item, ret_queue);
        }
}

static struct world world_with_queue(enum kind kind, size_t maxsize)
{
        struct world w;

        n_freed = 0;
        world_init(&w);
        ck_assert_int_eq(make(kind, maxsize, &w.queue), 0);
        return w;
}

/* Items of the small tests: the letter is the priority, the number the order of arrival. */
static struct item letters[64];
static int n_letters;

static void *letter(char priority)
{
        struct item *item = &letters[n_letters++];

        *item = (struct item){ .priority = priority, .number = n_letters };
        return item;
}

static void fill(struct world *w, const char *priorities)
{
        n_letters = 0;
        for (; *priorities; priorities++)
                ck_assert_int_eq(pen_queue_put_nowait(w->queue, letter(*priorities)), 0);
}

static void say_item(struct world *w, const void *item)
{
        const struct item *i = item;

        world_say(w, "%c%d ", i->priority, i->number);
}

/* What is in the queue, in the order it leaves. */
static void expect(struct world *w, const char *order)
{
        void *item;

        w->trace[0] = 0;
        while (pen_queue_get_nowait(w->queue, &item) == 0)
                say_item(w, item);
        ck_assert_str_eq(w->trace, order);
        ck_assert(pen_queue_empty(w->queue));
        w->trace[0] = 0;
}

/* Says its name and the item. */
static int get_one(void *world)
{
        struct world *w = world;
        void *item = NULL;
        int r = pen_queue_get(w->queue, &item);

        if (r < 0) {
                ck_assert_ptr_null(item);
                return r;
        }
        world_say(w, "%s:", ME);
        say_item(w, item);
        return r;
}

/* Puts an item of the priority that is its name. */
static int put_one(void *world)
{
        struct world *w = world;
        int r = pen_queue_put(w->queue, letter(*ME));

        if (r == 0)
                world_say(w, "put%s ", ME);
        return r;
}

static int join(void *world)
{
        struct world *w = world;

        return pen_queue_join(w->queue);
}

/* --- the order -------------------------------------------------------------------------------- */

START_TEST(lifo_gives_the_newest_first)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(LIFO, 0);
        void *item;

        fill(&w, "bacab");
        ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), 0);
        ck_assert_int_eq(((struct item *)item)->number, 5);
        ck_assert_int_eq(pen_queue_put_nowait(w.queue, letter('z')), 0);
        expect(&w, "z6 a4 c3 a2 b1 ");
}
END_TEST

START_TEST(priority_gives_the_least_first_and_equal_ones_in_order)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(PRIORITY, 0);

        fill(&w, "cabbacabc");
        expect(&w, "a2 a5 a7 b3 b4 b8 c1 c6 c9 ");
        fill(&w, "aaaaaaaaaaaaaaaaaa");
        expect(&w, "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14 a15 a16 a17 a18 ");
        fill(&w, "fedcba");
        expect(&w, "a6 b5 c4 d3 e2 f1 ");
}
END_TEST

START_TEST(getter_takes_what_is_next_when_it_runs)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_queue(PRIORITY, 0);

        world_spawn_named(&w, "x", get_one);
        world_spawn_named(&w, "y", get_one);
        world_run_until_idle(&w);
        fill(&w, "cba"); /* the getter was woken for c */
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "x:a3 y:b2 ");
        expect(&w, "c1 ");
}
END_TEST

static int get_many(void *world)
{
        struct world *w = world;
        void *got[3];
        ssize_t n = pen_queue_get_many(w->queue, got, ARRAY_SIZE(got));

        for (ssize_t i = 0; i < n; i++)
                say_item(w, got[i]);
        return (int)n;
}

START_TEST(get_many_takes_in_order_and_makes_room_for_all_it_took)
{
        static const char *const trace[] = { "b1 d2 a3 pute puta putb ", "c4 a3 d2 pute puta putb ",
                                             "a3 b1 c4 pute puta putb " };
        static const char *const rest[] = { "c4 e5 a6 b7 ", "b7 a6 e5 b1 ", "a6 b7 d2 e5 " };

        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 4);
                struct pen_task *t, *left;

                t = world_spawn(&w, get_many);
                world_run_until_idle(&w);
                ck_assert(!pen_task_done(t)); /* waits for one */
                fill(&w, "z");
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(t), 1);
                w.trace[0] = 0;

                fill(&w, "bdac");
                world_spawn_named(&w, "e", put_one);
                world_spawn_named(&w, "a", put_one);
                world_spawn_named(&w, "b", put_one);
                left = world_spawn_named(&w, "y", put_one);
                world_run_until_idle(&w);
                t = world_spawn(&w, get_many);
                n_letters =
                        4; /* who waits has made his letter; they are named by order of coming */
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(t), 3);
                ck_assert_str_eq(w.trace, trace[kind]);
                ck_assert(!pen_task_done(left));
                pen_task_cancel(left);
                world_run_until_idle(&w);
                expect(&w, rest[kind]);
                world_deinit(&w);
        }
}
END_TEST

/* --- the promises of every queue -------------------------------------------------------------- */

START_TEST(full_and_empty_are_told)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 3); /* not a power of two */
                void *item = &w;

                ck_assert(pen_queue_empty(w.queue) && !pen_queue_full(w.queue));
                ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), -EAGAIN);
                ck_assert_ptr_eq(item, &w);
                for (int round = 0; round < 3; round++) {
                        fill(&w, "abc");
                        ck_assert(!pen_queue_empty(w.queue) && pen_queue_full(w.queue));
                        ck_assert_uint_eq(pen_queue_size(w.queue), 3);
                        ck_assert_int_eq(pen_queue_put_nowait(w.queue, letter('d')), -EAGAIN);
                        ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), 0);
                        ck_assert(!pen_queue_full(w.queue));
                        ck_assert_int_eq(pen_queue_put_nowait(w.queue, item), 0);
                        expect(&w, kind == LIFO   ? "c3 b2 a1 "
                                   : kind == FIFO ? "b2 c3 a1 "
                                                  : "a1 b2 c3 ");
                }
                world_deinit(&w);
        }
}
END_TEST

START_TEST(waiters_are_served_in_the_order_they_came)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 1);

                world_spawn_named(&w, "x", get_one);
                world_spawn_named(&w, "y", get_one);
                world_run_until_idle(&w);
                fill(&w, "a");
                world_run_until_idle(&w);
                fill(&w, "b");
                world_run_until_idle(&w);
                ck_assert_str_eq(w.trace, "x:a1 y:b1 ");

                fill(&w, "m");
                world_spawn_named(&w, "z",
                                  put_one); /* first come, first served, whatever they put */
                world_spawn_named(&w, "a", put_one);
                world_run_until_idle(&w);
                expect(&w, "m1 ");
                world_run_until_idle(&w);
                ck_assert_str_eq(w.trace, "putz ");
                expect(&w, "z2 ");
                world_run_until_idle(&w);
                expect(&w, "a3 ");
                world_deinit(&w);
        }
}
END_TEST

START_TEST(cancelled_when_served_loses_nothing_and_passes_it_on)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 1);
                struct pen_task *x = world_spawn_named(&w, "x", get_one), *p;

                world_spawn_named(&w, "y", get_one);
                world_run_until_idle(&w);
                fill(&w, "a");
                pen_task_cancel(x);
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(x), -ECANCELED);
                ck_assert_str_eq(w.trace, "y:a1 ");

                fill(&w, "a");
                p = world_spawn_named(&w, "p", put_one);
                world_spawn_named(&w, "q", put_one);
                world_run_until_idle(&w);
                expect(&w, "a1 "); /* room for p */
                pen_task_cancel(p);
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(p), -ECANCELED);
                expect(&w, "q3 ");
                world_deinit(&w);
        }
}
END_TEST

START_TEST(join_and_task_done_count_what_was_put)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 0);
                struct pen_task *joiner;

                ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
                ck_assert_int_eq(pen_queue_join(w.queue), 0);
                ck_assert_int_eq(pen_queue_join(w.queue), 0);
                fill(&w, "ba");
                joiner = world_spawn(&w, join);
                expect(&w, kind == FIFO ? "b1 a2 " : "a2 b1 ");
                ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
                world_run_until_idle(&w);
                ck_assert(!pen_task_done(joiner));
                ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
                ck_assert_int_eq(pen_queue_task_done(w.queue), -EINVAL);
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(joiner), 0);
                world_deinit(&w);
        }
}
END_TEST

START_TEST(shutdown_refuses_puts_and_lets_gets_drain_in_order)
{
        static const char *const order[] = { "c1 a2 b3 ", "b3 a2 c1 ", "a2 b3 c1 " };

        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 3);
                struct pen_task *putter;
                void *item;

                fill(&w, "cab");
                putter = world_spawn_named(&w, "d", put_one);
                world_run_until_idle(&w);
                pen_queue_shutdown(w.queue, false);
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(putter), -EPIPE);
                ck_assert_int_eq(pen_queue_put(w.queue, letter('e')), -EPIPE); /* full or not */
                expect(&w, order[kind]);
                ck_assert_int_eq(pen_queue_put_nowait(w.queue, letter('f')), -EPIPE);
                ck_assert_int_eq(pen_queue_get(w.queue, &item), -EPIPE);
                ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), -EPIPE);
                ck_assert_int_eq((int)pen_queue_get_many(w.queue, &item, 1), -EPIPE);
                ck_assert_int_eq(n_freed, 0);
                world_deinit(&w);
        }
}
END_TEST

START_TEST(immediate_shutdown_frees_the_rest_and_counts_it_as_dealt_with)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w = world_with_queue(kind, 3);
                struct pen_task *putter, *joiner;
                void *item;

                fill(&w, "cab");
                ck_assert_int_eq(pen_queue_get_nowait(w.queue, &item), 0);
                ck_assert_int_eq(pen_queue_put_nowait(w.queue, item), 0);
                putter = world_spawn_named(&w, "d", put_one);
                joiner = world_spawn(&w, join);
                world_run_until_idle(&w);
                pen_queue_shutdown(w.queue, true);
                ck_assert_int_eq(n_freed, 3);
                for (int i = 0; i < 3; i++)
                        ck_assert_int_eq(letters[i].number, 0);
                ck_assert(pen_queue_empty(w.queue));
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(putter), -EPIPE);
                ck_assert(!pen_task_done(joiner)); /* one was got */
                ck_assert_int_eq(pen_queue_task_done(w.queue), 0);
                world_run_until_idle(&w);
                ck_assert_int_eq(pen_task_result(joiner), 0);
                world_deinit(&w);
        }
}
END_TEST

START_TEST(made_in_a_loop_only_and_free_hands_the_rest_over)
{
        struct pen_queue *q = NULL;

        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct world w;

                ck_assert_int_eq(make(kind, 1, &q), -ENXIO);
                ck_assert_ptr_null(q);
                w = world_with_queue(kind, 0);
                fill(&w, "cab");
                world_deinit(&w);
                ck_assert_int_eq(n_freed, 3);

                world_init(&w);
                ck_assert_int_eq(make(kind, SIZE_MAX, &q), -ENOMEM);
                ck_assert_int_eq(make(kind, SIZE_MAX / 32, &q), -ENOMEM);
                ck_assert_int_eq(pen_queue_create_priority(1, NULL, NULL, &q), -EINVAL);
                ck_assert_ptr_null(q);
                world_deinit(&w);
        }
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

#define N_TASKS 6
#define N_STEPS 40
#define N_ITEMS 1000 /* no fewer than all of those steps could put */

/* Tasks that do anything to one queue; `inside` is what it should hold, as it came. */
struct chaos {
        struct world w;
        struct random random;
        enum kind kind;
        size_t maxsize;
        struct item items[N_ITEMS], *inside[N_ITEMS];
        int n_items, n_inside, n_undone;
        int n_putting, n_getting; /* that wait */
};

static int below(struct chaos *c, uint64_t n)
{
        return (int)random_below(&c->random, n);
}

static int put_random(struct chaos *c)
{
        struct item *item = &c->items[c->n_items++];
        int r;

        item->priority = below(c, 5);
        c->n_putting++;
        r = below(c, 3) ? pen_queue_put(c->w.queue, item) : pen_queue_put_nowait(c->w.queue, item);
        c->n_putting--;
        if (r < 0)
                return r;
        c->inside[c->n_inside++] = item;
        c->n_undone++;
        ck_assert(c->maxsize == 0 || pen_queue_size(c->w.queue) <= c->maxsize);
        return 0;
}

/* Where the one is that leaves next. */
static int next_inside(const struct chaos *c)
{
        int next = 0;

        if (c->kind == LIFO)
                return c->n_inside - 1;
        for (int i = 1; c->kind == PRIORITY && i < c->n_inside; i++)
                if (c->inside[i]->priority < c->inside[next]->priority)
                        next = i;
        return next;
}

static void was_got(struct chaos *c, const void *item)
{
        int i = next_inside(c);

        ck_assert_int_gt(c->n_inside, 0);
        ck_assert_ptr_eq(item, c->inside[i]);
        for (c->n_inside--; i < c->n_inside; i++)
                c->inside[i] = c->inside[i + 1];
}

static void done(struct chaos *c, ssize_t n)
{
        for (; n > 0; n--, c->n_undone--)
                ck_assert_int_eq(pen_queue_task_done(c->w.queue), 0);
}

/* One, or several, and deals with them for a while. */
static int get_random(struct chaos *c)
{
        void *got[4];
        ssize_t n = 1;
        int r;

        c->n_getting++;
        switch (below(c, 3)) {
        case 0:
                r = pen_queue_get(c->w.queue, &got[0]);
                break;
        case 1:
                r = pen_queue_get_nowait(c->w.queue, &got[0]);
                break;
        default:
                n = pen_queue_get_many(c->w.queue, got, 1 + (size_t)below(c, ARRAY_SIZE(got)));
                r = n < 0 ? (int)n : 0;
        }
        c->n_getting--;
        if (r < 0)
                return r;
        for (ssize_t i = 0; i < n; i++)
                was_got(c, got[i]);
        ck_assert_uint_eq(pen_queue_size(c->w.queue), (size_t)c->n_inside);
        r = pen_sleep((pen_usec)below(c, 3));
        done(c, n);
        return r;
}

static int live(void *chaos)
{
        struct chaos *c = chaos;

        for (int i = 0; i < N_STEPS; i++) {
                struct pen_timeout scope;
                int r;

                pen_timeout_begin(&scope, below(c, 4) ? (pen_usec)below(c, 6) : PEN_SEC);
                r = pen_timeout_end(&scope, below(c, 2) ? put_random(c) : get_random(c));
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
                ck_assert_int_eq(pen_sleep((pen_usec)below(c, 4)), 0);
        }
        return 0;
}

static int shut_down(void *chaos)
{
        struct chaos *c = chaos;
        bool immediate = below(c, 2);
        void *item;

        ck_assert_int_eq(pen_sleep(20 + (pen_usec)below(c, 60)), 0);
        pen_queue_shutdown(c->w.queue, immediate);
        if (immediate) {
                ck_assert_int_eq(n_freed, c->n_inside);
                c->n_undone -= c->n_inside;
                c->n_inside = 0;
        }
        while (pen_queue_get_nowait(c->w.queue, &item) == 0) {
                was_got(c, item);
                done(c, 1);
        }
        ck_assert_int_eq(c->n_inside, 0);
        ck_assert_int_eq(pen_queue_join(c->w.queue), 0);
        ck_assert_int_eq(c->n_undone, 0);
        return 0;
}

/* When nobody can run: nobody waits for what is there. */
static void check_idle(struct chaos *c)
{
        ck_assert_uint_eq(pen_queue_size(c->w.queue), (size_t)c->n_inside);
        ck_assert(c->n_inside == 0 || c->n_getting == 0);
        ck_assert(pen_queue_full(c->w.queue) || c->n_putting == 0);
}

START_TEST(nothing_is_lost_doubled_or_out_of_order_at_random)
{
        for (uint64_t seed = 1; seed <= many(600, 60); seed++) {
                struct chaos c = { .kind = seed % N_KINDS, .maxsize = seed % 4 };

                n_freed = 0;
                random_seed(&c.random, seed);
                world_init_seeded(&c.w, seed % 5 ? seed : 0);
                ck_assert_int_eq(make(c.kind, c.maxsize, &c.w.queue), 0);
                for (int i = 0; i < N_TASKS; i++)
                        world_spawn_arg(&c.w, live, &c);
                world_spawn_arg(&c.w, cancel_at_random, &c);
                world_spawn_arg(&c.w, shut_down, &c);
                for (int i = 0; i < 100; i++) {
                        world_advance(&c.w, 1);
                        check_idle(&c);
                }
                world_advance(&c.w, PEN_MINUTE);
                for (size_t i = 0; i < c.w.n_tasks; i++)
                        ck_assert_int_eq(pen_task_result(c.w.tasks[i]), 0);
                ck_assert_int_eq(pen_queue_task_done(c.w.queue), -EINVAL);
                world_deinit(&c.w);
        }
}
END_TEST

/* Many, against a list that is searched. */
START_TEST(grown_queue_keeps_its_order)
{
        for (enum kind kind = FIFO; kind < N_KINDS; kind++) {
                struct chaos *c = calloc(1, sizeof(*c));
                void *got[7];

                c->kind = kind;
                random_seed(&c->random, 1);
                c->w = world_with_queue(kind, 0);
                for (int i = 0; i < N_ITEMS; i++) {
                        if (below(c, 4) < 3)
                                ck_assert_int_eq(put_random(c), 0);
                        else if (c->n_inside > 0 && pen_queue_get_nowait(c->w.queue, got) == 0)
                                was_got(c, got[0]);
                }
                ck_assert_int_gt(c->n_inside, 4 * 64); /* it has grown three times */
                while (c->n_inside > 0) {
                        ssize_t n = pen_queue_get_many(c->w.queue, got, ARRAY_SIZE(got));

                        ck_assert_int_gt(n, 0);
                        ck_assert(n == ARRAY_SIZE(got) || pen_queue_empty(c->w.queue));
                        for (ssize_t i = 0; i < n; i++)
                                was_got(c, got[i]);
                }
                world_deinit(&c->w);
                free(c);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("queue_kinds", lifo_gives_the_newest_first,
                         priority_gives_the_least_first_and_equal_ones_in_order,
                         getter_takes_what_is_next_when_it_runs,
                         get_many_takes_in_order_and_makes_room_for_all_it_took,
                         grown_queue_keeps_its_order, full_and_empty_are_told,
                         waiters_are_served_in_the_order_they_came,
                         cancelled_when_served_loses_nothing_and_passes_it_on,
                         join_and_task_done_count_what_was_put,
                         shutdown_refuses_puts_and_lets_gets_drain_in_order,
                         immediate_shutdown_frees_the_rest_and_counts_it_as_dealt_with,
                         made_in_a_loop_only_and_free_hands_the_rest_over,
                         nothing_is_lost_doubled_or_out_of_order_at_random);
}
