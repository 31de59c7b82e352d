/* A connection to a Redis server that many tasks share.
 *
 * Commands made in the same turn of the loop leave in one write, and are answered in their order. hiredis formats
 * and reads, pen_stream carries. A connection that breaks answers all who wait with -ECONNRESET, and makes itself
 * anew with backoff and jitter; commands made meanwhile wait for that.
 */
#pragma once

#include <base/util.h>
#include <penstock/common.h>

enum reply_type {
        REPLY_NIL,
        REPLY_INTEGER,
        REPLY_STRING,
        REPLY_STATUS,
        REPLY_ERROR, /* only inside of arrays: a whole answer that is one is -EREMOTEIO */
        REPLY_ARRAY,
};

/* Part of an answer; lives as long as that. */
struct reply {
        enum reply_type type;
        size_t n; /* bytes of `data` (a NUL follows), or `items` */
        union {
                int64_t integer;
                const char *data;
                const struct reply *items;
        };
};

#define REDIS_DEPTH_MAX 7 /* of arrays in arrays: what the oldest hiredis can read */

struct redis_target {
        const char *address;         /* as pen_stream_connect has it */
        const char *user, *password; /* NULL: none */
        unsigned db;
        const char *name; /* CLIENT SETNAME, for the operator of Redis; NULL: none */
};

/* redis://[user[:password]@]host[:port][/db], unix:///path[?db=N]. The target points into *ret_block (malloc'ed).
 * -EINVAL: *ret_error says what is wrong. -ENOMEM. */
int redis_parse_url(const char *url, struct redis_target *ret_target, char **ret_block,
                    const char **ret_error);

struct redis_options {
        struct redis_target target; /* copied */
        pen_usec reply_timeout;     /* a server that owes an answer for so long is gone */
        size_t reply_max;           /* bytes of one answer; a larger one breaks the connection */
        /* Called by the connection's own task: each time it is there (it may be used from then on), and when it broke
         * or could not be made (`error` says why, for people; once per outage). */
        void (*up)(void *data);
        void (*down)(void *data, const char *error);
        void *data;
};

struct redis;

/* -ENXIO, -ENOMEM */
int redis_create(const struct redis_options *options, struct redis **ret_redis);

/* A task's function; `arg` is a struct redis. Connects, greets (AUTH, SELECT, SETNAME), reads answers, connects again.
 * Runs until it is cancelled; who waits then is answered -ECONNRESET. */
PEN_ASYNC int redis_run(void *arg);
void redis_free(struct redis *redis); /* nobody waits in it, redis_run has ended */

bool redis_is_up(const struct redis *redis);

/* How often it has been made: a number that changes exactly when something may have been lost. */
uint64_t redis_epoch(const struct redis *redis);

/* The server's CLIENT ID of this connection; 0: it is not up. */
int64_t redis_client_id(const struct redis *redis);

/* Waits until it is up. */
PEN_ASYNC int redis_wait_up(struct redis *redis);

struct redis_arg {
        const char *data;
        size_t size;
};

/* Sends a command (waiting for the connection if it is not up) and waits for the answer, which the caller frees.
 * -ECONNRESET: the connection broke after the command was handed over; it may have been carried out.
 * -EREMOTEIO: the server answered with an error; *ret_answer is it, a REPLY_ERROR ("NOSCRIPT No matching script…").
 * -ECANCELED: it may be carried out nevertheless; its answer is dropped.  -ENOMEM.
 * `patience` is added to the reply_timeout: for commands that block.
 */
struct answer {
        struct reply reply;
};
PEN_ASYNC int redis_command(struct redis *redis, const struct redis_arg *args, size_t n,
                            pen_usec patience, struct answer **ret_answer);
void answer_free(struct answer *answer);
void answer_freep(struct answer **answer);

/* The two halves of redis_command, for who has several commands under way: `send` neither suspends nor waits for the
 * connection, `receive` is to be called once for each command sent and frees it.
 * -ENOTCONN: the connection is not up.  -ENOMEM.
 */
struct redis_call;
int redis_send(struct redis *redis, const struct redis_arg *args, size_t n, pen_usec patience,
               struct redis_call **ret_call);
PEN_ASYNC int redis_receive(struct redis_call *call, struct answer **ret_answer);
