/* What tests/async/gdb.sh looks at: tasks that wait at the bottom of functions whose names it knows, and
 * one that runs: it calls `look_here`, and is stopped there or dumps core. */
#include <penstock/gen.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static bool dump_core;

NOINLINE static int inner_wait(int depth)
{
        int r = depth > 0 ? inner_wait(depth - 1) : pen_sleep(PEN_HOUR);

        return r < 0 ? r : depth; /* not a tail call */
}

NOINLINE static int outer_wait(int depth)
{
        int r = inner_wait(depth);

        return r < 0 ? r : 1;
}

static int sleeper(void *arg)
{
        int r = outer_wait(*(int *)arg);

        return r < 0 ? r : 1;
}

static int waiter(void *task)
{
        int r = pen_await(task, NULL);

        return r < 0 ? r : 1;
}

NOINLINE static int make_pages(struct pen_gen *gen, void *arg)
{
        int r = outer_wait(1);

        return r < 0 ? r : pen_gen_yield(gen, arg);
}

NOINLINE static int read_pages(struct pen_gen *gen)
{
        void *page;
        int r = pen_gen_next(gen, &page);

        return r < 0 ? r : 1;
}

static int pager(void *arg)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = NULL;
        int r = pen_gen_create(make_pages, arg, &gen);

        return r < 0 ? r : read_pages(gen);
}

static int never_run(void *arg)
{
        (void)arg;
        return 0;
}

NOINLINE void look_here(void);

NOINLINE void look_here(void)
{
        if (dump_core)
                abort();
        __asm__ volatile("");
}

NOINLINE static int runner(void *arg)
{
        look_here();
        return *(int *)arg;
}

static int run(void *arg)
{
        static const struct pen_spawn_options as_sleeper = { .name = "sleeper" };
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *task = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int depth = 2, zero = 0;

        (void)arg;
        if (pen_group_create(&group) < 0 ||
            pen_spawn_with(&as_sleeper, sleeper, &depth, &task) < 0 ||
            pen_group_spawn(group, "waiter", waiter, task, NULL) < 0 ||
            pen_group_spawn(group, "pager", pager, NULL, NULL) < 0 || pen_yield() < 0 ||
            pen_group_spawn(group, NULL, runner, &zero, NULL) < 0 ||
            pen_group_spawn(group, "newborn", never_run, NULL, NULL) < 0)
                return 1;
        if (pen_sleep(PEN_MSEC) < 0)
                return 1;
        pen_group_cancel(group);
        return pen_group_join(group) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
        dump_core = argc > 1 && strcmp(argv[1], "core") == 0;
        return pen_run(run, NULL);
}
