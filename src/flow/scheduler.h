/* Makes due jobs ready. */
#pragma once

#include <store/store.h>

/* A task's function; `arg` is the struct store_queue. Runs until it is cancelled. */
PEN_ASYNC int scheduler_run(void *arg);
