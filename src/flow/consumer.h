/* Drains the bounded queue: gets a job, runs it within its time, hands it to the settler. */
#pragma once

#include <flow/inflight.h>
#include <flow/limits.h>
#include <flow/settler.h>
#include <handler/handler.h>
#include <penstock/queue.h>

/* What all consumers of a queue share. */
struct consumer {
        const char *queue_name;
        struct pen_queue *queue; /* of struct flight */
        struct inflight *inflight;
        struct settler *settler;
        struct handler *handler;
        struct limits *limits;
        pen_usec timeout; /* of an attempt, if the job does not say; PEN_FOREVER: none */
        const struct retry_policy *retry;
};

/* A task's function; `arg` is a struct consumer. Runs until the queue is shut down. */
PEN_ASYNC int consumer_run(void *arg);
