/* What a new stack costs at least: mmap of 64 KiB and a guard page, mprotect of that, and a touch.
 * cc -O2 -I.. -o mmap_stack mmap_stack.c ; mmap_stack [N] */
#include <sys/mman.h>

#include "bench.h"

#define STACK 65536
#define GUARD 4096

int main(int argc, char **argv)
{
        long n = bench_argument(argc, argv, 1, 10000);
        double t = bench_now();

        for (long i = 0; i < n; i++) {
                char *p = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

                if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) < 0)
                        return 1;
                *(volatile char *)(p + GUARD + STACK - 64) = 1;
        }
        t = bench_now() - t;
        printf("ns=%.0f\n", t * 1e9 / (double)n);
        return 0;
}
