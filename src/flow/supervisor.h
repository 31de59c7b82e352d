/* The rooms of one queue, put together, started and stopped in order:
 *
 *     store ─► fetcher ─► put ─► [ bounded queue ] ─► get ─► consumer ─► handler
 *       ▲        takes credit                                               │
 *       └──────────── settler: task_done, credit back ◄─────────────────────┘
 */
#pragma once

#include <flow/route.h>
#include <flow/settler.h>
#include <flow/share.h>
#include <store/store.h>

struct supervisor_options {
        const char *queue_name;
        struct store_queue *store;
        struct route route;
        struct share
                *slots; /* of this queue, whoever else runs its jobs here; NULL: its consumers */
        struct share *share;    /* with other queues; NULL: with none */
        unsigned weight;        /* in it, */
        int priority;           /* and */
        struct pen_lock *alone; /* the daemon's, for suspects; NULL: they run beside others */
        size_t concurrency;     /* consumers; not 0 */
        size_t maxsize;         /* of the bounded queue; not 0 */
        double rate;            /* starts a second; 0: no limit */
        pen_usec timeout;       /* of an attempt; PEN_FOREVER: none */
        struct retry_policy retry;
        struct observer observer;
        pen_usec
                settle_grace; /* for the store, at the end, to take the last results; 0: PEN_FOREVER */
};

struct supervisor;

/* What `options` points to outlives the supervisor. -ENXIO, -ENOMEM. */
int supervisor_create(const struct supervisor_options *options, struct supervisor **ret_supervisor);

/* Begins to fetch and to run. By the task that will stop it. -ENOMEM: nothing runs. */
PEN_ASYNC int supervisor_start(struct supervisor *s);

/* Stops fetching and promoting, and begins again; what was fetched runs. -ENOMEM: it does not begin. */
void supervisor_quiet(struct supervisor *s);
int supervisor_resume(struct supervisor *s);

/* While it is being stopped: at most so long a grace from now on, if that is less than what is left of it. */
void supervisor_hurry(struct supervisor *s, pen_usec grace);

/* Stops fetching, gives back what is buffered, lets what runs finish for `grace`, takes the rest
 * back (released), settles all. To be called once after a start, also by a task that was cancelled: a
 * further cancellation ends the grace at once, and stays pending.
 * 0, or what one of the rooms has failed with; -ETIME: the store did not take all results, and what it knows of those
 * jobs is that we hold them. */
int supervisor_stop(struct supervisor *s, pen_usec grace);

/* Calls fn for each job that a handler runs now. */
void supervisor_each_running(const struct supervisor *s,
                             void (*fn)(void *data, const struct flight *flight), void *data);

/* Which handlers run its jobs; as long as the supervisor lives. */
const struct route *supervisor_route(const struct supervisor *s);

size_t supervisor_count(const struct supervisor *s, enum flight_state state);

void supervisor_free(struct supervisor *s);
