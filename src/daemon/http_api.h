/* The daemon's HTTP interface, as docs/http.md describes it.
 *
 * This part of it: POST /v1/queues/Q/jobs (one job as JSON, or many as application/x-ndjson), GET
 * /v1/queues[/Q], POST /v1/queues/Q/join, GET /v1/queues/Q/dead, POST /v1/queues/Q/dead/retry, /healthz, /readyz.
 * Errors are application/problem+json.
 */
#pragma once

#include <flow/intake.h>
#include <store/store.h>

/* A queue as the interface sees it. `name` is valid until the next suspension; `intake` and `store` are used by
 * verbs that suspend: a host that removes a queue does so when http_api_run has ended, or keeps them. */
struct api_queue {
        const char *name;
        struct intake *intake;
        struct store_queue *store;
        size_t running, buffered; /* here, in this daemon */
        bool paused;
};

/* What it needs of the daemon. No function may suspend. */
struct api_host {
        bool (*find)(void *data, const char *name, struct api_queue *ret_queue);
        bool (*next)(void *data, size_t index, struct api_queue *ret_queue); /* false: no more */
        bool (*ready)(void *data); /* the store answers and we are not draining */
        void *data;
};

/* Copied, but for the host's data: a reload may throw the configuration away. */
struct api_options {
        const char *const *listen; /* as pen_listen has it */
        size_t n_listen;
        unsigned mode;     /* of the Unix socket's file */
        const char *group; /* of that file; NULL: the process's */
        const char *token; /* TCP needs it; NULL: there is no TCP address */
        uint64_t payload_max;
        /* Of each step of a request: its head (counted from the end of the one before), its body (of many jobs:
         * each line), the store's answer, the sending of ours. Waiting for room or for join is not counted. */
        pen_usec request_timeout;
        unsigned connections_max;
        struct api_host host;
};

struct http_api;

/* Opens the sockets. Less than 0: *ret_error (malloc'ed, or NULL) says which address and why. */
int http_api_create(const struct api_options *options, struct http_api **ret_api, char **ret_error);

/* A task's function; `arg` is a struct http_api. Serves until it is cancelled, then ends all requests: those that
 * wait are answered 503. To be called once. */
PEN_ASYNC int http_api_run(void *arg);
void http_api_free(struct http_api *api);

/* Of the n-th address; 0: a Unix socket. */
uint16_t http_api_port(const struct http_api *api, size_t n);
