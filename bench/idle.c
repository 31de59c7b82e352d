/* idle [TASKS [printf]]: TASKS tasks that have run (with `printf`, a deep call into libc), sleep
 * with 1 KiB of live locals, and are resumed; what that occupies for each, page tables included. */
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/task.h>

#include "bench.h"

#define LIVE 1024

static long n, asleep, resumed;
static bool print;
static pen_usec nap;

/* A frame of its own, gone before the sleep. */
static __attribute__((noinline)) void print_number(void)
{
        char text[32];

        snprintf(text, sizeof(text), "%.17g", bench_now());
        __asm__ volatile("" : : "r"(text) : "memory");
}

static int sleeper(void *arg)
{
        unsigned char live[LIVE];
        int r;

        memset(live, (int)(long)arg, sizeof(live));
        __asm__ volatile("" : : "r"(live) : "memory");
        if (print)
                print_number();
        asleep++;
        r = pen_sleep(nap);
        __asm__ volatile("" : : "r"(live) : "memory");
        if (live[0] == (unsigned char)(long)arg && live[LIVE - 1] == live[0])
                resumed++;
        return r;
}

static int run(void *arg)
{
        struct pen_group *group;
        long before, after;
        double t;
        int r;

        (void)arg;
        bench_check(pen_group_create(&group), "group");
        before = bench_resident();
        t = bench_now();
        for (long i = 0; i < n; i++)
                bench_check(pen_group_spawn(group, NULL, sleeper, (void *)i, NULL), "spawn");
        while (asleep < n)
                bench_check(pen_yield(), "yield");
        t = bench_now() - t;
        after = bench_resident();
        if (resumed > 0) {
                fprintf(stderr, "idle: some woke before all slept\n");
                exit(1);
        }
        r = pen_group_join(group);
        if (resumed < n) {
                fprintf(stderr, "idle: %ld of %ld came back whole\n", resumed, n);
                exit(1);
        }
        printf("bytes=%.0f all=%ld create_ns=%.0f\n", (double)(after - before) / (double)n, after,
               t * 1e9 / (double)n);
        pen_group_free(group);
        return r;
}

int main(int argc, char **argv)
{
        n = bench_argument(argc, argv, 1, 10000);
        print = argc > 2;
        nap = PEN_SEC / 2 + (pen_usec)n * 25;
        bench_check(pen_run(run, NULL), "idle");
        return 0;
}
