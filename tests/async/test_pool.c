#include "world.h"

#include <errno.h>

#include <penstock/pool.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())
#define MAX_CONNECTIONS 4000

struct connection {
        enum {
                UNUSED,
                OPENING,
                IDLE,
                USED,
                CLOSING,
                CLOSED
        } state;
        bool unusable;
};

/* A pool, and those it has opened, by number. */
struct bar {
        struct world w;
        struct pen_pool *pool;
        size_t max, n_open; /* with those that are being opened or closed */
        struct connection connections[MAX_CONNECTIONS];
        int n_made;
        int open_error; /* what `open` answers */
        pen_usec open_time, look_time, close_time;
        pen_usec use_time;
        bool discards;
        struct random *random; /* then all times are, and what fails */
};

static int number(const struct bar *bar, const struct connection *c)
{
        return (int)(c - bar->connections);
}

static int spend(struct bar *bar, pen_usec time)
{
        if (bar->random)
                time = random_below(bar->random, 4);
        return time > 0 ? pen_sleep(time) : 0;
}

static bool by_chance(struct bar *bar, uint64_t one_in)
{
        return bar->random && random_below(bar->random, one_in) == 0;
}

static int open_connection(void *data, void **ret_item)
{
        struct bar *bar = data;
        struct connection *c = &bar->connections[bar->n_made];
        int r;

        ck_assert_int_lt(bar->n_made++, MAX_CONNECTIONS);
        ck_assert_uint_le(++bar->n_open, bar->max);
        c->state = OPENING;
        r = spend(bar, bar->open_time);
        if (r == 0)
                r = by_chance(bar, 4) ? -ECONNREFUSED : bar->open_error;
        if (r < 0) {
                c->state = CLOSED;
                bar->n_open--;
                return r;
        }
        c->state = IDLE;
        *ret_item = c;
        return 7; /* a success like any other */
}

static void close_connection(void *data, void *item)
{
        struct bar *bar = data;
        struct connection *c = item;

        ck_assert_int_eq(c->state, IDLE);
        c->state = CLOSING;
        ck_assert_int_eq(spend(bar, bar->close_time), 0); /* not interrupted */
        c->state = CLOSED;
        bar->n_open--;
        world_say(&bar->w, "-%d ", number(bar, c));
}

static bool is_usable(void *data, void *item)
{
        struct bar *bar = data;
        struct connection *c = item;

        ck_assert_int_eq(c->state, IDLE);
        c->state = USED; /* nobody else has it meanwhile */
        if (spend(bar, bar->look_time) < 0 || by_chance(bar, 4))
                c->unusable = true;
        ck_assert_int_eq(c->state, USED);
        c->state = IDLE;
        return !c->unusable;
}

static void bar_init(struct bar *bar, size_t max, uint64_t seed)
{
        struct pen_pool_options options = {
                .max = max,
                .open = open_connection,
                .close = close_connection,
                .usable = is_usable,
                .data = bar,
        };

        *bar = (struct bar){ .max = max };
        world_init_seeded(&bar->w, seed);
        ck_assert_int_eq(pen_pool_create(&options, &bar->pool), 0);
        options.open = NULL; /* they were copied */
}

/* Nothing that was opened stays open. */
static void bar_deinit(struct bar *bar)
{
        bar->close_time = 0;
        while (bar->w.loop->n_tasks > 0) {
                list_for_each(i, &bar->w.loop->tasks)
                        pen_task_cancel(list_entry(i, struct pen_task, link));
                world_advance(&bar->w, PEN_SEC);
        }
        if (bar->pool)
                ck_assert_uint_eq(pen_pool_open(bar->pool), pen_pool_idle(bar->pool));
        pen_pool_freep(&bar->pool);
        ck_assert_uint_eq(bar->n_open, 0);
        world_deinit(&bar->w);
}

static int acquire(struct bar *bar, struct connection **ret_connection)
{
        void *item = NULL;
        int r = pen_pool_acquire(bar->pool, &item);

        if (r < 0) {
                ck_assert_ptr_null(item);
                return r;
        }
        ck_assert_int_eq(r, 0);
        *ret_connection = item;
        ck_assert_int_eq((*ret_connection)->state, IDLE);
        (*ret_connection)->state = USED;
        return 0;
}

static void give_back(struct bar *bar, struct connection *c)
{
        ck_assert_int_eq(c->state, USED);
        c->state = IDLE;
        pen_pool_release(bar->pool, c);
}

static void discard(struct bar *bar, struct connection *c)
{
        ck_assert_int_eq(c->state, USED);
        c->state = IDLE;
        pen_pool_discard(bar->pool, c);
}

/* Says its name and the connection's number, or `!`. */
static int use_one(void *arg)
{
        struct bar *bar = arg;
        struct connection *c;
        int r = acquire(bar, &c);

        if (r < 0) {
                world_say(&bar->w, "%s! ", ME);
                return r;
        }
        world_say(&bar->w, "%s%d ", ME, number(bar, c));
        r = pen_sleep(bar->use_time);
        if (r < 0 || bar->discards)
                discard(bar, c);
        else
                give_back(bar, c);
        return r;
}

static void let_use(struct bar *bar, const char *names)
{
        for (; *names; names++)
                world_spawn_named(&bar->w, (char[]){ *names, 0 }, use_one);
        world_run_until_idle(&bar->w);
}

static void expect(struct bar *bar, const char *trace, size_t open, size_t idle)
{
        world_run_until_idle(&bar->w);
        ck_assert_str_eq(bar->w.trace, trace);
        ck_assert_uint_eq(pen_pool_open(bar->pool), open);
        ck_assert_uint_eq(pen_pool_idle(bar->pool), idle);
        bar->w.trace[0] = 0;
}

#define BAR(name, max)                           \
        PEN_CLEANUP(bar_deinit) struct bar name; \
        bar_init(&name, max, 0)

/* --- who gets what ---------------------------------------------------------------------------- */

START_TEST(opened_when_needed_and_used_again)
{
        BAR(b, 3);

        expect(&b, "", 0, 0);
        b.use_time = 5;
        let_use(&b, "a");
        expect(&b, "a0 ", 1, 0);
        world_advance(&b.w, 5);
        expect(&b, "", 1, 1);
        let_use(&b, "bc");
        expect(&b, "b0 c1 ", 2, 0);
        world_advance(&b.w, 5);
        expect(&b, "", 2, 2);
}
END_TEST

START_TEST(the_one_used_last_is_used_first)
{
        struct connection *c[3];
        BAR(b, 3);

        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(acquire(&b, &c[i]), 0);
        give_back(&b, c[1]);
        give_back(&b, c[2]);
        give_back(&b, c[0]);
        b.use_time = 5;
        let_use(&b, "a");
        expect(&b, "a0 ", 3, 2);
        let_use(&b, "bc");
        expect(&b, "b2 c1 ", 3, 0);
}
END_TEST

START_TEST(further_users_wait_in_the_order_they_came)
{
        struct connection *c[2];
        BAR(b, 2);

        ck_assert_int_eq(acquire(&b, &c[0]), 0);
        ck_assert_int_eq(acquire(&b, &c[1]), 0);
        let_use(&b, "abc");
        expect(&b, "", 2, 0);
        give_back(&b, c[1]);
        let_use(&b, "d"); /* later than all of them */
        expect(&b, "a1 b1 c1 d1 ", 2, 1);
        give_back(&b, c[0]);
        expect(&b, "", 2, 2);
}
END_TEST

START_TEST(newcomer_does_not_overtake_who_waits)
{
        struct connection *c;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        ck_assert_int_eq(acquire(&b, &c), -EDEADLK); /* would have to wait, and is no task */
        b.use_time = 1;
        let_use(&b, "a");
        world_spawn_named(&b.w, "b", use_one); /* runs before a does */
        give_back(&b, c);
        expect(&b, "a0 ", 1, 0);
        world_advance(&b.w, 2);
        expect(&b, "b0 ", 1, 1);
}
END_TEST

static int give_back_soon(void *arg)
{
        struct bar *bar = arg;
        int r = pen_sleep(1);

        give_back(bar, &bar->connections[1]);
        return r;
}

START_TEST(who_was_served_opens_one_if_another_has_taken_what_was_given_back)
{
        struct connection *c[2];
        BAR(b, 2);

        ck_assert_int_eq(acquire(&b, &c[0]), 0);
        ck_assert_int_eq(acquire(&b, &c[1]), 0);
        give_back(&b, c[0]);
        c[0]->unusable = true;
        b.look_time = 1;
        world_spawn(&b.w, give_back_soon); /* number 1, to b, before a has looked at number 0 */
        let_use(&b, "ab");
        world_advance(&b.w, 1);
        expect(&b, "-0 b2 ", 2, 1);
        world_advance(&b.w, 1);
        expect(&b, "a1 ", 2, 2);
}
END_TEST

/* --- open fails ------------------------------------------------------------------------------- */

START_TEST(failing_open_is_told_and_who_waits_tries_next)
{
        BAR(b, 1);

        b.open_time = 5;
        b.open_error = -ECONNREFUSED;
        let_use(&b, "abc");
        expect(&b, "", 0, 0);
        world_advance(&b.w, 5);
        expect(&b, "a! ", 0, 0);
        ck_assert_int_eq(pen_task_result(b.w.tasks[0]), -ECONNREFUSED);
        world_advance(&b.w, 5);
        expect(&b, "b! ", 0, 0);
        b.open_error = 0;
        world_advance(&b.w, 5);
        expect(&b, "c2 ", 1, 1);
}
END_TEST

START_TEST(while_some_open_others_use_what_is_given_back)
{
        struct connection *c;
        BAR(b, 2);

        ck_assert_int_eq(acquire(&b, &c), 0);
        b.open_time = 5;
        let_use(&b, "ab"); /* a opens, b waits */
        expect(&b, "", 1, 0);
        give_back(&b, c);
        expect(&b, "b0 ", 1, 1);
        world_advance(&b.w, 5);
        expect(&b, "a1 ", 2, 2);
}
END_TEST

/* --- unusable and discarded ------------------------------------------------------------------- */

START_TEST(unusable_idle_ones_are_closed_and_the_next_is_tried_or_one_opened)
{
        struct connection *c[3];
        BAR(b, 3);

        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(acquire(&b, &c[i]), 0);
        for (int i = 0; i < 3; i++)
                give_back(&b, c[i]);
        c[2]->unusable = true;
        let_use(&b, "a");
        expect(&b, "-2 a1 ", 2, 2);
        c[0]->unusable = c[1]->unusable = true;
        let_use(&b, "b");
        expect(&b, "-1 -0 b3 ", 1, 1);
}
END_TEST

START_TEST(discarded_one_is_closed_before_who_waits_opens_another)
{
        BAR(b, 1);

        b.discards = true;
        b.close_time = 5;
        let_use(&b, "ab");
        expect(&b, "a0 ", 1, 0);
        world_advance(&b.w, 4);
        expect(&b, "", 1, 0); /* it is being closed: that counts */
        world_advance(&b.w, 1);
        expect(&b, "-0 b1 ", 1, 0);
        world_advance(&b.w, 5);
        expect(&b, "-1 ", 0, 0);
}
END_TEST

/* --- cancelled -------------------------------------------------------------------------------- */

START_TEST(waiter_cancelled_when_served_passes_it_on)
{
        struct connection *c;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        let_use(&b, "abc");
        give_back(&b, c);
        pen_task_cancel(b.w.tasks[0]);
        expect(&b, "a! b0 c0 ", 1, 1);
        ck_assert_int_eq(pen_task_result(b.w.tasks[0]), -ECANCELED);
}
END_TEST

START_TEST(only_waiter_cancelled_when_served_leaves_it_idle)
{
        struct connection *c;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        let_use(&b, "a");
        give_back(&b, c);
        pen_task_cancel(b.w.tasks[0]);
        expect(&b, "a! ", 1, 1);
        ck_assert_int_eq(acquire(&b, &c), 0);
        give_back(&b, c);
}
END_TEST

START_TEST(cancelled_while_it_opens_holds_nothing)
{
        BAR(b, 1);

        b.open_time = 5;
        let_use(&b, "ab");
        pen_task_cancel(b.w.tasks[0]);
        expect(&b, "a! ", 0, 0);
        world_advance(&b.w, 5);
        expect(&b, "b1 ", 1, 1);
}
END_TEST

START_TEST(cancelled_while_it_looks_whether_one_is_usable_holds_nothing)
{
        struct connection *c[2];
        struct pen_task *a;
        BAR(b, 2);

        ck_assert_int_eq(acquire(&b, &c[0]), 0);
        ck_assert_int_eq(acquire(&b, &c[1]), 0);
        give_back(&b, c[0]);
        give_back(&b, c[1]);
        b.look_time = 5;
        a = world_spawn_named(&b.w, "a", use_one);
        world_run_until_idle(&b.w);
        pen_task_cancel(a);
        expect(&b, "-1 a! ", 1, 1); /* nobody knows what that one is good for */
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
        let_use(&b, "bc");
        world_advance(&b.w, 5);
        expect(&b, "c2 b0 ", 2, 2);
}
END_TEST

/* Was cancelled before, and cleans up with the help of another. */
static int use_when_cancelled(void *arg)
{
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        return use_one(arg);
}

START_TEST(cleanup_of_a_cancelled_task_may_acquire)
{
        struct connection *c;
        struct pen_task *a;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        give_back(&b, c);
        c->unusable = true; /* and that is not for its cancellation */
        a = world_spawn_named(&b.w, "a", use_when_cancelled);
        expect(&b, "-0 a1 ", 1, 1);
        ck_assert_int_eq(pen_task_result(a), 0);
}
END_TEST

START_TEST(cancelled_while_it_closes_an_unusable_one_holds_nothing)
{
        struct connection *c;
        struct pen_task *a;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        give_back(&b, c);
        c->unusable = true;
        b.close_time = 5;
        a = world_spawn_named(&b.w, "a", use_one);
        let_use(&b, "b");
        pen_task_cancel(a);
        expect(&b, "", 1, 0); /* closing goes on */
        world_advance(&b.w, 5);
        expect(&b, "-0 a! b1 ", 1, 1);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
}
END_TEST

START_TEST(cancelled_user_that_discards_closes_undisturbed)
{
        BAR(b, 1);

        b.use_time = PEN_SEC;
        b.close_time = 5;
        let_use(&b, "ab");
        pen_task_cancel(b.w.tasks[0]);
        world_run_until_idle(&b.w);
        pen_task_cancel(b.w.tasks[0]);
        world_advance(&b.w, 4);
        expect(&b, "a0 ", 1, 0);
        world_advance(&b.w, 1);
        expect(&b, "-0 b1 ", 1, 0);
        ck_assert_int_eq(pen_task_result(b.w.tasks[0]), -ECANCELED);
}
END_TEST

static int use_in_time(void *arg)
{
        return pen_within(3, use_one, arg);
}

START_TEST(deadline_while_it_looks_is_told_as_such)
{
        struct connection *c;
        struct pen_task *a;
        BAR(b, 1);

        ck_assert_int_eq(acquire(&b, &c), 0);
        give_back(&b, c);
        b.look_time = 5;
        a = world_spawn_named(&b.w, "a", use_in_time);
        world_advance(&b.w, 3);
        expect(&b, "-0 a! ", 0, 0);
        ck_assert_int_eq(pen_task_result(a), -ETIME);
}
END_TEST

/* --- the pool itself -------------------------------------------------------------------------- */

static int free_pool(void *arg)
{
        struct bar *bar = arg;

        pen_pool_free(TAKE(bar->pool));
        return pen_yield();
}

START_TEST(free_closes_what_is_idle_though_it_is_cancelled)
{
        struct connection *c[2];
        struct pen_task *t;
        BAR(b, 2);

        ck_assert_int_eq(acquire(&b, &c[0]), 0);
        ck_assert_int_eq(acquire(&b, &c[1]), 0);
        give_back(&b, c[0]);
        give_back(&b, c[1]);
        b.close_time = 5;
        t = world_spawn(&b.w, free_pool);
        world_run_until_idle(&b.w);
        pen_task_cancel(t);
        world_advance(&b.w, 10);
        ck_assert_uint_eq(b.n_open, 0);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED); /* afterwards */
}
END_TEST

START_TEST(options_are_checked_and_copied)
{
        struct pen_pool_options options = { .max = 1, .open = open_connection };
        struct pen_pool *pool = NULL;
        BAR(b, 1);

        ck_assert_int_eq(pen_pool_create(&options, &pool), -EINVAL);
        options.close = close_connection;
        options.open = NULL;
        ck_assert_int_eq(pen_pool_create(&options, &pool), -EINVAL);
        options.open = open_connection;
        options.max = 0;
        ck_assert_int_eq(pen_pool_create(&options, &pool), -EINVAL);
        options.max = SIZE_MAX;
        ck_assert_int_eq(pen_pool_create(&options, &pool), -ENOMEM);
        ck_assert_ptr_null(pool);
        pen_pool_free(NULL);
        pen_pool_freep(&pool);
}
END_TEST

START_TEST(without_usable_what_was_idle_is_used)
{
        struct pen_pool_options options = { .max = 1,
                                            .open = open_connection,
                                            .close = close_connection };
        struct connection *c, *again;
        BAR(b, 1);

        pen_pool_freep(&b.pool);
        options.data = &b;
        ck_assert_int_eq(pen_pool_create(&options, &b.pool), 0);
        ck_assert_int_eq(acquire(&b, &c), 0);
        give_back(&b, c);
        c->unusable = true; /* nobody looks */
        ck_assert_int_eq(acquire(&b, &again), 0);
        ck_assert_ptr_eq(again, c);
        give_back(&b, c);
}
END_TEST

START_TEST(made_in_a_loop_only)
{
        struct pen_pool_options options = { .max = 1,
                                            .open = open_connection,
                                            .close = close_connection };
        struct pen_pool *pool = NULL;

        ck_assert_int_eq(pen_pool_create(&options, &pool), -ENXIO);
        ck_assert_ptr_null(pool);
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

#define N_TASKS 8
#define N_VICTIMS 4 /* of them, who are cancelled again and again */

static int use_again(void *arg)
{
        struct bar *bar = arg;

        for (int i = 0; i < 20; i++) {
                struct connection *c;
                int r = acquire(bar, &c);

                bar->w.trace[0] = 0;
                if (r == 0) {
                        r = spend(bar, 0);
                        if (r < 0 || by_chance(bar, 4))
                                discard(bar, c);
                        else
                                give_back(bar, c);
                }
                ck_assert(r == 0 || r == -ECONNREFUSED || r == -ECANCELED);
                while (pen_cancelling() > 0) /* goes on */
                        pen_uncancel();
        }
        return 0;
}

static int cancel_victims(void *arg)
{
        struct bar *bar = arg;

        for (int i = 0; i < 40; i++) {
                pen_task_cancel(bar->w.tasks[random_below(bar->random, N_VICTIMS)]);
                ck_assert_int_eq(pen_sleep(random_below(bar->random, 5)), 0);
        }
        return 0;
}

START_TEST(never_too_many_and_nobody_forgotten_at_random)
{
        for (uint64_t seed = 1; seed <= many(400, 40); seed++) {
                struct random random;
                struct bar b;

                random_seed(&random, seed);
                bar_init(&b, 1 + seed % 4, seed % 2 ? seed : 0);
                b.random = &random;
                for (int i = 0; i < N_TASKS; i++)
                        world_spawn_arg(&b.w, use_again, &b);
                world_spawn_arg(&b.w, cancel_victims, &b);
                world_advance(&b.w, PEN_SEC);
                for (size_t i = 0; i < b.w.n_tasks; i++)
                        ck_assert_int_eq(pen_task_result(b.w.tasks[i]), 0);
                ck_assert_uint_eq(pen_pool_open(b.pool), b.n_open);
                b.random = NULL;
                bar_deinit(&b);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("pool", opened_when_needed_and_used_again, the_one_used_last_is_used_first,
                         further_users_wait_in_the_order_they_came,
                         newcomer_does_not_overtake_who_waits,
                         who_was_served_opens_one_if_another_has_taken_what_was_given_back,
                         failing_open_is_told_and_who_waits_tries_next,
                         while_some_open_others_use_what_is_given_back,
                         unusable_idle_ones_are_closed_and_the_next_is_tried_or_one_opened,
                         discarded_one_is_closed_before_who_waits_opens_another,
                         waiter_cancelled_when_served_passes_it_on,
                         only_waiter_cancelled_when_served_leaves_it_idle,
                         cancelled_while_it_opens_holds_nothing,
                         cancelled_while_it_looks_whether_one_is_usable_holds_nothing,
                         cleanup_of_a_cancelled_task_may_acquire,
                         cancelled_while_it_closes_an_unusable_one_holds_nothing,
                         cancelled_user_that_discards_closes_undisturbed,
                         deadline_while_it_looks_is_told_as_such,
                         free_closes_what_is_idle_though_it_is_cancelled,
                         options_are_checked_and_copied, without_usable_what_was_idle_is_used,
                         made_in_a_loop_only, never_too_many_and_nobody_forgotten_at_random);
}
