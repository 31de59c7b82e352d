/* What every header of libpenstock shares: markers, units, cleanup.
 *
 * Conventions, once for all headers:
 *  - A function answers 0 or more on success and -errno on failure; errno itself is never used.
 *  - `ret_` parameters are written on success only.
 *  - "takes X" means that X belongs to the callee on success, and still to the caller on failure.
 *  - `_free(NULL)` does nothing. `_freep(&p)` is for PEN_CLEANUP.
 *  - An object belongs to the loop of the thread that created it and must not leave that thread,
 *    save where a function says that it is thread-safe. -ENXIO: no loop runs in this thread, or no
 *    task, for what belongs to a task.
 *  - When an object is freed nobody waits in it any more, save where its header says more.
 *  - PEN_ASYNC marks what may suspend the calling task. Such a call answers -ECANCELED when the
 *    task was cancelled (see task.h), and -EDEADLK when it would have to suspend but was not
 *    called from a task: the loop's own stack cannot wait for the loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define PEN_BEGIN_DECLS extern "C" {
#define PEN_END_DECLS }
#else
#define PEN_BEGIN_DECLS
#define PEN_END_DECLS
#endif

/* May suspend the calling task. Its result says whether it did what it says: look at it. */
#define PEN_ASYNC __attribute__((__warn_unused_result__))

/* Runs fn(&variable) when the variable leaves its scope, whichever way. */
#define PEN_CLEANUP(fn) __attribute__((__cleanup__(fn)))

/* A span of time, or a moment on the loop's monotonic clock, in microseconds. */
typedef uint64_t pen_usec;

#define PEN_USEC ((pen_usec)1)
#define PEN_MSEC ((pen_usec)1000)
#define PEN_SEC ((pen_usec)1000000)
#define PEN_MINUTE (60 * PEN_SEC)
#define PEN_HOUR (60 * PEN_MINUTE)
#define PEN_DAY (24 * PEN_HOUR)

/* No limit: where a function takes a time to wait. */
#define PEN_FOREVER UINT64_MAX
