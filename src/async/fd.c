#include <penstock/fd.h>

#include <errno.h>
#include <event2/event_struct.h>

#include <async/loop.h>

struct fd_wait {
        struct event event;
        struct pen_task *task;
        unsigned happened;
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
        struct fd_wait *w = arg;

        (void)fd;
        w->happened = (what & EV_READ ? PEN_READABLE : 0u) | (what & EV_WRITE ? PEN_WRITABLE : 0u);
        task_wake(w->task);
}

int pen_fd_wait(int fd, unsigned events)
{
        struct pen_loop *loop = current_loop;
        struct fd_wait w = { 0 };
        short what = (short)((events & PEN_READABLE ? EV_READ : 0) |
                             (events & PEN_WRITABLE ? EV_WRITE : 0));
        int r;

        if (!loop)
                return -EDEADLK;
        w.task = loop->current;
        r = task_checkpoint(w.task);
        if (r < 0)
                return r;
        if (what == 0)
                return -EINVAL;
        if (fd < 0) /* libevent would take it, and wait for ever */
                return -EBADF;
        errno = 0;
        if (event_assign(&w.event, loop->base, fd, what, on_ready, &w) < 0 ||
            event_add(&w.event, NULL) < 0)
                return errno ? -errno : -ENOMEM;
        loop->n_events++;
        r = task_suspend(w.task, "a file descriptor");
        loop->n_events--;
        event_del(&w.event);
        return r < 0 ? r : (int)w.happened;
}
