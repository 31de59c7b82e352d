/* Keeps this daemon's claim on what it has fetched and not yet durably settled, and takes back what
 * dead daemons held. */
#pragma once

#include <store/store.h>

struct leases {
        struct store_queue *store;
        const char *queue_name;
};

/* A task's function; `arg` is a struct leases. Runs until it is cancelled. */
PEN_ASYNC int leases_run(void *arg);
