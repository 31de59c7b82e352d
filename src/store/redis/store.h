/* The Redis store: jobs in streams, shared by any number of daemons; lives as long as that Redis keeps them.
 *
 * One object a process holds what its queues share: the connection, who we are, our lease.
 */
#pragma once

#include <store/store.h>

struct redis_store_options {
        const char *url;
        const char *password; /* instead of the URL's; NULL: none */
        const char *prefix;
        pen_usec lease;
        const char *instance; /* the daemon's name; NULL: we only push and look, and never fetch */
        const char *
                former; /* the consumer name of the former process of this instance, which is proved dead;
                                 NULL: none is known */
};

struct redis_store;

/* Does not connect yet. -EINVAL: *ret_error (malloc'ed) says what is wrong with the URL. -ENXIO, -ENOMEM. */
int redis_store_create(const struct redis_store_options *options, struct redis_store **ret_store,
                       char **ret_error);

/* A task's function; `arg` is a struct redis_store. Holds the connection until it is cancelled. */
PEN_ASYNC int redis_store_run(void *arg);

/* Suspends until the server answers. */
PEN_ASYNC int redis_store_wait_up(struct redis_store *store);
bool redis_store_is_up(const struct redis_store *store);

/* Why it is not up, for people; "" if nothing is known. */
const char *redis_store_trouble(const struct redis_store *store);

/* The name that this start of the daemon has among the consumers and in the leases. */
const char *redis_store_consumer(const struct redis_store *store);

/* -ENXIO, -ENOMEM. `options` are copied, the name too. */
int redis_queue_open(struct redis_store *store, const struct store_queue_options *options,
                     struct store_queue **ret_queue);

/* The names of all queues that were ever used with this prefix, sorted; *ret_block (malloc'ed) holds them. */
PEN_ASYNC ssize_t redis_store_queues(struct redis_store *store, const char ***ret_names);

/* At a clean end, while redis_store_run still runs: the registry of daemons forgets us. */
void redis_store_farewell(struct redis_store *store);

/* All queues are closed, redis_store_run has ended. */
void redis_store_free(struct redis_store *store);
