/* What of a daemon a Redis store sees: a store, a queue, and the task that keeps the lease. Several may live in one loop,
 * each with connections of its own, as several processes would.
 *
 * And the server as an operator sees it: by connections that have nothing to do with those of the store. */
#pragma once

#include "../redis_server.h"

#include <store/redis/store.h>

struct redis_daemon {
        struct redis_store *store;
        struct store_queue *queue;
        struct pen_task *running, *leasing;
};

struct redis_daemon_options {
        const char *instance; /* NULL: "daemon" */
        const char *former;
        pen_usec lease;                   /* 0: 15 s */
        struct store_queue_options queue; /* no name: "q" */
};

/* Answers when it is connected and holds its lease. */
void redis_daemon_open(struct redis_daemon *d, const struct redis_server *server,
                       const struct redis_daemon_options *options);

/* In order, as at a TERM: what it holds is given back. */
void redis_daemon_close(struct redis_daemon *d);

/* As kill -9: its connections end, and nothing is said to Redis. */
void redis_daemon_kill(struct redis_daemon *d);

/* It stands still as far as its lease goes, and goes on. */
void redis_daemon_stall(struct redis_daemon *d);
void redis_daemon_go_on(struct redis_daemon *d);

/* redis_server_ask with a format; the answer lives until the tenth call after. */
const char *asked(const struct redis_server *server, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
long asked_number(const struct redis_server *server, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* A connection that the server knows; a command that is sent and not waited for, as to a server that stands still; and the end
 * of both, when it has answered. */
long bytes_unread_by_peers(
        void); /* of all our sockets: what we have sent, and nobody has read yet */
int side_connection(const struct redis_server *server);
void side_send(int fd, const char *command);
void side_end(int fd);

/* All that may be left when every job has ended: of jobs, places and leases nothing. */
void expect_clean(const struct redis_server *server);

/* For the dialogue of contract.h with daemons opened here. */
#define REDIS_UNDER_TEST                                                 \
        .name = "redis", .clock = PEN_CLOCK_REAL, .unit = 50 * PEN_MSEC, \
        .clock_error = 10 * PEN_MSEC, .aside_at_fetch = true
extern const struct store_under_test redis_under_test;

/* All keys, sorted, with a blank after each. */
const char *asked_keys(const struct redis_server *server, const char *pattern);
