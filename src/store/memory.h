/* The memory store: keeps jobs until the process ends. The reference for what the verbs mean. */
#pragma once

#include <store/store.h>

/* -ENXIO: no loop.  -ENOMEM. */
int memory_queue_open(const struct store_queue_options *options, struct store_queue **ret_queue);
