#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/local.h>

/* Values are names on the heap; how many live is counted. */
static int n_alive;

static void free_name(void *name)
{
        if (!name)
                return;
        n_alive--;
        free(name);
}

static const struct pen_task_local color = { .free_value = free_name };
static const struct pen_task_local shape = { .free_value = free_name };
static const struct pen_task_local plain = { .free_value = NULL };

static void set(const struct pen_task_local *variable, const char *name)
{
        ck_assert_int_eq(pen_task_local_set(variable, strdup(name)), 0);
        n_alive++;
}

static const char *get(const struct pen_task_local *variable)
{
        const char *name = pen_task_local_get(variable);

        return name ? name : "-";
}

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

static int finish(struct pen_task *t)
{
        int result;

        ck_assert_int_eq(pen_await(t, &result), 0);
        pen_task_unref(t);
        return result;
}

/* Runs fn(&w) as a task; all values are gone afterwards. */
static void play(int (*fn)(void *world), const char *trace)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        n_alive = 0;
        world_init(&w);
        t = world_spawn(&w, fn);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_str_eq(w.trace, trace);
        ck_assert_int_eq(n_alive, 0);
}

#define PLAY(test, fn, trace)    \
        START_TEST(test)         \
        {                        \
                play(fn, trace); \
        }                        \
        END_TEST

/* --- one task --------------------------------------------------------------------------------- */

static int set_and_get(void *world)
{
        int number = 5;

        ck_assert_ptr_null(pen_task_local_get(&color));
        set(&color, "red");
        world_say(world, "%s %s, ", get(&color), get(&shape));
        set(&shape, "round");
        ck_assert_int_eq(pen_yield(), 0);
        world_say(world, "%s %s, ", get(&color), get(&shape));
        ck_assert_int_eq(pen_task_local_set(&plain, &number), 0);
        ck_assert_ptr_eq(pen_task_local_get(&plain), &number);
        ck_assert_int_eq(pen_task_local_set(&color, NULL), 0);
        world_say(world, "%s %s", get(&color), get(&shape));
        return n_alive == 1;
}
PLAY(variables_do_not_know_each_other_and_null_is_a_value, set_and_get, "red -, red round, - round")

static int set_again(void *world)
{
        set(&shape, "round");
        for (int i = 0; i < 1000; i++) {
                char name[20];

                snprintf(name, sizeof(name), "color %d", i);
                set(&color, name);
                ck_assert_str_eq(get(&color), name);
                ck_assert_int_eq(n_alive, 2);
        }
        world_say(world, "%s %s", get(&color), get(&shape));
        return 1;
}
PLAY(value_set_again_frees_the_one_before, set_again, "color 999 round")

#define MANY 200

static int set_many(void *world)
{
        static const struct pen_task_local all[MANY] = { { .free_value = NULL } };
        int values[MANY];

        for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < MANY; i++)
                        ck_assert_int_eq(
                                pen_task_local_set(&all[i], &values[(i * 7 + round) % MANY]), 0);
                for (size_t i = 0; i < MANY; i++)
                        ck_assert_ptr_eq(pen_task_local_get(&all[i]),
                                         &values[(i * 7 + round) % MANY]);
        }
        (void)world;
        return 1;
}
PLAY(task_may_have_many_variables, set_many, "")

START_TEST(variables_are_a_tasks)
{
        char name[] = "red";
        PEN_CLEANUP(world_deinit) struct world w;

        ck_assert_int_eq(pen_task_local_set(&plain, name), -ENXIO);
        ck_assert_ptr_null(pen_task_local_get(&plain));
        world_init(&w);
        ck_assert_int_eq(pen_task_local_set(&plain, name), -ENXIO);
        ck_assert_ptr_null(pen_task_local_get(&plain));
}
END_TEST

/* --- several ---------------------------------------------------------------------------------- */

static int child(void *world)
{
        world_say(world, "child %s %s, ", get(&color), get(&shape));
        set(&color, "green");
        ck_assert_int_eq(pen_sleep(10), 0);
        world_say(world, "child %s %s, ", get(&color), get(&shape));
        return 0;
}

static int parent(void *world)
{
        struct pen_task *t;

        set(&color, "red");
        set(&shape, "round");
        t = spawn(child, world);
        set(&color, "blue"); /* the child has not run yet */
        ck_assert_int_eq(pen_sleep(5), 0);
        world_say(world, "parent %s %s, ", get(&color), get(&shape));
        set(&shape, "square");
        ck_assert_int_eq(finish(t), 0);
        world_say(world, "parent %s %s", get(&color), get(&shape));
        return 1;
}
PLAY(child_starts_with_what_was_set_when_it_was_spawned_and_each_sets_its_own, parent,
     "child red round, parent blue round, child green round, parent blue square")

static int grandchild(void *world)
{
        world_say(world, "%s %s, ", get(&color), get(&shape));
        return 0;
}

static int spawner(void *world)
{
        set(&shape, "round");
        return finish(spawn(grandchild, world));
}

static int grandparent(void *world)
{
        set(&color, "red");
        ck_assert_int_eq(finish(spawn(spawner, world)), 0);
        world_say(world, "%s %s", get(&color), get(&shape));
        return 1;
}
PLAY(grandchild_has_both_its_ancestors_variables, grandparent, "red round, red -")

static int outlive(void *world)
{
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        world_say(world, "%s %d, ", get(&color), n_alive);
        return 0;
}

static int die_first(void *world)
{
        set(&color, "red");
        set(&shape, "round");
        ck_assert_int_eq(pen_spawn(outlive, world, NULL), 0);
        ck_assert_int_eq(pen_spawn(outlive, world, NULL), 0);
        set(&color, "blue");
        return 1;
}
PLAY(value_lives_until_the_last_that_sees_it_has_ended, die_first, "red 2, red 2, ")

static int end_at_once(void *world)
{
        set(&color, "green");
        (void)world;
        return 0;
}

static int keep_handle(void *world)
{
        struct pen_task *t = spawn(end_at_once, world);

        ck_assert_int_eq(pen_await(t, NULL), 0);
        world_say(world, "%d", n_alive);
        pen_task_unref(t);
        return 1;
}
PLAY(values_end_with_the_task_and_not_with_its_handle, keep_handle, "0")

/* A server's pattern: set, spawn, set, spawn ... */
static int serve(void *world)
{
        struct pen_task *tasks[50];

        set(&shape, "round");
        for (int i = 0; i < 1000; i++) {
                char name[20];

                snprintf(name, sizeof(name), "%d", i);
                set(&color, name);
                if (i >= 50)
                        ck_assert_int_eq(finish(tasks[i % 50]), 0);
                tasks[i % 50] = spawn(end_at_once, world);
                ck_assert_int_le(n_alive, 53);
        }
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(finish(tasks[i]), 0);
        world_say(world, "%s %s %d", get(&color), get(&shape), n_alive);
        return 1;
}
PLAY(setting_and_spawning_in_turn_keeps_no_old_values, serve, "999 round 2")

/* What frees a value finds the new one. */
static const char *seen;
static const struct pen_task_local watched;

static void look_when_freed(void *name)
{
        (void)name;
        seen = get(&watched);
        if (strcmp(seen, "second") == 0)
                set(&shape, "set while freed");
}

static const struct pen_task_local watched = { .free_value = look_when_freed };

static int replace_watched(void *world)
{
        static char first[] = "first", second[] = "second";

        seen = "";
        ck_assert_int_eq(pen_task_local_set(&watched, first), 0);
        ck_assert_int_eq(pen_task_local_set(&watched, second), 0);
        world_say(world, "%s %s", seen, get(&shape));
        return 1;
}
PLAY(old_value_is_freed_when_the_new_one_is_in_place, replace_watched, "second set while freed")

/* --- at random -------------------------------------------------------------------------------- */

#define N_VARIABLES 6

static const struct pen_task_local variables[N_VARIABLES] = {
        { free_name }, { free_name }, { free_name }, { free_name }, { free_name }, { free_name },
};

struct copy {
        struct world *w;
        int depth;
        unsigned values[N_VARIABLES]; /* what the task should see; 0: nothing */
};

static unsigned n_values;

/* Sets, spawns and sleeps as chance will; what it sees is always what it should. */
static int live(void *arg)
{
        struct copy me = *(struct copy *)arg;
        struct random *random = &me.w->loop->random;

        free(arg);
        for (int step = 0; step < 12; step++) {
                size_t i = random_below(random, N_VARIABLES);

                if (random_below(random, 2)) {
                        char text[20];

                        me.values[i] = ++n_values;
                        snprintf(text, sizeof(text), "%u", me.values[i]);
                        set(&variables[i], text);
                } else if (me.depth < 4) {
                        struct copy *child_copy = malloc(sizeof(*child_copy));

                        *child_copy = me;
                        child_copy->depth++;
                        ck_assert_int_eq(pen_spawn(live, child_copy, NULL), 0);
                }
                ck_assert_int_eq(pen_sleep(random_below(random, 3)), 0);
                for (i = 0; i < N_VARIABLES; i++)
                        ck_assert_uint_eq(
                                strtoul(me.values[i] ? get(&variables[i]) : "0", NULL, 10),
                                me.values[i]);
        }
        return 1;
}

START_TEST(any_family_of_tasks_sees_what_each_should)
{
        for (uint64_t seed = 1; seed <= many(20, 3); seed++) {
                PEN_CLEANUP(world_deinit) struct world w;
                struct copy *first = calloc(1, sizeof(*first));

                n_alive = 0;
                world_init_seeded(&w, seed);
                first->w = &w;
                ck_assert_int_eq(pen_spawn(live, first, NULL), 0);
                world_advance(&w, PEN_SEC);
                ck_assert_uint_eq(w.loop->n_tasks, 0);
                ck_assert_int_eq(n_alive, 0);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("local", variables_do_not_know_each_other_and_null_is_a_value,
                         value_set_again_frees_the_one_before, task_may_have_many_variables,
                         variables_are_a_tasks,
                         child_starts_with_what_was_set_when_it_was_spawned_and_each_sets_its_own,
                         grandchild_has_both_its_ancestors_variables,
                         value_lives_until_the_last_that_sees_it_has_ended,
                         values_end_with_the_task_and_not_with_its_handle,
                         setting_and_spawning_in_turn_keeps_no_old_values,
                         old_value_is_freed_when_the_new_one_is_in_place,
                         any_family_of_tasks_sees_what_each_should);
}
