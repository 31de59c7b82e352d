/* Waiting for several tasks: asyncio's gather, wait, as_completed; and a limit on how many run.
 *
 * Tasks that are given may be repeated, and may have ended before. For tasks that were cancelled
 * here one waits uninterruptibly, until they have cleaned up; a request stays pending meanwhile.
 */
#pragma once

#include <penstock/common.h>
#include <penstock/task.h>

PEN_BEGIN_DECLS

enum pen_gather_flags {
        PEN_RETURN_ERRORS = 1 << 0, /* a failed task cancels nobody: look at the results */
        PEN_LEAVE_RUNNING = 1 << 1, /* asyncio's way: on the first error return at once */
};

/* Waits for `n` tasks; n may be 0. results[i] (may be NULL) becomes what tasks[i] returned, also
 * beside an error. 0: all ended with 0 or more, or PEN_RETURN_ERRORS.
 *
 * C differs: when one ends with less than 0, also -ECANCELED, the others are cancelled and waited
 * for (a sibling must not write into a frame that is gone), and the first error is answered. With
 * PEN_LEAVE_RUNNING they go on as in asyncio; what they point to must then be on the heap, and
 * results are those that were known, -EAGAIN for the others.
 * Cancelled: cancels them all, waits for all (not with PEN_LEAVE_RUNNING), answers -ECANCELED.
 * -ENOMEM: as if one had failed, or with PEN_LEAVE_RUNNING nothing was done.  -EDEADLK: not called from a task, or one of them is the caller.
 */
PEN_ASYNC int pen_gather(struct pen_task *const *tasks, size_t n, int *results, unsigned flags);

enum pen_wait_when {
        PEN_FIRST_COMPLETED,
        PEN_FIRST_EXCEPTION, /* one has failed (less than 0, not -ECANCELED), or all have ended */
        PEN_ALL_COMPLETED,
};

/* Waits until enough of `n` tasks have ended, or `timeout` is over (PEN_FOREVER: none), and answers
 * how many have: pen_task_done tells which. A timeout is no error, failures of tasks are none (who
 * does not look at them will find them logged), and nothing is cancelled here.
 * -EINVAL: n is 0.  -EDEADLK: not called from a task, or one of them is the caller.  -ENOMEM.
 * Cancelled: -ECANCELED, the tasks run on.
 */
PEN_ASYNC ssize_t pen_wait(struct pen_task *const *tasks, size_t n, enum pen_wait_when when,
                           pen_usec timeout);

/* The tasks in the order in which they end:
 *
 *     while ((r = pen_as_completed_next(done, &task)) > 0)
 *             use(pen_task_result(task));
 */
struct pen_as_completed;

/* For `n` tasks, to which it keeps references; n may be 0. `timeout` is for all of it, from now on.
 * -EDEADLK: one of them is the caller.  -ENXIO, -ENOMEM. */
int pen_as_completed_create(struct pen_task *const *tasks, size_t n, pen_usec timeout,
                            struct pen_as_completed **ret_done);

/* Waits for the next one to end; those that had ended before come first, as they were given. 1:
 * *ret_task is it, valid as long as `done`; one that was given twice comes twice.  0: there are no
 * more.  -ETIME: the time was over before the others had ended; they will not come.
 * -EBUSY: another task waits in it (C differs).  Cancelled: -ECANCELED, nothing is lost, the tasks run on.
 */
PEN_ASYNC int pen_as_completed_next(struct pen_as_completed *done, struct pen_task **ret_task);

/* Cancels nothing. */
void pen_as_completed_free(struct pen_as_completed *done);
void pen_as_completed_freep(struct pen_as_completed **done);

/* fn(items[i], arg) for each of `n` items, each in a task of its own, never more than `limit` (not
 * 0) at once, begun in their order. 0: all answered 0 or more. Else, as gather does, the first
 * error, also -ECANCELED: nothing new is begun, what runs is cancelled and waited for.
 * -EINVAL: limit is 0.  -EDEADLK: not called from a task.  -ENOMEM: as for an error.
 * Cancelled: cancels what runs, waits for it, answers -ECANCELED.
 */
PEN_ASYNC int pen_each(void *const *items, size_t n, size_t limit, int (*fn)(void *item, void *arg),
                       void *arg);

PEN_END_DECLS
