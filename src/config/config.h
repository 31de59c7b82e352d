/* The configuration: one YAML file, read whole, checked whole.
 *
 * `config_load` gives either a configuration in which every value is sensible by itself and with
 * the others, or all the errors of the file. What is here is plain data; who uses it copies nothing
 * and holds a reference.
 */
#pragma once

#include <base/buffer.h>
#include <base/log.h>
#include <job/retry.h>

enum config_store_kind {
        STORE_MEMORY,
        STORE_REDIS,
};

struct config_store {
        enum config_store_kind kind;
        const char *url;           /* redis://[user:pass@]host:port/db, unix:///path */
        const char *password_file; /* NULL: none */
        const char *password;      /* what it holds; NULL: none */
        const char *prefix;
        pen_usec lease;
};

struct config_http {
        const char *const *listen; /* "unix:/path", "HOST:PORT"; may be none */
        size_t n_listen;
        unsigned mode;          /* of the Unix socket */
        const char *group;      /* of the Unix socket; NULL: the process's */
        const char *token_file; /* NULL: none */
        const char *token;      /* what it holds; NULL: none */
};

enum config_log_jobs {
        LOG_JOBS_ALL,
        LOG_JOBS_FAILURES,
        LOG_JOBS_NONE,
};

struct config_log {
        enum log_level level;
        enum log_format format;
        enum config_log_jobs jobs;
        pen_usec stats; /* between two queue.stats; 0: none */
};

struct config_limits {
        uint64_t payload, buffer, result;
        pen_usec delay; /* how far in the future a start may be */
};

enum config_handler_kind {
        HANDLER_EXEC,
        HANDLER_HTTP,
        HANDLER_NOOP,
};

struct config_exec {
        const char *const *argv; /* ends with NULL */
        size_t n_argv;
        const char *const *env; /* "NAME=value", ends with NULL */
        size_t n_env;
        const char *cwd; /* NULL: the daemon's */
        pen_usec kill_after;
        const int *reject_exit;
        size_t n_reject_exit;
};

struct config_http_handler {
        const char *url, *method;
        pen_usec timeout;           /* of the request; 0: the attempt's */
        const char *const *headers; /* "Name: value", ends with NULL */
        size_t n_headers;
        const int *reject_status, *retry_status;
        size_t n_reject_status, n_retry_status;
};

struct config_noop {
        pen_usec run;
        double fail; /* 0 to 1 */
};

struct config_handler {
        const char *name;
        enum config_handler_kind kind;
        union {
                struct config_exec exec;
                struct config_http_handler http;
                struct config_noop noop;
        };
};

struct config_type {
        const char *type, *handler;
};

struct config_queue {
        const char *name;
        const char *handler; /* NULL: only by `types` */
        const struct config_type *types;
        size_t n_types;
        size_t concurrency, maxsize;
        uint64_t capacity; /* 0: no limit */
        double rate;       /* a second; 0: no limit */
        unsigned weight;
        int priority;
        pen_usec dedupe, timeout; /* timeout 0: none */
        struct retry_policy retry;
        pen_usec dead_keep; /* 0: none are kept; PEN_FOREVER (`null`) */
        uint64_t dead_max;  /* 0 (`null`): no limit */
};

struct config {
        unsigned refs;
        const char *path;
        const char *instance; /* %H and %i put in */
        size_t concurrency;
        pen_usec shutdown_timeout;
        struct config_store store;
        struct config_http http;
        struct config_log log;
        struct config_limits limits;
        const struct config_handler *handlers;
        size_t n_handlers;
        const struct config_queue *queues;
        size_t n_queues;
};

/* The file to read: `path` (of -c) if it is not NULL, else $PENSTOCK_CONFIG, else the system's. */
const char *config_path(const char *path);

/* Reads and checks the file. -EINVAL: `errors` has a line for each error, "FILE:LINE:COLUMN: KEY: what was
 * found; allowed: what", in the order of the file, and no configuration is made; also when the file cannot be
 * read ("FILE: No such file or directory"). Past a hundred errors only their number is told.  -ENOMEM. */
int config_load(const char *path, struct buffer *errors, struct config **ret_config);

/* The same of a text; `path` is for messages only. */
int config_parse(const char *path, const char *text, size_t size, struct buffer *errors,
                 struct config **ret_config);

struct config *config_ref(struct config *config);
void config_unref(struct config *config);
void config_unrefp(struct config **config);

const struct config_handler *config_handler(const struct config *config, const char *name);
const struct config_queue *config_queue(const struct config *config, const char *name);

/* Appends the whole configuration as YAML, every key with its value, secrets as `***`; reading it again gives
 * an equal one (but for the secrets). -ENOMEM. */
int config_print(const struct config *config, struct buffer *to);

/* Calls `differs` for every key whose value is not the same in both, "queues.emails.concurrency", with
 * both values as they would be written; a queue or a handler that only one of them has is told once, with
 * NULL for the other's value; so is, with both, a handler of another kind. Secrets are compared as they are
 * and told as `***`. -ENOMEM: some may have been told. */
int config_compare(const struct config *before, const struct config *after,
                   void (*differs)(void *data, const char *key, const char *before,
                                   const char *after),
                   void *data);
