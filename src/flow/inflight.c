#include <flow/inflight.h>

#include <errno.h>

#include <penstock/sync.h>

struct inflight {
        struct pen_semaphore *credit;
        struct pen_lock *taker; /* who waits for credit */
        struct list free;
        size_t counts[FLIGHT_STATES];
        size_t n;
        struct flight flights[];
};

int inflight_create(size_t n, struct inflight **ret_inflight)
{
        struct inflight *t = calloc(1, sizeof(*t) + n * sizeof(t->flights[0]));
        int r;

        if (!t)
                return -ENOMEM;
        r = pen_semaphore_create(n, n, &t->credit);
        if (r == 0)
                r = pen_lock_create(&t->taker);
        if (r < 0) {
                pen_semaphore_free(t->credit);
                free(t);
                return r;
        }
        list_init(&t->free);
        t->n = n;
        for (size_t i = 0; i < n; i++) {
                t->flights[i].report = (struct report)REPORT_INIT;
                list_append(&t->free, &t->flights[i].link);
        }
        t->counts[FLIGHT_FREE] = n;
        *ret_inflight = t;
        return 0;
}

void inflight_free(struct inflight *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < t->n; i++) { /* some hold a job only if the settler has failed */
                job_unref(t->flights[i].job);
                report_deinit(&t->flights[i].report);
        }
        pen_semaphore_free(t->credit);
        pen_lock_free(t->taker);
        free(t);
}

void inflight_move(struct inflight *t, struct flight *flight, enum flight_state state)
{
        t->counts[flight->state]--;
        t->counts[state]++;
        flight->state = state;
}

/* One waits for credit at a time: a batch that is given back would leave each of several with a single flight, and all
 * the others with the first. */
ssize_t inflight_take(struct inflight *t, struct flight **flights, size_t max)
{
        size_t n = 0;
        int r = pen_lock_acquire(t->taker);

        if (r < 0)
                return r;
        r = pen_semaphore_acquire(t->credit);
        (void)pen_lock_release(t->taker); /* it is ours */
        if (r < 0)
                return r;
        do {
                flights[n] = list_first(&t->free, struct flight, link);
                list_remove(&flights[n]->link);
                inflight_move(t, flights[n], FLIGHT_FETCHING);
        } while (++n < max && pen_semaphore_acquire_nowait(t->credit) == 0);
        return (ssize_t)n;
}

void inflight_give(struct inflight *t, struct flight *flight)
{
        job_unref(TAKE(flight->job));
        report_deinit(&flight->report);
        flight->queued = flight->stale = false;
        flight->fetched = flight->started = flight->ended = 0;
        inflight_move(t, flight, FLIGHT_FREE);
        /* To the front: a flight that was used a moment ago is still in the cache. */
        list_prepend(&t->free, &flight->link);
        (void)pen_semaphore_release(t->credit); /* bounded by the number of flights */
}

size_t inflight_count(const struct inflight *t, enum flight_state state)
{
        return t->counts[state];
}

void inflight_each(const struct inflight *t, enum flight_state state,
                   void (*fn)(void *data, const struct flight *flight), void *data)
{
        for (size_t i = 0; i < t->n; i++)
                if (t->flights[i].state == state)
                        fn(data, &t->flights[i]);
}
