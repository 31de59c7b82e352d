/* Moves jobs from the store into the bounded queue, as far as there is credit. */
#pragma once

#include <flow/inflight.h>
#include <penstock/queue.h>
#include <store/store.h>

struct fetcher {
        struct store_queue *store;
        struct inflight *inflight;
        struct pen_queue *queue; /* of struct flight */
        struct settler *settler; /* takes what was fetched and cannot be put any more */
};

/* A task's function; `arg` is a struct fetcher. Runs until it is cancelled. */
PEN_ASYNC int fetcher_run(void *arg);
