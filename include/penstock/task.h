/* Tasks: functions that run side by side on one thread and take turns where they wait.
 * The ideas are asyncio.Task's.
 *
 * Cancellation is a request, delivered as -ECANCELED by the next PEN_ASYNC call of the task, or by
 * the one it is waiting in. Requests made before the delivery merge into one. After it calls work
 * again, so that cleanup may wait.
 *
 * C differs from asyncio: the delivery does not wait for a call that has to suspend. A task
 * cancelled before its first run still runs, and meets the request at its first PEN_ASYNC call:
 * nobody else would free its `arg`. One that returns without another such call has never met it,
 * and its result stands.
 *
 * C differs too in that a task has a stack of fixed size (64 KiB unless the options say otherwise),
 * and below it a guard of 64 KiB: running into that ends the process by SIGSEGV, after a line on
 * standard error that names the task. Before Linux 6.13 a guard costs mappings, so only as many
 * tasks have one as half of vm.max_map_count pays for, 16,382 by default. Those past that are as
 * far apart, but it takes a look at the lowest word of the stack, whenever the task suspends or
 * ends, to find that it was written: a line in the log, and SIGABRT. There may be 100,000 tasks and
 * more either way.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_task;

struct pen_spawn_options {
        const char *name;  /* copied, cut after 31 bytes; NULL: "task-N" */
        size_t stack_size; /* 0: the loop's */
};

/* Makes a task that will run fn(arg), and keeps a reference to it until it has ended. With
 * `ret_task` the caller gets one too, to be given back by pen_task_unref; without it the failure
 * of the task (less than 0, but for -ECANCELED) is logged by name.
 * -ENXIO: no loop.  -ENOMEM: no stack to be had.
 */
int pen_spawn(int (*fn)(void *arg), void *arg, struct pen_task **ret_task);
int pen_spawn_with(const struct pen_spawn_options *options, int (*fn)(void *arg), void *arg,
                   struct pen_task **ret_task);

struct pen_task *pen_task_ref(struct pen_task *task);
struct pen_task *pen_task_unref(struct pen_task *task); /* answers NULL */
void pen_task_unrefp(struct pen_task **task);

/* The running task; NULL on the loop's own stack. No reference is added. */
struct pen_task *pen_task_current(void);
const char *pen_task_name(struct pen_task *task);

/* Waits until the task has ended. 0: it has, and *ret_result (may be NULL) is what it returned,
 * even if that is negative; C differs: also -ECANCELED.  -EDEADLK: it is the caller.
 * Cancelled, now or before: as in asyncio the request goes to the awaited task. This call then waits
 * on, and answers -ECANCELED if that task ended with -ECANCELED; if it chose to return something else, 0;
 * and if it ended without having met the request, 0, and that stays pending here (C differs).
 */
PEN_ASYNC int pen_await(struct pen_task *task, int *ret_result);

/* As pen_await, but a cancellation ends only this wait: -ECANCELED, and the task runs on. It needs
 * an owner then: one whose handle nobody has left runs on by itself, its failure is logged, and the
 * end of the loop cancels it. */
PEN_ASYNC int pen_shield(struct pen_task *task, int *ret_result);

/* Requests the cancellation. Answers false if the task had already ended. */
bool pen_task_cancel(struct pen_task *task);
bool pen_task_done(const struct pen_task *task);

/* What it returned; -EAGAIN while it has not ended. */
int pen_task_result(struct pen_task *task);

/* How many cancellation requests the running task has had and not taken back. */
unsigned pen_cancelling(void);

/* Takes one request back and answers how many remain. At 0 what was not yet delivered is void. */
unsigned pen_uncancel(void);

/* Between the two the running task is not interrupted; a request stays pending and is delivered by
 * the first PEN_ASYNC call after the end. May be nested. */
void pen_uncancellable_begin(void);
void pen_uncancellable_end(void);

/* Suspends for so long; 0 is pen_yield. */
PEN_ASYNC int pen_sleep(pen_usec usec);

/* Lets every other runnable task run once. C differs: I/O is polled at least every 256 resumptions
 * or 100 us (the clock is read every 16 of them, or each if they are long), not at each yield. With
 * the virtual clock it is the count alone. */
PEN_ASYNC int pen_yield(void);

/* Calls fn(arg) on the thread's big stack and answers what it returned. Nothing else runs
 * meanwhile; `fn` must not suspend. For calls that need more stack than a task has. */
int pen_on_thread_stack(int (*fn)(void *arg), void *arg);

PEN_END_DECLS
