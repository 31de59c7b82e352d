#include <penstock/wait.h>

#include <errno.h>

#include <async/loop.h>

static bool enough(enum pen_wait_when when, int result)
{
        return when == PEN_FIRST_COMPLETED ||
               (when == PEN_FIRST_EXCEPTION && result < 0 && result != -ECANCELED);
}

ssize_t pen_wait(struct pen_task *const *tasks, size_t n, enum pen_wait_when when, pen_usec timeout)
{
        PEN_CLEANUP(pen_as_completed_freep) struct pen_as_completed *done = NULL;
        struct pen_task *task;
        ssize_t ended = 0;
        int r;

        if (n == 0)
                return -EINVAL;
        if (!pen_task_current())
                return -EDEADLK;
        r = pen_as_completed_create(tasks, n, timeout, &done);
        if (r < 0)
                return r;
        do
                r = pen_as_completed_next(done, &task);
        while (r > 0 && !enough(when, task->result));
        if (r < 0 && r != -ETIME)
                return r;
        for (size_t i = 0; i < n; i++)
                ended += pen_task_done(tasks[i]);
        return ended;
}
