/* process [N [WIDTH [MIB]]]: runs /bin/true N times, WIDTH at once, with MIB of memory in use. */
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/process.h>

#include "bench.h"

static long n, width, started;

static int runner(void *arg)
{
        static const char *const command[] = { "/bin/true", NULL };
        static const struct pen_process_options options = {
                .argv = command,
                .in = PEN_STDIO_INHERIT,
                .out = PEN_STDIO_INHERIT,
                .err = PEN_STDIO_INHERIT,
        };

        (void)arg;
        while (started < n) {
                PEN_CLEANUP(pen_process_freep) struct pen_process *process = NULL;
                int status;

                started++;
                bench_check(pen_process_spawn(&options, &process), "spawn");
                bench_check(pen_process_wait(process, &status), "wait");
        }
        return 0;
}

static int run(void *arg)
{
        struct pen_group *group;
        double t;
        int r;

        (void)arg;
        bench_check(pen_group_create(&group), "group");
        t = bench_now();
        for (long i = 0; i < width; i++)
                bench_check(pen_group_spawn(group, NULL, runner, NULL, NULL), "spawn");
        r = pen_group_join(group);
        t = bench_now() - t;
        printf("processes_per_s=%.0f\n", (double)n / t);
        pen_group_free(group);
        return r;
}

int main(int argc, char **argv)
{
        size_t ballast;
        char *memory;

        n = bench_argument(argc, argv, 1, 5000);
        width = bench_argument(argc, argv, 2, 2);
        ballast = (size_t)bench_argument(argc, argv, 3, 0) << 20;
        memory = malloc(ballast + 1);
        if (!memory)
                return 1;
        memset(memory, 1, ballast + 1);
        __asm__ volatile("" : : "r"(memory) : "memory");
        bench_check(pen_run(run, NULL), "process");
        free(memory);
        return 0;
}
