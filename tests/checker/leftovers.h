/* What a queue that has nothing to do still has in Redis: the contract says that it must be nothing. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "history.h"
#include "redis.h"

struct leftovers_options {
        const char *prefix, *queue;
        long dead;    /* so many letters are right */
        long daemons; /* so many live: they may have a lease each, and a consumer */
};

/* Tells `h` which of its jobs are among the dead letters. -errno: Redis answers what it should not. */
int leftovers_read_dead(redisContext *redis, const struct leftovers_options *options,
                        struct history *h);

/* Tells each leftover on `to`, and answers how many: entries of the stream, pending ones, delayed ones, keys of
 * jobs, results, locks and groups, leases and consumers of daemons that have gone, letters that were not to be.
 * -errno as above. */
long leftovers_count(redisContext *redis, const struct leftovers_options *options, FILE *to);
