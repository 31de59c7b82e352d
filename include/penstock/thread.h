/* Threads and the loop. Blocking calls on threads of a bounded pool: asyncio.to_thread. Tasks for
 * synchronous callers in other threads: run_coroutine_threadsafe; see pen_call_threadsafe too. */
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

struct pen_loop;

/* From any thread but the loop's: runs fn(arg) as a task of the loop, and blocks until that has
 * ended; *ret_result (may be NULL) is what it returned. After `timeout` (PEN_FOREVER: none), counted
 * from the call, the task is cancelled, and waited for all the same: it may use the caller's stack.
 * Tasks that run when the loop's main task ends are cancelled, as leftovers are: a result too.
 * -ETIME: so it was, and it ended with -ECANCELED.  -EDEADLK: called in the loop's own thread.
 * -ESHUTDOWN: the loop's main task has ended, `fn` has not been called.  -ENOMEM.
 * The loop must outlive the call.
 */
int pen_run_threadsafe(struct pen_loop *loop, int (*fn)(void *arg), void *arg, pen_usec timeout,
                       int *ret_result);

PEN_END_DECLS
