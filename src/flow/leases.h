/* Keeps this daemon's claim on what it has fetched and not yet durably settled, and takes back what
 * dead daemons held. */
#pragma once

#include <store/store.h>

/* A task's function; `arg` is the struct store_queue. Runs until it is cancelled. */
PEN_ASYNC int leases_run(void *arg);
