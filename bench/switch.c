/* switch [N]: the bare change of stacks, there and back. It has no public name, so this program
 * links the archive. */
#include <async/switch.h>

#include "bench.h"

static void *here, *there;

static void there_main(void *arg)
{
        (void)arg;
        for (;;)
                pen_switch(&there, here);
}

int main(int argc, char **argv)
{
        static char stack[65536] __attribute__((aligned(64)));
        long n = bench_argument(argc, argv, 1, 20000000);
        double t;

        there = pen_switch_prepare(stack, stack + sizeof(stack), there_main, NULL);
        t = bench_now();
        for (long i = 0; i < n; i++)
                pen_switch(&here, there);
        t = bench_now() - t;
        printf("ns=%.2f\n", t * 1e9 / (double)n / 2);
        return 0;
}
