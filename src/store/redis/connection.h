/* A connection to a Redis server that many tasks share.
 *
 * Commands made in the same turn of the loop leave in one write, and are answered in their order. hiredis reads,
 * pen_stream carries. A connection that breaks answers all who wait with -ECONNRESET, and makes itself anew with
 * backoff and jitter; commands made meanwhile wait for that.
 */
#pragma once

#include <base/util.h>
#include <penstock/common.h>
#include <store/redis/command.h>
#include <store/redis/reply.h>

struct redis_target {
        const char *address;         /* as pen_stream_connect has it */
        const char *user, *password; /* NULL: none */
        unsigned db;
        const char *name; /* CLIENT SETNAME, for the operator of Redis; NULL: none */
};

/* redis://[user[:password]@]host[:port][/db], unix:///path[?db=N]; user, password and path percent-encoded. The
 * target points into *ret_block (malloc'ed). -EINVAL: *ret_error says what is wrong, and never the password. -ENOMEM. */
int redis_parse_url(const char *url, struct redis_target *ret_target, char **ret_block,
                    const char **ret_error);

struct redis_options {
        struct redis_target target; /* copied */
        /* A server that owes an answer, and for so long has not sent a byte, is gone; so is one that takes longer
         * to be connected to. */
        pen_usec reply_timeout;
        size_t reply_max; /* bytes of one answer in memory; a larger one breaks the connection */
        /* Called by the connection's own task, in which neither may wait for an answer: each time it is there (it may
         * be used from then on), and when it broke or could not be made: `error` says why, for people, as
         * "127.0.0.1:6379: Connection refused"; once per outage, and again when another reason turns up. `up` may be
         * NULL. */
        void (*up)(void *data);
        void (*down)(void *data, const char *error);
        void *data;
};

struct redis;

/* -ENXIO, -ENOMEM */
int redis_create(const struct redis_options *options, struct redis **ret_redis);

/* A task's function; `arg` is a struct redis. Connects, greets (AUTH, SELECT, SETNAME), reads answers, connects again.
 * Runs until it is cancelled; who waits for an answer then gets -ECONNRESET, and who waits for the connection, or
 * comes later, -ESHUTDOWN. */
PEN_ASYNC int redis_run(void *arg);
void redis_free(struct redis *redis); /* nobody waits in it, redis_run has ended */

bool redis_is_up(const struct redis *redis);

/* How often it has been made: a number that changes exactly when something may have been lost. */
uint64_t redis_epoch(const struct redis *redis);

/* The server's CLIENT ID of this connection; 0: it is not up, or the server does not tell. */
int64_t redis_client_id(const struct redis *redis);

/* Waits until it is up. -ESHUTDOWN: it never will be, redis_run has ended. */
PEN_ASYNC int redis_wait_up(struct redis *redis);

/* Sends a command (waiting for the connection if it is not up) and waits for the answer, which the caller frees.
 * `ret_answer` may be NULL.
 * -ECONNRESET: the connection broke after the command was handed over; it may have been carried out.
 * -EREMOTEIO: the server answered with an error; *ret_answer is it, a REPLY_ERROR ("NOSCRIPT No matching script…").
 * -ECANCELED: it may be carried out nevertheless; its answer is dropped.  -ESHUTDOWN, as redis_wait_up.  -ENOMEM.
 * `patience` is added to the reply_timeout: for commands that block.
 */
PEN_ASYNC int redis_command(struct redis *redis, const struct redis_arg *args, size_t n,
                            pen_usec patience, struct answer **ret_answer);

/* The two halves of redis_command, for who has several commands under way: `send` neither suspends nor waits for the
 * connection, `receive` is to be called once for each command sent and frees it. Its errors are those of
 * redis_command.
 * -ENOTCONN: the connection is not up.  -ENOMEM.
 */
struct redis_call;
int redis_send(struct redis *redis, const struct redis_arg *args, size_t n, pen_usec patience,
               struct redis_call **ret_call);
PEN_ASYNC int redis_receive(struct redis_call *call, struct answer **ret_answer);

/* Waits until the answer is there, and leaves it there: receive is still due. -ECANCELED: it is not there yet. */
PEN_ASYNC int redis_wait(struct redis_call *call);

/* In place of receive: whatever the answer will be. */
void redis_call_drop(struct redis_call *call);

/* Sends a command whose answer does not matter. False: it did not leave. */
static inline bool redis_tell(struct redis *redis, const struct redis_arg *args, size_t n)
{
        struct redis_call *call;

        if (redis_send(redis, args, n, 0, &call) < 0)
                return false;
        redis_call_drop(call);
        return true;
}
