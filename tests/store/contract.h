/* What every store promises, as tests. A test program names its store and runs them all. */
#pragma once

#include <store/store.h>

typedef int (*open_fn)(const struct store_queue_options *options, struct store_queue **ret_queue);

/* Runs the suite; answers an exit code. */
int run_store_contract(const char *store, open_fn open);
