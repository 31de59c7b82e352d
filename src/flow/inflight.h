/* What has been fetched and is not yet durably settled: a passive table, and the credit that bounds
 * it all. A flight is taken before its job is fetched and given back after the settle, so a
 * store that hands out jobs but takes no results cannot fill the memory; and whatever a job needs
 * on its way (its report, its place in the settler) has come with the flight and cannot fail.
 */
#pragma once

#include <base/list.h>
#include <handler/handler.h>
#include <job/job.h>
#include <job/retry.h>
#include <penstock/common.h>

enum flight_state {
        FLIGHT_FREE,
        FLIGHT_FETCHING,
        FLIGHT_BUFFERED, /* in the bounded queue */
        FLIGHT_RUNNING,
        FLIGHT_SETTLING,
        FLIGHT_STATES,
};

struct flight {
        struct list link; /* among the free, or in the settler */
        enum flight_state state;
        bool queued; /* task_done is due for it */
        bool stale;  /* the job was another's by then: the store did not take the result */
        struct job *job;
        pen_usec fetched, started, ended; /* the loop's time; 0: it was not */
        struct report report;
        struct verdict verdict;
};

struct inflight;

/* Room for `n` flights. -ENXIO, -ENOMEM. */
int inflight_create(size_t n, struct inflight **ret_inflight);
void inflight_free(struct inflight *t);

/* Takes up to `max` free flights, suspending until there is one; answers how many. */
PEN_ASYNC ssize_t inflight_take(struct inflight *t, struct flight **flights, size_t max);

/* Gives one back: drops its reference to the job and clears it. */
void inflight_give(struct inflight *t, struct flight *flight);

void inflight_move(struct inflight *t, struct flight *flight, enum flight_state state);

void inflight_each(const struct inflight *t, enum flight_state state,
                   void (*fn)(void *data, const struct flight *flight), void *data);

size_t inflight_count(const struct inflight *t, enum flight_state state);
