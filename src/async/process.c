/* The life of a child. A pidfd in the loop tells its end. It is reaped by its own number and nothing
 * else is; until then the number stands for it and its group.
 */
#include <async/process.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <async/loop.h>

#define GROUP_POLL (10 * PEN_MSEC)
#define STATUS_LOST (255 << 8)

/* --- the end, told by a descriptor that becomes readable -------------------------------------- */

struct end_watch {
        pid_t pid;
        int fd;
};

static void *watch_end(void *arg)
{
        struct end_watch *w = arg;
        siginfo_t info;

        while (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
                ;
        close(w->fd);
        free(w);
        return NULL;
}

/* For want of pidfds (Linux before 5.3, Valgrind): a pipe, and a thread that closes its other end.
 * The thread has the number only: if that is another child's by then, nobody looks at the pipe. */
static int imitate_pidfd(pid_t pid)
{
        struct end_watch *w = malloc(sizeof(*w));
        pthread_t thread;
        sigset_t before;
        int fd = -1, r = -ENOMEM;

        if (w) {
                w->pid = pid;
                r = process_make_pipe(&fd, &w->fd);
        }
        if (r < 0) {
                free(w);
                return r;
        }
        process_block_signals(&before);
        r = -pthread_create(&thread, NULL, watch_end, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0) {
                close(fd);
                close(w->fd);
                free(w);
                return r;
        }
        pthread_detach(thread);
        return fd;
}

static int open_pidfd(pid_t pid)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd >= 0)
                return fd;
        return errno == ENOSYS ? imitate_pidfd(pid) : -errno;
}

/* Answers whether the child has ended. */
static bool reap(struct pen_process *p, int flags)
{
        pid_t pid = process_wait_for(p->pid, &p->status, flags);

        if (pid == 0)
                return false;
        if (pid < 0)
                p->status = STATUS_LOST;
        p->ended = true;
        p->loop->n_busy--;
        event_del(&p->event);
        close_fd(&p->pidfd);
        waiters_wake_all(&p->waiters);
        return true;
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        reap(arg, WNOHANG);
}

static int watch(struct pen_process *p)
{
        int fd = open_pidfd(p->pid);

        if (fd < 0)
                return fd;
        p->pidfd = fd;
        event_assign(&p->event, p->loop->base, p->pidfd, EV_READ | EV_PERSIST, on_end, p);
        return event_add(&p->event, NULL) < 0 ? -ENOMEM : 0;
}

static void release(struct pen_process *p)
{
        for (int i = 0; i < 3; i++)
                close_fd(&p->stdio[i]);
        close_fd(&p->pidfd);
        free(p);
}

int pen_process_spawn(const struct pen_process_options *options, struct pen_process **ret_process)
{
        struct pen_loop *loop = current_loop;
        struct pen_process *p;
        int r;

        if (!loop)
                return -ENXIO;
        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = (struct pen_process){ .loop = loop, .pidfd = -1, .stdio = { -1, -1, -1 } };
        list_init(&p->waiters);
        r = process_start(options, p->stdio, &p->pid);
        if (r == 0) {
                r = watch(p);
                if (r < 0) {
                        kill(-p->pid, SIGKILL);
                        process_wait_for(p->pid, NULL, 0);
                }
        }
        if (r < 0) {
                release(p);
                return r;
        }
        loop->n_busy++;
        *ret_process = p;
        return 0;
}

/* --- waiting and ending ----------------------------------------------------------------------- */

pid_t pen_process_pid(const struct pen_process *process)
{
        return process->pid;
}

int pen_process_take_fd(struct pen_process *process, int number)
{
        int fd = number >= 0 && number < 3 ? process->stdio[number] : -1;

        if (fd < 0)
                return -EBADF;
        process->stdio[number] = -1;
        return fd;
}

int pen_process_wait(struct pen_process *process, int *ret_status)
{
        struct pen_task *self = process->loop->current;
        int r = task_checkpoint(self);

        while (!process->ended && r == 0)
                r = waiters_wait(&process->waiters, self, "the end of a child", NULL);
        if (r == 0)
                *ret_status = process->status;
        return r;
}

int pen_process_wait_nowait(struct pen_process *process, int *ret_status)
{
        if (!process->ended && !reap(process, WNOHANG))
                return -EAGAIN;
        *ret_status = process->status;
        return 0;
}

int pen_process_signal(struct pen_process *process, int signo)
{
        if (process->ended)
                return -ESRCH;
        return kill(-process->pid, signo) < 0 ? -errno : 0;
}

static void kill_and_reap(struct pen_process *p)
{
        int status;

        kill(-p->pid, SIGKILL);
        pen_uncancellable_begin();
        if (pen_process_wait(p, &status) < 0)
                reap(p, 0); /* not in a task */
        pen_uncancellable_end();
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        task_wake(arg);
}

/* Until the child's end, at most `usec` by the clock of children, which is never a virtual one. */
static int wait_within(struct pen_process *p, pen_usec usec)
{
        struct pen_task *self = p->loop->current;
        struct timeval tv;
        struct event timer;
        int r = -ENOMEM;

        usec = MIN(usec, PEN_DAY);
        tv = (struct timeval){ (time_t)(usec / PEN_SEC), (suseconds_t)(usec % PEN_SEC) };
        evtimer_assign(&timer, p->loop->base, on_time, self);
        p->loop->n_busy++;
        if (event_add(&timer, &tv) == 0)
                r = waiters_wait(&p->waiters, self, "the end of a child", NULL);
        p->loop->n_busy--;
        event_del(&timer);
        return r;
}

/* Once the child is reaped its number is only safe while others are in its group; but a free one
 * does not come round again within GROUP_POLL. */
static bool group_lives(const struct pen_process *p)
{
        if (!p->ended)
                return true;
        while (process_wait_for(-p->pid, NULL, WNOHANG) > 0)
                ; /* orphans are ours if we are process 1 */
        return kill(-p->pid, 0) == 0;
}

void pen_process_terminate(struct pen_process *process, pen_usec grace)
{
        pen_usec now = loop_real_time(), end = time_after(now, grace);
        int r = 0;

        if (process->ended)
                return;
        kill(-process->pid, SIGTERM);
        pen_uncancellable_begin();
        for (; r == 0 && now < end && group_lives(process); now = loop_real_time())
                r = wait_within(process, process->ended ? MIN(end - now, GROUP_POLL) : end - now);
        pen_uncancellable_end();
        if (group_lives(process))
                kill_and_reap(process);
}

void pen_process_free(struct pen_process *process)
{
        if (!process)
                return;
        if (!process->ended)
                kill_and_reap(process);
        release(process);
}

void pen_process_freep(struct pen_process **process)
{
        pen_process_free(*process);
}
