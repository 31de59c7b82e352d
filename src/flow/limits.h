/* What bounds the starts of a queue's jobs beside its consumers: the rate, and the breaker, which
 * backs off from 1 to 30 seconds while the handler is unavailable. */
#pragma once

#include <job/job.h>
#include <penstock/common.h>

struct limits {
        double interval;  /* between two starts, in microseconds; 0: no limit */
        double next;      /* the next free start, on the loop's clock */
        pen_usec backoff; /* 0: the handler is there */
        pen_usec open_until;
        struct pen_event *closed;
};

/* `per_second` 0: no limit. -ENXIO, -ENOMEM. */
int limits_init(struct limits *limits, double per_second);
void limits_deinit(struct limits *limits);

/* Suspends until a job may start. Starts are spread evenly, in the order of the calls.
 * -ESHUTDOWN: none may any more. */
PEN_ASYNC int limits_admit(struct limits *limits);

/* From now on nothing starts; who waits for its start is told so. */
void limits_close(struct limits *limits);

/* What came of an attempt. */
void limits_learn(struct limits *limits, enum outcome outcome);
