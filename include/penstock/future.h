/* Futures: a result that a callback will set. The idea is asyncio.Future's: enough to make any
 * client library with callbacks awaitable. */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_future;

int pen_future_create(struct pen_future **ret_future); /* -ENXIO, -ENOMEM */

void pen_future_free(struct pen_future *future);
void pen_future_freep(struct pen_future **future);

/* Sets the result and wakes all who wait, in the order they came; in the loop's thread, where
 * pen_call_threadsafe leads.  -EALREADY: it has one.  C differs: an error that nobody waits for is
 * not logged. */
int pen_future_set(struct pen_future *future, int result);
bool pen_future_done(const struct pen_future *future);

/* Waits for the result. 0 and *ret_result, which may be negative.
 * Cancelled: -ECANCELED. The future is not: others may wait for it (C differs).
 */
PEN_ASYNC int pen_future_wait(struct pen_future *future, int *ret_result);
int pen_future_wait_nowait(struct pen_future *future, int *ret_result); /* -EAGAIN */

PEN_END_DECLS
