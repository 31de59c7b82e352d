#include <penstock/wait.h>

#include <errno.h>

#include <async/loop.h>

static void cancel_all(struct pen_task *const *tasks, size_t n)
{
        for (size_t i = 0; i < n; i++)
                pen_task_cancel(tasks[i]);
}

/* 0: all have ended well, or `any_end` and all have ended. 1: one has failed, and *ret_error is how.
 * -ECANCELED. */
static int wait_for_error(struct pen_as_completed *done, bool any_end, int *ret_error)
{
        struct pen_task *task;
        int r;

        while ((r = pen_as_completed_next(done, &task)) > 0)
                if (task->result < 0 && !any_end) {
                        *ret_error = task->result;
                        break;
                }
        return r;
}

/* Needs no memory. Those that have failed are told by the caller: nobody else will ask. */
static void cancel_and_wait(struct pen_task *const *tasks, size_t n)
{
        cancel_all(tasks, n);
        pen_uncancellable_begin();
        for (size_t i = 0; i < n; i++)
                (void)!pen_await(tasks[i], NULL);
        pen_uncancellable_end();
}

static void wait_for_all(struct pen_as_completed *done)
{
        struct pen_task *task;

        pen_uncancellable_begin();
        while (pen_as_completed_next(done, &task) > 0)
                ;
        pen_uncancellable_end();
}

int pen_gather(struct pen_task *const *tasks, size_t n, int *results, unsigned flags)
{
        PEN_CLEANUP(pen_as_completed_freep) struct pen_as_completed *done = NULL;
        int error = 0, r;

        if (!pen_task_current())
                return -EDEADLK;
        r = pen_as_completed_create(tasks, n, PEN_FOREVER, &done);
        if (r == -ENOMEM && !(flags & PEN_LEAVE_RUNNING))
                cancel_and_wait(tasks, n);
        if (r < 0)
                return r;
        r = wait_for_error(done, flags & PEN_RETURN_ERRORS, &error);
        if (r < 0 || (r > 0 && !(flags & PEN_LEAVE_RUNNING)))
                cancel_all(tasks, n);
        if (!(flags & PEN_LEAVE_RUNNING))
                wait_for_all(done);
        for (size_t i = 0; i < n; i++) {
                int result = pen_task_result(tasks[i]);

                if (results)
                        results[i] = result;
        }
        return r < 0 ? r : error;
}
