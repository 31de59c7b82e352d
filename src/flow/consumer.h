/* Drains the bounded queue: gets a job, runs it within its time, hands it to the settler. */
#pragma once

#include <flow/inflight.h>
#include <flow/limits.h>
#include <flow/route.h>
#include <flow/settler.h>
#include <flow/share.h>
#include <penstock/queue.h>
#include <store/store.h>

/* What all consumers of a queue share. */
struct consumer {
        const char *queue_name;
        struct pen_queue *queue; /* of struct flight */
        struct store_queue *store;
        struct inflight *inflight;
        struct settler *settler;
        const struct route *route;
        struct limits *limits;
        struct share_member *slots; /* the queue's own, NULL: as many as there are consumers */
        struct share_member *share; /* NULL: nothing is shared with other queues */
        pen_usec timeout;           /* of an attempt, if the job does not say; PEN_FOREVER: none */
        const struct retry_policy *retry;

        /* A suspect is a job that one more crash would bury: if it takes this daemon with it, no innocent
         * shall be beside it that could be taken for the culprit. The consumers put suspects in a
         * queue of their own; its one consumer runs them under a lock of the whole daemon. */
        struct pen_queue *suspects; /* NULL: this consumer runs them itself */
        struct pen_lock *alone;     /* NULL: beside others */
};

/* A task's function; `arg` is a struct consumer. Runs until the queue is shut down. */
PEN_ASYNC int consumer_run(void *arg);
