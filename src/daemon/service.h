/* A queue in service: its store, and the rooms that drain it.
 *
 * A reload never changes rooms. It builds new ones beside them, and the old ones fetch no more and finish what
 * they run: so every key of a queue can change at once, and no job is stopped.
 */
#pragma once

#include <config/config.h>
#include <daemon/handlers.h>
#include <daemon/job_log.h>
#include <flow/intake.h>
#include <flow/supervisor.h>

/* What all services share; outlives them. */
struct service_parts {
        struct share *share;
        struct pen_lock *alone;
        struct redis_store *redis; /* NULL: the store is our memory */
        struct pen_group *group;   /* of the tasks that keep rooms */
};

struct service {
        struct list link; /* the daemon's */
        const struct service_parts *parts;
        char *name;
        struct config *config; /* what it runs by now */
        struct store_queue *store;
        struct intake intake;
        struct job_log log;
        struct share slots; /* its concurrency, over all its rooms */
        struct list rooms;  /* the last of them are in service */
        bool removed;       /* the configuration has it no more */
};

/* Opens the store's queue; nothing runs yet. Less than 0: it could not be. */
int service_open(const struct service_parts *parts, struct config *config,
                 const struct config_queue *queue, struct service **ret_service);

/* Puts the queue into service by this configuration, in place of what it ran by. */
int service_use(struct service *s, struct config *config, struct handlers *handlers, bool quiet);

/* Stops to fetch, and begins again. */
void service_quiet(struct service *s, bool quiet);

/* Takes it out of service: nothing is fetched any more, what runs has `grace`, the rest is given back. */
void service_stop(struct service *s, pen_usec grace);

size_t service_running(const struct service *s);
size_t service_buffered(const struct service *s);
void service_each_running(const struct service *s,
                          void (*fn)(void *data, const struct flight *flight), void *data);

/* All rooms have ended. */
void service_close(struct service *s);
