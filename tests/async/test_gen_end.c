/* How generators end: by themselves, freed, with the loop; many of them, and in any order. */
#include "gens.h"

#include <errno.h>
#include <string.h>

#include <penstock/sync.h>

static struct pen_gen *shared;

static int ask_shared(void *world)
{
        intptr_t r = next_of(shared);

        world_say(world, "%s got %d, ", ME, (int)r);
        return (int)r;
}

/* Yields once; its cleanup takes a second. */
static int clean_slowly(struct pen_gen *gen, void *world)
{
        int r = yield_number(gen, 1);

        world_say(world, "told %d, ", r);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        world_say(world, "cleaned by %s at %d, ", ME, (int)(pen_now() / PEN_SEC));
        return r;
}

/* --- freeing ---------------------------------------------------------------------------------- */

static int free_half_way(void *world)
{
        struct pen_gen *gen = gen_of(clean_slowly, world);

        ck_assert_int_eq(next_of(gen), 1);
        pen_gen_freep(&gen);
        world_say(world, "freed at %d", (int)(pen_now() / PEN_SEC));
        return pen_yield();
}
PLAY(free_tells_the_body_and_waits_for_it, free_half_way, 0,
     "told -125, cleaned by main at 1, freed at 1")

START_TEST(free_is_not_interrupted_and_the_cancellation_stays)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, free_half_way);

        ck_assert_str_eq(w.trace, "told -125, ");
        pen_task_cancel(t);
        world_advance(&w, PEN_SEC - 1);
        ck_assert_str_eq(w.trace, "told -125, ");
        world_advance(&w, 1);
        ck_assert_str_eq(w.trace, "told -125, cleaned by main at 1, freed at 1");
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

static int free_when_cancelled(void *world)
{
        pen_task_cancel(pen_task_current());
        return free_half_way(world);
}
PLAY(free_by_a_cancelled_task_lets_the_body_clean_up, free_when_cancelled, -ECANCELED,
     "told -125, cleaned by main at 1, freed at 1")

static int yield_in_cleanup(struct pen_gen *gen, void *world)
{
        int r = yield_number(gen, 1);

        for (int i = 0; i < 3; i++) {
                world_say(world, "%d ", yield_number(gen, 100));
                ck_assert_int_eq(pen_sleep(1), 0);
        }
        return r;
}

static int free_one_that_yields(void *world)
{
        struct pen_gen *gen = gen_of(yield_in_cleanup, world);

        ck_assert_int_eq(next_of(gen), 1);
        pen_gen_free(gen);
        world_say(world, "freed at %d", (int)pen_now());
        return 1;
}
PLAY(yields_in_cleanup_hand_nothing_over, free_one_that_yields, 1, "-125 -125 -125 freed at 3")

static int fail_when_freed(struct pen_gen *gen, void *arg)
{
        (void)arg;
        return yield_number(gen, 1) < 0 ? -EIO : 0;
}

static int free_failing(void *world)
{
        struct pen_gen *gen = gen_of(fail_when_freed, world);

        ck_assert_int_eq(next_of(gen), 1);
        pen_gen_free(gen);
        return pen_cancelling() == 0 && pen_yield() == 0;
}

START_TEST(what_a_freed_body_returns_is_dropped)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, free_failing);

        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_str_eq(w.log, "");
}
END_TEST

static int free_ended(void *world)
{
        struct pen_gen *gen = gen_of(tens, world);

        while (next_of(gen) > 0)
                ;
        pen_gen_free(gen);
        return 1;
}
PLAY(free_of_one_that_has_ended_calls_nothing, free_ended, 1, "begun, ended with 0, ")

static int wait_then_yield(struct pen_gen *gen, void *world)
{
        int r = pen_event_wait(((struct world *)world)->event);

        world_say(world, "event %d, ", r);
        r = yield_number(gen, 1);
        world_say(world, "yield %d, ", r);
        ck_assert_int_eq(pen_sleep(1), 0);
        return r;
}

static int free_shared(void *world)
{
        pen_gen_freep(&shared);
        world_say(world, "freed, ");
        return pen_yield();
}

START_TEST(free_waits_for_the_task_that_is_in_it)
{
        struct pen_task *asks, *frees;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        shared = gen_of(wait_then_yield, &w);
        asks = world_spawn_named(&w, "asks", ask_shared);
        frees = world_spawn_named(&w, "frees", free_shared);
        world_run_until_idle(&w);
        pen_task_cancel(frees);
        world_run_until_idle(&w);
        ck_assert_str_eq(w.trace, "");
        pen_event_set(w.event);
        world_advance(&w, 1);
        ck_assert_str_eq(w.trace, "event 0, yield -125, asks got -125, freed, ");
        ck_assert_int_eq(pen_task_result(asks), -ECANCELED);
        ck_assert_int_eq(pen_task_result(frees), -ECANCELED);
}
END_TEST

START_TEST(freed_outside_of_a_task_a_body_ends_in_a_task_of_its_own)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        shared = gen_of(clean_slowly, &w);
        world_spawn_named(&w, "asks", ask_shared);
        world_run_until_idle(&w);
        pen_gen_freep(&shared);
        ck_assert_str_eq(w.trace, "asks got 1, ");
        world_advance(&w, PEN_SEC);
        ck_assert_str_eq(w.trace, "asks got 1, told -125, cleaned by task-2 at 1, ");
        ck_assert_uint_eq(w.loop->n_tasks, 0);
        ck_assert(list_empty(&w.loop->generators));
}
END_TEST

START_TEST(freed_outside_of_a_task_while_one_is_in_it_it_waits_too)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        shared = gen_of(wait_then_yield, &w);
        world_spawn_named(&w, "asks", ask_shared);
        world_run_until_idle(&w);
        pen_gen_freep(&shared);
        world_run_until_idle(&w);
        pen_event_set(w.event);
        world_advance(&w, 1);
        ck_assert_str_eq(w.trace, "event 0, yield -125, asks got -125, ");
        ck_assert_uint_eq(w.loop->n_tasks, 0);
}
END_TEST

/* Frees the shared one on the root while no stack is to be had. */
static void free_without_memory(struct world *w)
{
        struct stack_pool *pool = &w->loop->stacks, before = *pool;

        pool->warm = pool->cold = NULL;
        pool->size = SIZE_MAX / 2;
        pen_gen_freep(&shared);
        pool->warm = before.warm;
        pool->cold = before.cold;
        pool->size = before.size;
        ck_assert_uint_eq(w->loop->n_tasks, 0);
}

START_TEST(freed_outside_of_a_task_without_memory_a_body_ends_with_the_loop)
{
        for (int closed = 0; closed < 2; closed++) {
                PEN_CLEANUP(world_deinit) struct world w;

                world_init(&w);
                shared = gen_of(clean_slowly, &w);
                world_spawn_named(&w, "asks", ask_shared);
                world_run_until_idle(&w);
                free_without_memory(&w);
                if (closed) /* as pen_run does; or else it is abandoned, without a leak */
                        ck_assert(loop_generators_close(w.loop));
                world_advance(&w, PEN_SEC);
                ck_assert_str_eq(w.trace, closed ? "asks got 1, told -125, cleaned by task-2 at 1, "
                                                 : "asks got 1, ");
        }
}
END_TEST

/* --- the loop's end --------------------------------------------------------------------------- */

static struct pen_gen *left[4];
static char said[100];

static int clean_at_the_end(struct pen_gen *gen, void *name)
{
        int r = yield_number(gen, 1);

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        strcat(said, name);
        return r;
}

static int ask_in_vain(void *gen)
{
        return (int)next_of(gen);
}

static int never(struct pen_gen *gen, void *arg)
{
        int r = pen_sleep(PEN_FOREVER);

        strcat(said, "cancelled ");
        (void)arg;
        (void)yield_number(gen, 9);
        return r;
}

static int leave_half_way(void *arg)
{
        static char first[] = "first ", second[] = "second ", third[] = "never begun ";

        left[0] = gen_of(clean_at_the_end, first);
        left[1] = gen_of(clean_at_the_end, second);
        left[2] = gen_of(clean_at_the_end, third);
        left[3] = gen_of(never, NULL);
        (void)arg;
        ck_assert_int_eq(pen_spawn(ask_in_vain, left[3], NULL), 0);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(next_of(left[0]), 1);
        ck_assert_int_eq(next_of(left[1]), 1);
        return 3;
}

START_TEST(loop_ends_the_bodies_that_are_half_way)
{
        PEN_CLEANUP(world_deinit) struct world w;

        said[0] = '\0';
        ck_assert_int_eq(run_virtual(leave_half_way, NULL), 3);
        ck_assert_str_eq(said, "cancelled first second ");
        world_init(&w); /* another loop */
        ck_assert_int_eq(next_of(left[0]), -EDEADLK);
        for (size_t i = 0; i < ARRAY_SIZE(left); i++)
                ck_assert_int_eq(pen_task_result(world_spawn_arg(&w, ask_in_vain, left[i])),
                                 -EAGAIN);
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
                ck_assert_int_eq(pen_task_result(w.tasks[i]), 0);
                pen_gen_freep(&left[i]);
        }
        ck_assert_str_eq(said, "cancelled first second ");
}
END_TEST

static int cancel_later(void *task)
{
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        return pen_task_cancel(task) ? 0 : -EIO;
}

static int free_under_others(void *arg)
{
        struct pen_task *asker;
        struct pen_gen *gen = gen_of(never, arg);

        ck_assert_int_eq(pen_spawn(ask_in_vain, gen, &asker), 0);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(pen_spawn(cancel_later, asker, NULL), 0);
        pen_gen_free(gen);
        ck_assert_uint_eq(pen_now(), PEN_SEC);
        ck_assert_int_eq(pen_task_result(asker), -ECANCELED);
        pen_task_unref(asker);
        return 2;
}

START_TEST(free_outlasts_the_cancellation_of_the_task_that_is_in_it)
{
        said[0] = '\0';
        ck_assert_int_eq(run_virtual(free_under_others, NULL), 2);
        ck_assert_str_eq(said, "cancelled ");
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

static int hold_locals(struct pen_gen *gen, void *number)
{
        intptr_t n = (intptr_t)number, there[20];
        int r = pen_yield();

        for (size_t i = 0; i < ARRAY_SIZE(there); i++)
                there[i] = n + (intptr_t)i;
        for (size_t i = 0; i < ARRAY_SIZE(there) && r == 0; i++) {
                __asm__ volatile("" : : "r"(there) : "memory");
                r = yield_number(gen, there[i]);
        }
        return r;
}

static size_t n_slabs(const struct pen_loop *loop)
{
        size_t n = 0;

        list_for_each(i, &loop->stacks.slabs)
                n++;
        return n;
}

/* Takes three items of each, in turn; frees some half-way and runs some to their end. */
static int ask_many(void *arg)
{
        size_t n = many(10000, 1000);
        struct pen_gen **gens = calloc(n, sizeof(*gens));

        (void)arg;
        for (size_t i = 0; i < n; i++)
                gens[i] = gen_of(hold_locals, (void *)(intptr_t)(100 * i + 1));
        for (int item = 0; item < 3; item++)
                for (size_t i = 0; i < n; i++)
                        ck_assert_int_eq(next_of(gens[i]), (intptr_t)(100 * i + 1) + item);
        for (size_t i = 0; i < n; i += 3)
                while (next_of(gens[i]) > 0)
                        ;
        for (size_t i = 0; i < n; i++)
                pen_gen_free(gens[i]);
        free(gens);
        return 1;
}

START_TEST(many_live_at_once_and_their_stacks_are_used_again)
{
        struct pen_task *t;
        size_t slabs;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn_arg(&w, ask_many, NULL);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        slabs = n_slabs(w.loop);
        ck_assert_uint_ge(slabs, many(10000, 1000) / 64);
        t = world_spawn_arg(&w, ask_many, NULL);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_uint_eq(n_slabs(w.loop), slabs);
}
END_TEST

static int end_one(void *world)
{
        struct world *w = world;
        size_t before = w->loop->stacks.n_warm;

        shared = gen_of(end_with, &w->result);
        ck_assert_int_eq(next_of(shared), 5);
        ck_assert_int_eq(next_of(shared), 0);
        ck_assert_uint_eq(w->loop->stacks.n_warm, before + 1);
        pen_gen_free(shared);
        ck_assert_uint_eq(w->loop->stacks.n_warm, before + 1);
        return 1;
}
PLAY(body_that_has_ended_gives_its_stack_back_at_once, end_one, 1, "")

/* --- at random -------------------------------------------------------------------------------- */

#define N_TASKS 8
#define N_GENS 4

static struct {
        struct pen_gen *gens[N_GENS];
        intptr_t yielded[N_GENS], taken[N_GENS];
        int ended[N_GENS];
        struct random random;
} crowd;

/* Goes on all the same when it is cancelled. */
static void pause_at_random(void)
{
        int r = pen_sleep(random_below(&crowd.random, 3));

        ck_assert(r == 0 || r == -ECANCELED);
}

static int count_with_pauses(struct pen_gen *gen, void *number)
{
        size_t i = (size_t)(intptr_t)number;
        int r = 0;

        while (r == 0) {
                pause_at_random();
                r = yield_number(gen, ++crowd.yielded[i]);
        }
        ck_assert_int_eq(r, -ECANCELED);
        pause_at_random();
        crowd.ended[i]++;
        return r;
}

static int ask_any(void *arg)
{
        (void)arg;
        for (int n = 0; n < 50; n++) {
                size_t i = random_below(&crowd.random, N_GENS);
                struct pen_task *me = pen_task_current();
                intptr_t item;

                if (random_below(&crowd.random, 5) == 0)
                        pen_task_cancel(me);
                item = next_of(crowd.gens[i]);
                ck_assert_ptr_eq(pen_task_current(), me);
                if (item > 0)
                        ck_assert_int_eq(item, ++crowd.taken[i]);
                else
                        ck_assert(item == -EBUSY || item == -ECANCELED);
                pause_at_random();
        }
        return 1;
}

static void free_crowd(void)
{
        for (size_t i = 0; i < N_GENS; i++)
                pen_gen_freep(&crowd.gens[i]);
}

START_TEST(in_any_order_no_item_is_lost_and_every_body_ends)
{
        for (uint64_t seed = 1; seed <= many(200, 20); seed++) {
                PEN_CLEANUP(world_deinit) struct world w;

                memset(&crowd, 0, sizeof(crowd));
                random_seed(&crowd.random, seed);
                world_init_seeded(&w, seed);
                for (size_t i = 0; i < N_GENS; i++)
                        crowd.gens[i] = gen_of(count_with_pauses, (void *)(intptr_t)i);
                for (size_t i = 0; i < N_TASKS; i++)
                        world_spawn_arg(&w, ask_any, NULL);
                for (int i = 0; i < 40; i++) {
                        world_advance(&w, random_below(&w.loop->random, 4));
                        pen_task_cancel(w.tasks[random_below(&w.loop->random, N_TASKS)]);
                }
                world_advance(&w, PEN_SEC);
                for (size_t i = 0; i < N_TASKS; i++)
                        ck_assert_int_eq(pen_task_result(w.tasks[i]), 1);
                free_crowd();
                world_advance(&w, PEN_SEC);
                for (size_t i = 0; i < N_GENS; i++) {
                        ck_assert_int_eq(crowd.ended[i], crowd.yielded[i] > 0);
                        ck_assert_int_ge(crowd.taken[i], crowd.yielded[i] - 1);
                }
                ck_assert_uint_eq(w.loop->n_tasks, 0);
                ck_assert(list_empty(&w.loop->generators));
        }
}
END_TEST

/* --- at the loop's end -------------------------------------------------------------------------- */

/* Begun by a task that is cancelled already: it is met inside. */
static int end_slowly(struct pen_gen *gen, void *ended)
{
        (void)gen;
        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ++*(int *)ended;
        return 0;
}

static int use_another(void *ended)
{
        struct pen_gen *gen = gen_of(end_slowly, ended);

        ck_assert_int_eq(next_of(gen), 0);
        pen_gen_free(gen);
        return 0;
}

static int spawn_in_cleanup(struct pen_gen *gen, void *ended)
{
        ck_assert_int_eq(yield_number(gen, 1), -ECANCELED);
        ck_assert_int_eq(pen_spawn(use_another, ended, NULL), 0);
        ck_assert_int_eq(pen_sleep(1), 0);
        return 0;
}

static int leave_one_that_spawns(void *ended)
{
        shared = gen_of(spawn_in_cleanup, ended);
        return next_of(shared) == 1 ? 0 : -EIO;
}

START_TEST(generator_of_a_task_that_cleanup_spawned_stays_its_own)
{
        int ended = 0;

        ck_assert_int_eq(run_virtual(leave_one_that_spawns, &ended), 0);
        ck_assert_int_eq(ended, 1);
        pen_gen_free(shared);
}
END_TEST

static void free_from_the_root(void *arg)
{
        (void)arg;
        pen_gen_free(shared);
}

static int have_it_freed(struct pen_gen *gen, void *ended)
{
        ck_assert_int_eq(yield_number(gen, 1), -ECANCELED);
        ck_assert_int_eq(pen_call_threadsafe(pen_loop_current(), free_from_the_root, NULL), 0);
        ck_assert_int_eq(pen_sleep(1), 0);
        ++*(int *)ended;
        return 0;
}

static int leave_one_to_be_freed(void *ended)
{
        shared = gen_of(have_it_freed, ended);
        return next_of(shared) == 1 ? 0 : -EIO;
}

START_TEST(freed_outside_of_a_task_while_the_loop_ends_it_a_body_ends_once)
{
        int ended = 0;

        ck_assert_int_eq(run_virtual(leave_one_to_be_freed, &ended), 0);
        ck_assert_int_eq(ended, 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE("gen_end", free_tells_the_body_and_waits_for_it,
                         free_is_not_interrupted_and_the_cancellation_stays,
                         free_by_a_cancelled_task_lets_the_body_clean_up,
                         yields_in_cleanup_hand_nothing_over, what_a_freed_body_returns_is_dropped,
                         free_of_one_that_has_ended_calls_nothing,
                         free_waits_for_the_task_that_is_in_it,
                         freed_outside_of_a_task_a_body_ends_in_a_task_of_its_own,
                         freed_outside_of_a_task_while_one_is_in_it_it_waits_too,
                         freed_outside_of_a_task_without_memory_a_body_ends_with_the_loop,
                         loop_ends_the_bodies_that_are_half_way,
                         free_outlasts_the_cancellation_of_the_task_that_is_in_it,
                         many_live_at_once_and_their_stacks_are_used_again,
                         body_that_has_ended_gives_its_stack_back_at_once,
                         in_any_order_no_item_is_lost_and_every_body_ends,
                         generator_of_a_task_that_cleanup_spawned_stays_its_own,
                         freed_outside_of_a_task_while_the_loop_ends_it_a_body_ends_once);
}
