/* spawn warm|cold [N]: makes a task and runs it for the first time. Warm: one after the other has
 * ended, on the same stack. Cold: N side by side, on stacks that nobody has touched. */
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>

#include "bench.h"

static long n, running;
static struct pen_event *end;

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int warm(void *arg)
{
        double t = bench_now();

        (void)arg;
        for (long i = 0; i < n; i++) {
                PEN_CLEANUP(pen_task_unrefp) struct pen_task *task = NULL;

                bench_check(pen_spawn(nothing, NULL, &task), "spawn");
                bench_check(pen_await(task, NULL), "await");
        }
        t = bench_now() - t;
        printf("ns=%.0f\n", t * 1e9 / (double)n);
        return 0;
}

static int stay(void *arg)
{
        (void)arg;
        running++;
        return pen_event_wait(end);
}

static int cold(void *arg)
{
        struct pen_group *group;
        double t;
        int r = 0;

        (void)arg;
        bench_check(pen_group_create(&group), "group");
        bench_check(pen_event_create(&end), "event");
        t = bench_now();
        for (long i = 0; i < n; i++)
                bench_check(pen_group_spawn(group, NULL, stay, NULL, NULL), "spawn");
        while (r == 0 && running < n)
                r = pen_yield();
        t = bench_now() - t;
        printf("ns=%.0f\n", t * 1e9 / (double)n);
        pen_event_set(end);
        if (r == 0)
                r = pen_group_join(group);
        pen_group_free(group);
        pen_event_free(end);
        return r;
}

int main(int argc, char **argv)
{
        bool is_cold = argc > 1 && strcmp(argv[1], "cold") == 0;

        n = bench_argument(argc, argv, 2, is_cold ? 10000 : 1000000);
        bench_check(pen_run(is_cold ? cold : warm, NULL), "spawn");
        return 0;
}
