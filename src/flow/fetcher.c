#include <flow/fetcher.h>

#include <errno.h>

#include <flow/settler.h>
#include <penstock/loop.h>

#define BATCH 128

/* Puts all; from a cancellation on the rest goes back to the store by way of the settler. */
static int put_all(struct fetcher *f, struct flight **flights, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                if (r == 0) {
                        inflight_move(f->inflight, flights[i], FLIGHT_BUFFERED);
                        r = pen_queue_put(f->queue, flights[i]);
                        flights[i]->queued = r == 0;
                }
                if (r < 0) {
                        flights[i]->report.outcome = OUTCOME_RELEASED;
                        settler_take(f->settler, flights[i]);
                }
        }
        return r;
}

int fetcher_run(void *arg)
{
        struct fetcher *f = arg;
        struct flight *flights[BATCH];
        struct job *jobs[BATCH];
        ssize_t credit, fetched;
        pen_usec now;
        int r;

        for (;;) {
                credit = inflight_take(f->inflight, flights, BATCH);
                if (credit < 0)
                        return (int)credit;
                fetched = store_fetch(f->store, jobs, (size_t)credit);
                for (ssize_t i = MAX(fetched, 0); i < credit; i++)
                        inflight_give(f->inflight, flights[i]);
                if (fetched < 0)
                        return (int)fetched;
                now = pen_now();
                for (ssize_t i = 0; i < fetched; i++) {
                        flights[i]->job = jobs[i];
                        flights[i]->fetched = now;
                }
                r = put_all(f, flights, (size_t)fetched);
                if (r < 0)
                        return r;
        }
}
