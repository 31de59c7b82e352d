/* bench/timers.c with libevent's evtimer. cc -O2 -I.. -o timers timers.c -levent ; timers [PENDING [N]] */
#include <event2/event.h>

#include "bench.h"

#define SOON 1000000
#define SPREAD 1000000

static struct event_base *base;
static long pending, n, expired;
static unsigned seed = 1;

static void on_expiry(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what, (void)arg;
        expired++;
}

static void set(struct event *timer)
{
        unsigned usec = SOON + bench_random(&seed) % SPREAD;
        struct timeval tv = { usec / 1000000, usec % 1000000 };

        evtimer_add(timer, &tv);
}

/* From a callback, where libevent need not read the clock each time. */
static void measure(evutil_socket_t fd, short what, void *arg)
{
        struct event **timers = arg, *one = evtimer_new(base, on_expiry, NULL);
        double t;

        (void)fd, (void)what;
        for (long i = 0; i < pending; i++)
                set(timers[i]);
        t = bench_now();
        for (long i = 0; i < n; i++) {
                set(one);
                evtimer_del(one);
        }
        t = bench_now() - t;
        printf("set_ns=%.1f ", t * 1e9 / (double)n);
        event_free(one);
}

int main(int argc, char **argv)
{
        struct event **timers;
        double begun = bench_now(), t;

        pending = bench_argument(argc, argv, 1, 100000);
        n = bench_argument(argc, argv, 2, 2000000);
        base = event_base_new();
        timers = calloc((size_t)pending, sizeof(struct event *));
        for (long i = 0; i < pending; i++)
                timers[i] = evtimer_new(base, on_expiry, NULL);
        event_base_once(base, -1, EV_TIMEOUT, measure, timers, NULL);
        event_base_loop(base, EVLOOP_ONCE);
        while (bench_now() < begun + (SOON + SPREAD) / 1e6 + 0.1)
                ;
        t = bench_now();
        event_base_loop(base, EVLOOP_NONBLOCK);
        t = bench_now() - t;
        if (expired != pending)
                return 1;
        printf("expire_ns=%.1f\n", t * 1e9 / (double)pending);
        return 0;
}
