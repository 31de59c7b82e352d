/* What the verbs want of a store, whether they talk to it themselves or to its daemon: a table with two
 * implementations.
 *
 * Less than 0 is an error of the whole call, and `error` of the client then says why, for people:
 *   -ENOTCONN      there is nobody to talk to: nothing was done
 *   -EHOSTUNREACH  the store or the daemon does not answer, or not any more
 *   -EPROTO        it answers what we do not understand
 *   -ENOENT        there is no such queue, or no such letter
 *   -EACCES        it does not let us in
 *   -EINVAL        it refuses what was asked
 *   -ECANCELED, -ENOMEM
 */
#pragma once

#include <cli/place.h>
#include <flow/intake.h>
#include <store/store.h>

struct client;

struct queue_state {
        char name[65];
        struct store_counts counts;
        bool by_daemon; /* the daemon has told: */
        uint64_t buffered;
        bool paused;
};

struct client_class {
        /* Pushes, waiting for room if `wait`. A job that is refused for itself stays PUSH_PENDING, and
         * its place in `refusals` (NULL before) gets why, malloc'ed. After -EHOSTUNREACH, -EPROTO or
         * -ECANCELED those that are PUSH_PENDING without a refusal may be stored, or not. */
        PEN_ASYNC int (*push)(struct client *c, const char *queue, struct push *pushes,
                              char **refusals, size_t n, bool wait);

        /* The queues, sorted; with `queue` that one alone. *ret_states is malloc'ed. */
        PEN_ASYNC ssize_t (*status)(struct client *c, const char *queue,
                                    struct queue_state **ret_states);

        /* Suspends until nothing is ready, delayed or running. */
        PEN_ASYNC int (*join)(struct client *c, const char *queue);

        /* As store_dead_list. */
        PEN_ASYNC ssize_t (*dead_list)(struct client *c, const char *queue, const char *after,
                                       struct dead_letter *ret_letters, size_t max);

        /* As store_dead_retry; besides -EEXIST: a live job has the letter's id. */
        PEN_ASYNC int (*dead_retry)(struct client *c, const char *queue, const char *place);

        /* Ends its tasks. */
        void (*close)(struct client *c);
};

/* The head of both structures. */
struct client {
        const struct client_class *class;
        const struct location *location;
        bool lost; /* -ECANCELED was not the user's doing: the store went away */
        char error[512];
};

PEN_ASYNC int client_redis_open(const struct location *location, struct client **ret_client,
                                char *error, size_t size);
PEN_ASYNC int client_http_open(const struct location *location, struct client **ret_client,
                               char *error, size_t size);

/* Finds the place, and runs fn(client, arg) as the main task of a loop. `fn` answers an exit code, or
 * less than 0 as above, which is told and becomes the exit code that is meant for it. */
int client_run(const struct place *place, const char *verb,
               int (*fn)(struct client *client, void *arg), void *arg);

/* Tells the error of a call, and answers the exit code. */
int client_tell(struct client *client, const char *verb, int r);

/* Makes a job for that queue. What we can know about it is checked here where the daemon's intake will not
 * see it; else by that. -EINVAL: `error` says what is wrong.  -ENOMEM. */
int client_make_job(const struct client *client, const char *queue, const struct job_fields *fields,
                    uint64_t source, struct job **ret_job, char error[INTAKE_ERROR_SIZE]);

/* -EINVAL: it is no name, or no queue of the configuration that we have. */
int client_check_queue(const struct client *client, const char *queue,
                       char error[INTAKE_ERROR_SIZE]);

/* Keeps the words for client_tell and answers `r`. */
int client_fail(struct client *client, int r, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
