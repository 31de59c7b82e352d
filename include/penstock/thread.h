/* Blocking calls on threads of a bounded pool: asyncio.to_thread. */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Runs fn(arg) on another thread and waits for it; *ret_result (may be NULL) is what it returned.
 * Cancelled before it started: it is withdrawn, -ECANCELED. Cancelled later: waits until `fn` has
 * ended (it may use this task's stack) and answers 0; the request stays pending.
 * -EAGAIN: no thread could be started.
 */
PEN_ASYNC int pen_to_thread(int (*fn)(void *arg), void *arg, int *ret_result);

/* The same for an `fn` that may hang. `arg` is the call's in any case, errors included: free_arg
 * (may be NULL) gets it in the end; in the other thread, if the caller has gone by then.
 * Cancelled: -ECANCELED at once; `fn` may still run, and must not touch anything of the caller's.
 * -EAGAIN, -ENOMEM. */
PEN_ASYNC int pen_to_thread_detached(int (*fn)(void *arg), void *arg, void (*free_arg)(void *arg),
                                     int *ret_result);

PEN_END_DECLS
