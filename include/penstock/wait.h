/* Waiting for several tasks. The ideas are asyncio.gather's. */
#pragma once

#include <penstock/common.h>
#include <penstock/task.h>

PEN_BEGIN_DECLS

enum pen_gather_flags {
        PEN_RETURN_ERRORS = 1 << 0, /* a failed task cancels nobody: look at the results */
        PEN_LEAVE_RUNNING = 1 << 1, /* asyncio's way: on the first error return at once */
};

/* Waits for `n` tasks, which may be repeated or have ended before; n may be 0. results[i] (may be
 * NULL) becomes what tasks[i] returned. 0: all ended with 0 or more, or PEN_RETURN_ERRORS.
 *
 * C differs: when one ends with less than 0 the others are cancelled and waited for (a sibling must
 * not write into a frame that is gone), and the first error is answered. With PEN_LEAVE_RUNNING
 * they go on as in asyncio; what they point to must then be on the heap, and results are those
 * that were known, -EAGAIN for the others.
 * Cancelled: cancels them all, waits for all (not with PEN_LEAVE_RUNNING), answers -ECANCELED.
 * -ENOMEM: nothing was done.  -EDEADLK: one of them is the caller.
 */
PEN_ASYNC int pen_gather(struct pen_task *const *tasks, size_t n, int *results, unsigned flags);

PEN_END_DECLS
