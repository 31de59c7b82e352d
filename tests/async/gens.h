/* Short forms for tests of generators whose items are numbers. */
#pragma once

#include "world.h"

#include <penstock/gen.h>

#define ME pen_task_name(pen_task_current())

static inline struct pen_gen *gen_of(int (*body)(struct pen_gen *gen, void *arg), void *arg)
{
        struct pen_gen *gen = NULL;

        ck_assert_int_eq(pen_gen_create(body, arg, &gen), 0);
        ck_assert_ptr_nonnull(gen);
        return gen;
}

/* What `next` gave; its answer if that is not 1. */
static inline intptr_t next_of(struct pen_gen *gen)
{
        void *item = NULL;
        int r = pen_gen_next(gen, &item);

        ck_assert(r == 1 || !item);
        return r == 1 ? (intptr_t)item : r;
}

static inline int yield_number(struct pen_gen *gen, intptr_t number)
{
        return pen_gen_yield(gen, (void *)number);
}

static inline struct pen_task *play(struct world *w, int (*fn)(void *world))
{
        struct pen_task *t;

        world_init(w);
        t = world_spawn_named(w, "main", fn);
        world_run_until_idle(w);
        return t;
}

/* A world's main task, an hour, what the task answered and what was said. */
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

/* --- bodies ----------------------------------------------------------------------------------- */

/* 1, 2, 3 and so on, without ever waiting. */
static inline int count_up(struct pen_gen *gen, void *arg)
{
        int r = 0;

        (void)arg;
        for (intptr_t i = 1; r == 0; i++)
                r = yield_number(gen, i);
        return r;
}

/* 10, 20, 30, with a second's sleep before each. */
static inline int tens(struct pen_gen *gen, void *world)
{
        int r = 0;

        world_say(world, "begun, ");
        for (int i = 10; i <= 30 && r == 0; i += 10) {
                r = pen_sleep(PEN_SEC);
                if (r == 0)
                        r = yield_number(gen, i);
        }
        world_say(world, "ended with %d, ", r);
        return r;
}

/* 5, and then it ends with *result. */
static inline int end_with(struct pen_gen *gen, void *result)
{
        ck_assert_int_eq(yield_number(gen, 5), 0);
        return *(int *)result;
}
