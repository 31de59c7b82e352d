/* yield [TASKS [N]]: N yields in all, by TASKS tasks; another one waits for a pipe that stays
 * silent. */
#include <penstock/fd.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <unistd.h>

#include "bench.h"

static long n_tasks, n, left;
static int silent[2];

static int yielder(void *arg)
{
        (void)arg;
        while (left-- > 0) {
                int r = pen_yield();

                if (r < 0)
                        return r;
        }
        return 0;
}

static int watcher(void *arg)
{
        (void)arg;
        return pen_fd_wait(silent[0], PEN_READABLE);
}

static int run(void *arg)
{
        struct pen_group *yielders, *watchers;
        double t;
        int r;

        (void)arg;
        bench_check(pen_group_create(&watchers), "group");
        bench_check(pen_group_create(&yielders), "group");
        bench_check(pen_group_spawn(watchers, NULL, watcher, NULL, NULL), "spawn");
        for (long i = 0; i < n_tasks; i++)
                bench_check(pen_group_spawn(yielders, NULL, yielder, NULL, NULL), "spawn");
        left = n;
        t = bench_now();
        r = pen_group_join(yielders);
        t = bench_now() - t;
        printf("ns=%.2f\n", t * 1e9 / (double)n);
        pen_group_free(yielders);
        pen_group_free(watchers);
        return r;
}

int main(int argc, char **argv)
{
        n_tasks = bench_argument(argc, argv, 1, 11);
        n = bench_argument(argc, argv, 2, 20000000);
        if (pipe(silent) < 0)
                return 1;
        bench_check(pen_run(run, NULL), "yield");
        return 0;
}
