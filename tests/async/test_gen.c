#include "gens.h"

#if defined(PEN_ASAN)
#include <sanitizer/asan_interface.h>
#endif

#include <errno.h>
#include <fenv.h>
#include <string.h>

#include <penstock/local.h>
#include <penstock/sync.h>
#include <penstock/thread.h>
#include <penstock/timeout.h>

/* --- items ------------------------------------------------------------------------------------ */

static int take_all(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(tens, world);
        intptr_t r;

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        world_say(world, "not yet, ");
        while ((r = next_of(gen)) > 0)
                world_say(world, "%d at %d, ", (int)r, (int)(pen_now() / PEN_SEC));
        ck_assert_int_eq(next_of(gen), 0);
        return (int)r;
}
PLAY(items_come_in_order_when_asked_for, take_all, 0,
     "not yet, begun, 10 at 2, 20 at 3, 30 at 4, ended with 0, ")

static int free_unbegun(void *world)
{
        pen_gen_free(gen_of(tens, world));
        pen_gen_free(NULL);
        return 1;
}
PLAY(body_that_nobody_asked_never_runs, free_unbegun, 1, "")

static int end_in_ways(void *world)
{
        int results[] = { 0, 7, -EIO, -ECANCELED };

        (void)world;
        for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
                struct pen_gen *gen = gen_of(end_with, &results[i]);

                ck_assert_int_eq(next_of(gen), 5);
                ck_assert_int_eq(next_of(gen), MIN(results[i], 0));
                ck_assert_int_eq(next_of(gen), 0);
                ck_assert_int_eq(next_of(gen), 0);
                pen_gen_free(gen);
        }
        return pen_cancelling() == 0;
}
PLAY(error_of_the_body_is_told_once, end_in_ways, 1, "")

static int yield_nothing(struct pen_gen *gen, void *arg)
{
        (void)arg;
        return pen_gen_yield(gen, NULL);
}

static int take_null(void *world)
{
        struct pen_gen *gen = gen_of(yield_nothing, world);
        void *item = &gen;

        ck_assert_int_eq(pen_gen_next(gen, &item), 1);
        ck_assert_ptr_null(item);
        item = &gen;
        ck_assert_int_eq(pen_gen_next(gen, &item), 0);
        ck_assert_ptr_eq(item, &gen); /* untouched */
        pen_gen_freep(&gen);
        return 1;
}
PLAY(null_is_an_item_too, take_null, 1, "")

/* --- whose the body is ------------------------------------------------------------------------ */

static const struct pen_task_local who = { .free_value = NULL };

static int tell_whose(struct pen_gen *gen, void *world)
{
        int r = 0;

        while (r == 0) {
                ck_assert_int_eq(pen_sleep(1), 0);
                world_say(world, "%s/%s ", ME, (char *)pen_task_local_get(&who));
                r = yield_number(gen, 1);
        }
        world_say(world, "ended as %s ", ME);
        return r;
}

static struct pen_gen *shared;

static int take_three(void *name)
{
        ck_assert_int_eq(pen_task_local_set(&who, name), 0);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(next_of(shared), 1);
                ck_assert_int_eq(pen_sleep(3), 0);
        }
        return 0;
}

START_TEST(body_runs_as_each_task_that_asks_in_turn)
{
        static char a[] = "a", b[] = "b";
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        shared = gen_of(tell_whose, &w);
        world_spawn_arg(&w, take_three, a);
        world_run_until_idle(&w);
        world_advance(&w, 2);
        world_spawn_arg(&w, take_three, b);
        world_advance(&w, 20);
        ck_assert_str_eq(w.trace, "task-1/a task-2/b task-1/a task-2/b task-1/a task-2/b ");
        pen_gen_free(shared);
        world_advance(&w, 10);
        ck_assert_ptr_nonnull(strstr(w.trace, "ended as task-3 "));
}
END_TEST

/* What a body sets is its task's, and each task's own. */
static int set_who(struct pen_gen *gen, void *world)
{
        static char body[] = "the body";

        (void)world;
        ck_assert_int_eq(pen_task_local_set(&who, body), 0);
        return yield_number(gen, 1);
}

static int look_who(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(set_who, world);

        ck_assert_ptr_null(pen_task_local_get(&who));
        ck_assert_int_eq(next_of(gen), 1);
        world_say(world, "%s", (char *)pen_task_local_get(&who));
        return 1;
}
PLAY(what_a_body_sets_is_the_callers, look_who, 1, "the body")

static int wait_for_event(struct pen_gen *gen, void *world)
{
        int r = pen_event_wait(((struct world *)world)->event);

        return r < 0 ? r : yield_number(gen, 1);
}

static int ask_shared(void *world)
{
        intptr_t r = next_of(shared);

        world_say(world, "%s got %d, ", ME, (int)r);
        return (int)r;
}

START_TEST(while_one_task_is_in_it_another_is_told_busy)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        shared = gen_of(wait_for_event, &w);
        world_spawn_named(&w, "a", ask_shared);
        world_spawn_named(&w, "b", ask_shared);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "b got -16, ");
        pen_event_set(w.event);
        world_run_until_idle(&w);
        world_spawn_named(&w, "c", ask_shared);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "b got -16, a got 1, c got 0, ");
        pen_gen_free(shared);
}
END_TEST

static int ask_for_itself(struct pen_gen *gen, void *arg)
{
        (void)arg;
        ck_assert_int_eq(next_of(gen), -EBUSY);
        return yield_number(gen, 1);
}

static int ask_outer(struct pen_gen *gen, void *outer)
{
        ck_assert_int_eq(next_of(*(struct pen_gen **)outer), -EBUSY);
        ck_assert_int_eq(yield_number(*(struct pen_gen **)outer, 4), -EPERM);
        return yield_number(gen, 2);
}

static int ask_inner(struct pen_gen *gen, void *arg)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *inner = gen_of(ask_outer, &gen);

        (void)arg;
        ck_assert_int_eq(next_of(inner), 2);
        ck_assert_int_eq(yield_number(inner, 3), -EPERM);
        return yield_number(gen, 1);
}

static int yield_on_big_stack(void *gen)
{
        return yield_number(gen, 1);
}

static int yield_from_elsewhere(struct pen_gen *gen, void *arg)
{
        (void)arg;
        ck_assert_int_eq(pen_on_thread_stack(yield_on_big_stack, gen), -EPERM);
        return yield_number(gen, 1);
}

static int misuse(void *world)
{
        int (*const bodies[])(struct pen_gen *, void *) = { ask_for_itself, ask_inner,
                                                            yield_from_elsewhere };

        (void)world;
        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                struct pen_gen *gen = gen_of(bodies[i], NULL);

                ck_assert_int_eq(yield_number(gen, 1), -EPERM);
                ck_assert_int_eq(next_of(gen), 1);
                ck_assert_int_eq(yield_number(gen, 1), -EPERM);
                ck_assert_int_eq(next_of(gen), 0);
                ck_assert_int_eq(yield_number(gen, 1), -EPERM);
                pen_gen_free(gen);
        }
        return 1;
}
PLAY(only_the_running_body_yields_and_it_cannot_ask_itself, misuse, 1, "")

START_TEST(generator_needs_a_loop_and_next_a_task)
{
        struct pen_gen *gen = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        ck_assert_int_eq(pen_gen_create(count_up, NULL, &gen), -ENXIO);
        ck_assert_ptr_null(gen);
        world_init(&w);
        gen = gen_of(count_up, NULL);
        ck_assert_int_eq(next_of(gen), -EDEADLK);
        ck_assert_int_eq(yield_number(gen, 1), -EPERM);
        pen_gen_freep(&gen);
}
END_TEST

/* --- cancellation and deadlines --------------------------------------------------------------- */

/* Goes on when it is cancelled: yields how often it was. */
static int survive(struct pen_gen *gen, void *arg)
{
        int r = 0, n = 0;

        (void)arg;
        while (r == 0) {
                while (pen_sleep(PEN_FOREVER) == -ECANCELED && ++n < 2)
                        ;
                r = yield_number(gen, n);
        }
        return r;
}

static int ask_survivor(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(survive, world);

        ck_assert_int_eq(next_of(gen), 2);
        ck_assert_uint_eq(pen_cancelling(), 2);
        return pen_yield() == 0;
}

START_TEST(cancellation_is_the_bodys_where_it_waits)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, ask_survivor);

        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert(!pen_task_done(t));
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

/* A cancelled body may wait in its cleanup; `next` answers what it returns. */
static int fail_slowly(struct pen_gen *gen, void *world)
{
        int r = pen_sleep(PEN_FOREVER);

        (void)gen;
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        world_say(world, "cleaned at %d", (int)(pen_now() / PEN_SEC));
        return r;
}

static int ask_slow_failure(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(fail_slowly, world);
        int r = (int)next_of(gen);

        ck_assert_int_eq(next_of(gen), 0);
        return r;
}

START_TEST(cancelled_body_cleans_up_before_next_returns)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, ask_slow_failure);

        pen_task_cancel(t);
        world_advance(&w, PEN_SEC - 1);
        ck_assert(!pen_task_done(t));
        world_advance(&w, 1);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_str_eq(w.trace, "cleaned at 1");
}
END_TEST

static int cancel_myself_between(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(count_up, world);

        ck_assert_int_eq(next_of(gen), 1);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(next_of(gen), -ECANCELED);
        ck_assert_int_eq(next_of(gen), 2);
        return 1;
}
PLAY(cancelled_before_it_asks_a_task_finds_the_generator_as_it_was, cancel_myself_between, 1, "")

static int cancel_myself_before(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(tens, world);

        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(next_of(gen), -ECANCELED);
        ck_assert_int_eq(next_of(gen), 0);
        return 1;
}
PLAY(first_next_of_a_cancelled_task_begins_the_body, cancel_myself_before, 1,
     "begun, ended with -125, ")

static int cancel_and_yield(struct pen_gen *gen, void *arg)
{
        (void)arg;
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(yield_number(gen, 1), 0);
        return yield_number(gen, 2);
}

static int ask_canceller(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(cancel_and_yield, world);

        ck_assert_int_eq(next_of(gen), 1);
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        ck_assert_int_eq(next_of(gen), 2);
        return 1;
}
PLAY(cancellation_at_a_yield_loses_no_item, ask_canceller, 1, "")

static int ask_within(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(tens, world);
        struct pen_timeout scope;

        pen_timeout_begin(&scope, 1500 * PEN_MSEC);
        ck_assert_int_eq(next_of(gen), 10);
        ck_assert_int_eq(pen_timeout_end(&scope, (int)next_of(gen)), -ETIME);
        ck_assert_uint_eq(pen_cancelling(), 0);
        ck_assert_int_eq(pen_yield(), 0);
        world_say(world, "at %d", (int)(pen_now() / PEN_MSEC));
        return (int)next_of(gen);
}
PLAY(deadline_around_next_ends_the_wait_of_the_body, ask_within, 0,
     "begun, ended with -125, at 1500")

static int sleep_long(void *arg)
{
        (void)arg;
        return pen_sleep(PEN_HOUR);
}

/* Has a shorter deadline of its own, and takes a longer one of the caller's for what it is. */
static int bound_itself(struct pen_gen *gen, void *arg)
{
        int r = pen_within(10, sleep_long, NULL);

        (void)arg;
        ck_assert_int_eq(r, -ETIME);
        r = yield_number(gen, 1);
        return r < 0 ? r : pen_within(100, sleep_long, NULL);
}

static int bound_it_too(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(bound_itself, world);
        struct pen_timeout scope;

        pen_timeout_begin(&scope, 20);
        ck_assert_int_eq(next_of(gen), 1);
        ck_assert_uint_eq(pen_now(), 10);
        ck_assert_int_eq(pen_timeout_end(&scope, (int)next_of(gen)), -ETIME);
        ck_assert_uint_eq(pen_now(), 20);
        return 1;
}
PLAY(deadlines_of_body_and_caller_nest, bound_it_too, 1, "")

/* --- nesting ---------------------------------------------------------------------------------- */

#define DEPTH 20

/* Each adds one to what the one before it yields. */
static int add_one(struct pen_gen *gen, void *depth)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *inner = NULL;
        intptr_t n = (intptr_t)depth, number;
        int r = 0;

        if (n == 0)
                return count_up(gen, NULL);
        inner = gen_of(add_one, (void *)(n - 1));
        while (r == 0 && (number = next_of(inner)) > 0) {
                if (n % 5 == 0)
                        ck_assert_int_eq(pen_sleep(1), 0);
                r = yield_number(gen, number + 1);
        }
        return r;
}

static int ask_chain(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(add_one, (void *)(intptr_t)DEPTH);

        (void)world;
        for (int i = 1; i <= 10; i++) {
                ck_assert_int_eq(next_of(gen), i + DEPTH);
                ck_assert_uint_eq(pen_now(), (pen_usec)i * (DEPTH / 5));
        }
        return 1;
}

START_TEST(generators_nest_and_are_freed_from_the_outermost)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, ask_chain);

        world_advance(&w, PEN_SEC);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert(list_empty(&w.loop->generators));
}
END_TEST

/* --- what else a body may do ------------------------------------------------------------------ */

static int use_much_stack(void *sum)
{
        char much[200000];

        memset(much, 1, sizeof(much));
        for (size_t i = 0; i < sizeof(much); i += 1000)
                *(int *)sum += much[i];
        return pen_task_current() ? -EIO : 11;
}

static int seven(void *arg)
{
        (void)arg;
        return 7;
}

static int do_everything(struct pen_gen *gen, void *arg)
{
        struct pen_task *task;
        int sum = 0, result;

        (void)arg;
        ck_assert_int_eq(pen_on_thread_stack(use_much_stack, &sum), 11);
        ck_assert_int_eq(sum, 200);
        ck_assert_int_eq(yield_number(gen, 1), 0);
        ck_assert_int_eq(pen_spawn(seven, NULL, &task), 0);
        ck_assert_int_eq(pen_await(task, &result), 0);
        pen_task_unref(task);
        ck_assert_int_eq(yield_number(gen, result), 0);
        ck_assert_int_eq(pen_to_thread(seven, NULL, &result), 0);
        return yield_number(gen, result);
}

static int ask_everything(void *arg)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(do_everything, arg);

        ck_assert_int_eq(next_of(gen), 1);
        ck_assert_int_eq(next_of(gen), 7);
        ck_assert_int_eq(next_of(gen), 7);
        return 1;
}

START_TEST(body_may_use_the_big_stack_tasks_and_threads)
{
        ck_assert_int_eq(run_virtual(ask_everything, NULL), 1);
}
END_TEST

/* What the checker takes for the running stack has to be that: it looks there for frames. */
static bool on_known_stack(void)
{
#if defined(PEN_ASAN)
        void *here = __builtin_frame_address(0);

        return strcmp(__asan_locate_address(here, NULL, 0, NULL, NULL), "stack") == 0;
#else
        return true;
#endif
}

static int look_around(struct pen_gen *gen, void *arg)
{
        int r = 0;

        (void)arg;
        while (r == 0) {
                ck_assert(on_known_stack());
                ck_assert_int_eq(pen_sleep(1), 0);
                ck_assert(on_known_stack());
                r = yield_number(gen, 1);
        }
        return r;
}

static int look_around_both(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(look_around, world);

        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(next_of(gen), 1);
                ck_assert(on_known_stack());
                ck_assert_int_eq(pen_sleep(1), 0);
                ck_assert(on_known_stack());
        }
        return 1;
}
PLAY(address_sanitizer_knows_which_stack_runs, look_around_both, 1, "")

static int round_up(struct pen_gen *gen, void *arg)
{
        int r = 0;

        (void)arg;
        ck_assert_uint_eq((uintptr_t)__builtin_frame_address(0) % 16, 0);
        ck_assert_int_eq(fesetround(FE_UPWARD), 0);
        while (r == 0) {
                ck_assert_int_eq(fegetround(), FE_UPWARD);
                r = yield_number(gen, 1);
        }
        return r;
}

static int round_down(void *world)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = gen_of(round_up, world);

        ck_assert_int_eq(fesetround(FE_DOWNWARD), 0);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(next_of(gen), 1);
                ck_assert_int_eq(fegetround(), FE_DOWNWARD);
        }
        return 1;
}
PLAY(body_and_caller_round_each_their_own_way, round_down, 1, "")

int main(void)
{
        return RUN_SUITE(
                "gen", items_come_in_order_when_asked_for, body_that_nobody_asked_never_runs,
                error_of_the_body_is_told_once, null_is_an_item_too,
                body_runs_as_each_task_that_asks_in_turn, what_a_body_sets_is_the_callers,
                while_one_task_is_in_it_another_is_told_busy,
                only_the_running_body_yields_and_it_cannot_ask_itself,
                generator_needs_a_loop_and_next_a_task, cancellation_is_the_bodys_where_it_waits,
                cancelled_body_cleans_up_before_next_returns,
                cancelled_before_it_asks_a_task_finds_the_generator_as_it_was,
                first_next_of_a_cancelled_task_begins_the_body,
                cancellation_at_a_yield_loses_no_item,
                deadline_around_next_ends_the_wait_of_the_body, deadlines_of_body_and_caller_nest,
                generators_nest_and_are_freed_from_the_outermost,
                body_may_use_the_big_stack_tasks_and_threads,
                address_sanitizer_knows_which_stack_runs, body_and_caller_round_each_their_own_way);
}
