#include <penstock/future.h>

#include <errno.h>

#include <async/loop.h>

struct pen_future {
        struct pen_loop *loop;
        bool done;
        int result;
        struct list line;
};

int pen_future_create(struct pen_future **ret_future)
{
        struct pen_future *future;

        if (!current_loop)
                return -ENXIO;
        future = malloc(sizeof(*future));
        if (!future)
                return -ENOMEM;
        *future = (struct pen_future){ .loop = current_loop };
        list_init(&future->line);
        *ret_future = future;
        return 0;
}

void pen_future_free(struct pen_future *future)
{
        free(future);
}

void pen_future_freep(struct pen_future **future)
{
        pen_future_free(*future);
}

int pen_future_set(struct pen_future *future, int result)
{
        if (future->done)
                return -EALREADY;
        future->done = true;
        future->result = result;
        waiters_wake_all(&future->line);
        return 0;
}

bool pen_future_done(const struct pen_future *future)
{
        return future->done;
}

int pen_future_wait_nowait(struct pen_future *future, int *ret_result)
{
        if (!future->done)
                return -EAGAIN;
        if (ret_result)
                *ret_result = future->result;
        return 0;
}

int pen_future_wait(struct pen_future *future, int *ret_result)
{
        struct pen_task *task = future->loop->current;
        int r = task_checkpoint(task);

        if (r == 0 && !future->done)
                r = waiters_wait(&future->line, task, "a future", NULL);
        if (r < 0)
                return r;
        return pen_future_wait_nowait(future, ret_result);
}
