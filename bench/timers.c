/* timers [PENDING [N]]: with PENDING timers of random dates set, the cost of setting one more and
 * taking it back (N times); then that of each one's expiry, once all are due. Our timers have no
 * public name of their own: a timeout scope is one. */
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

#include "bench.h"

/* All are due within so many microseconds, but not while they are being set. */
#define SOON 1000000
#define SPREAD 1000000

static long pending, n;

static int run(void *arg)
{
        struct pen_timeout *scopes = calloc((size_t)pending, sizeof(*scopes)), one;
        unsigned seed = 1;
        double begun = bench_now(), t;
        int r;

        (void)arg;
        if (!scopes)
                return 1;
        for (long i = 0; i < pending; i++)
                pen_timeout_begin(&scopes[i], SOON + bench_random(&seed) % SPREAD);

        t = bench_now();
        for (long i = 0; i < n; i++) {
                pen_timeout_begin(&one, SOON + bench_random(&seed) % SPREAD);
                bench_check(pen_timeout_end(&one, 0), "timeout");
        }
        t = bench_now() - t;
        printf("set_ns=%.1f ", t * 1e9 / (double)n);

        while (bench_now() < begun + (SOON + SPREAD) / 1e6 + 0.1)
                ;
        pen_uncancellable_begin();
        t = bench_now();
        r = pen_sleep(1);
        t = bench_now() - t;
        pen_uncancellable_end();
        bench_check(r, "sleep");
        for (long i = pending; i-- > 0;)
                if (!pen_timeout_expired(&scopes[i]) || pen_timeout_end(&scopes[i], 0) != 0)
                        exit(1);
        printf("expire_ns=%.1f\n", t * 1e9 / (double)pending);
        free(scopes);
        return 0;
}

int main(int argc, char **argv)
{
        pending = bench_argument(argc, argv, 1, 100000);
        n = bench_argument(argc, argv, 2, 2000000);
        bench_check(pen_run(run, NULL), "timers");
        return 0;
}
