/* Bounded queue between producers and consumers, with asyncio.Queue's meaning (Python 3.13): first in,
 * first out, or by priority, or last in first out.
 *
 * An item stays in the queue until its getter runs: cancelling a getter loses none. Waiting
 * putters and getters are woken in the order they came.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_queue;

/* `maxsize` 0: unbounded. `free_item` (may be NULL) gets the items that nobody will get any more:
 * those left at pen_queue_free and at an immediate shutdown. -ENXIO, -ENOMEM. */
int pen_queue_create(size_t maxsize, void (*free_item)(void *item), struct pen_queue **ret_queue);

/* The same, but gets answer the least item first: compare(a, b), which must neither suspend nor touch
 * the queue, is less than 0 if `a` comes before `b`, and 0 if they are equal: those leave in the order
 * they came (C differs: heapq promises nothing about them).  -EINVAL: no `compare`. */
int pen_queue_create_priority(size_t maxsize, void (*free_item)(void *item),
                              int (*compare)(const void *a, const void *b),
                              struct pen_queue **ret_queue);

/* The same, but gets answer the newest item first. */
int pen_queue_create_lifo(size_t maxsize, void (*free_item)(void *item),
                          struct pen_queue **ret_queue);

/* Nobody may wait in it any more. */
void pen_queue_free(struct pen_queue *queue);
void pen_queue_freep(struct pen_queue **queue);

/* Suspends while the queue is full. Takes `item` (not NULL).
 * -EPIPE: shut down.  -ENOMEM (unbounded).  -ECANCELED: the item was not put.
 */
PEN_ASYNC int pen_queue_put(struct pen_queue *queue, void *item);
int pen_queue_put_nowait(struct pen_queue *queue, void *item); /* -EAGAIN: full */

/* Suspends while the queue is empty. The item is the caller's, who calls task_done for it later.
 * -EPIPE: shut down and empty.
 */
PEN_ASYNC int pen_queue_get(struct pen_queue *queue, void **ret_item);
int pen_queue_get_nowait(struct pen_queue *queue, void **ret_item); /* -EAGAIN: empty */

/* As get, but takes as many as there are, `max` at most (not 0), and answers how many. */
PEN_ASYNC ssize_t pen_queue_get_many(struct pen_queue *queue, void **items, size_t max);

/* One item that was got has been dealt with. -EINVAL: more often than items were put. */
int pen_queue_task_done(struct pen_queue *queue);

/* Suspends until every item that was put has been dealt with. */
PEN_ASYNC int pen_queue_join(struct pen_queue *queue);

size_t pen_queue_size(const struct pen_queue *queue);
bool pen_queue_empty(const struct pen_queue *queue);
bool pen_queue_full(const struct pen_queue *queue);

/* From now on puts answer -EPIPE, and gets drain what is there, then answer -EPIPE. `immediate`:
 * what is there goes to free_item, counted as dealt with. */
void pen_queue_shutdown(struct pen_queue *queue, bool immediate);

PEN_END_DECLS
