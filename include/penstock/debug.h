/* Looking into a loop: which task waits for what, which one held all others up, which order it was.
 *
 * Debug mode (PENSTOCK_DEBUG=1 in the environment, or `slow_task` in pen_options) names a task that
 * held the loop for longer than that (100 ms), with a backtrace of what it did at that moment, as a
 * warning in the log: asyncio's slow_callback_duration.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Calls line(data, text) for each task of this thread's loop, in the order they were spawned: its
 * name, its state, what it waits for and since when, cancellations that are under way; and for a
 * group's child its parent. `line` must not suspend. Without a loop there are no lines. */
void pen_dump_tasks(void (*line)(void *data, const char *text), void *data);

/* A hash of which task ran when, from the loop's beginning until now. With a seed and the virtual
 * clock the same program has the same at its end, to the bit; another order has another. 0 without
 * a seed: the order is not followed then. */
uint64_t pen_trace_hash(void);

PEN_END_DECLS
