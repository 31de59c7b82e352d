/* A pool of connections, or of anything else that is dear to open and good for one user at a time. */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_pool;

struct pen_pool_options {
        size_t max; /* open at once; further users wait, in the order they came. Not 0 */
        /* Opens one. May suspend; runs in the task that acquires. */
        int (*open)(void *data, void **ret_item);
        /* Closes one. May suspend: it is not interrupted. */
        void (*close)(void *data, void *item);
        /* Whether one that lay idle may be used again (NULL: yes). May suspend; cancelled it says no.
         * That one is closed, and the next is tried, or one opened. */
        bool (*usable)(void *data, void *item);
        void *data;
};

/* Copies the options.  -EINVAL: no `max`, `open` or `close`.  -ENXIO, -ENOMEM. */
int pen_pool_create(const struct pen_pool_options *options, struct pen_pool **ret_pool);

/* One for the caller's use: an idle one, the one used last first; or a new one; or the next that is
 * given back. What `open` answers when that fails: somebody who waits may try next.
 * Cancelled: -ECANCELED, nothing is held. */
PEN_ASYNC int pen_pool_acquire(struct pen_pool *pool, void **ret_item);

/* Gives it back for others, once. Never suspends. */
void pen_pool_release(struct pen_pool *pool, void *item);

/* Gives back one that is broken, or in an unknown state (its user was cancelled): it is closed, and
 * then somebody who waits may open another. */
void pen_pool_discard(struct pen_pool *pool, void *item);

size_t pen_pool_open(const struct pen_pool *pool); /* in use and idle */
size_t pen_pool_idle(const struct pen_pool *pool);

/* Closes what is idle. All must have been given back. */
void pen_pool_free(struct pen_pool *pool);
void pen_pool_freep(struct pen_pool **pool);

PEN_END_DECLS
