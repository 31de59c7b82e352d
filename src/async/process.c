/* Children are made by vfork, which costs the same however much memory we have: the child runs in
 * our memory, on the calling task's stack, until it executes the program; only this thread stands
 * still meanwhile. So it does nothing but system calls, by a plan made before. What it met it tells
 * through a pipe that the execution closes, which also works where vfork is a plain fork (TSan,
 * Valgrind).
 *
 * A pidfd in the loop tells the end. The child is reaped by its own number and nothing else is;
 * until then the number stands for it and its group.
 */
#include <penstock/process.h>

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <async/loop.h>
#include <base/buffer.h>

#define READ_MAX 65536 /* a full pipe; on the loop's own stack */
#define GROUP_POLL (10 * PEN_MSEC)
#define STATUS_LOST (255 << 8)

struct pen_process {
        struct pen_loop *loop;
        pid_t pid;
        int pidfd;
        int stdio[3]; /* our ends, -1: none */
        bool ended;   /* and reaped */
        int status;
        struct event event;
        struct list waiters;
};

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

/* --- in the child ------------------------------------------------------------------------------- */

#define STATUS_FD 3

struct plan {
        const struct pen_process_options *options;
        int stdio[3];  /* above 2; what becomes 0, 1 and 2; -1: that stays as it is */
        int null;
        int status[2]; /* a pipe: an errno, or just its end */
        pid_t parent;
        int max_fds;
};

static void reset_signals(void)
{
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t none;

        /* An ignored signal would stay so, and a handler would run here, in the parent's memory. */
        for (int signo = 1; signo < NSIG; signo++)
                sigaction(signo, &action, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static int place_descriptors(const struct plan *plan)
{
        for (int i = 0; i < 3; i++)
                if (plan->stdio[i] >= 0 && dup2(plan->stdio[i], i) < 0)
                        return -1;
        if (plan->status[1] != STATUS_FD && dup3(plan->status[1], STATUS_FD, O_CLOEXEC) < 0)
                return -1;
        if (close_range(STATUS_FD + 1, ~0U, 0) < 0) /* Linux before 5.9 */
                for (int fd = STATUS_FD + 1; fd < plan->max_fds; fd++)
                        close(fd);
        return 0;
}

static _Noreturn void become(const struct plan *plan)
{
        const struct pen_process_options *o = plan->options;
        int error, status = plan->status[1];

        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != plan->parent)
                _exit(127); /* it died before the kernel knew that we go with it */
        reset_signals();
        if (place_descriptors(plan) == 0) {
                status = STATUS_FD;
                if (!o->cwd || chdir(o->cwd) == 0)
                        execve(o->argv[0], (char *const *)o->argv,
                               o->env ? (char *const *)o->env : environ);
        }
        error = errno;
        _exit(write(status, &error, sizeof(error)) < 0 ? 126 : 127);
}

/* A frame of its own: the child leaves nothing behind in those of the parent. */
static __attribute__((noinline)) pid_t start_child(const struct plan *plan)
{
        pid_t pid = vfork();

        if (pid == 0)
                become(plan);
        return pid < 0 ? -errno : pid;
}

/* --- spawning ----------------------------------------------------------------------------------- */

/* Moves it off 0, 1 and 2, should one of ours have been closed: the child's come there. */
static int lift(int *fd)
{
        int low = *fd;

        if (low > 2)
                return 0;
        *fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
        close(low);
        return *fd < 0 ? -errno : 0;
}

static int make_pipe(int *ret_read, int *ret_write)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

static int open_null(struct plan *plan)
{
        if (plan->null < 0)
                plan->null = open("/dev/null", O_RDWR | O_CLOEXEC);
        return plan->null < 0 ? -errno : lift(&plan->null);
}

static int plan_stdio(struct plan *plan, int i, enum pen_process_stdio kind, int *ours)
{
        int *theirs = &plan->stdio[i], r;

        switch (kind) {
        case PEN_STDIO_NULL:
                r = open_null(plan);
                *theirs = plan->null;
                return r;
        case PEN_STDIO_PIPE:
                r = i == 0 ? make_pipe(theirs, ours) : make_pipe(ours, theirs);
                if (r == 0 && fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
                        r = -errno;
                return r < 0 ? r : lift(theirs);
        case PEN_STDIO_INHERIT:
                return 0;
        }
        return -EINVAL;
}

static int plan_make(struct plan *plan, struct pen_process *process)
{
        const enum pen_process_stdio kinds[] = { plan->options->in, plan->options->out,
                                                 plan->options->err };
        struct rlimit limit;
        int r;

        plan->parent = getpid();
        getrlimit(RLIMIT_NOFILE, &limit);
        plan->max_fds = (int)MIN(limit.rlim_cur, (rlim_t)1 << 20);
        r = make_pipe(&plan->status[0], &plan->status[1]);
        if (r == 0)
                r = lift(&plan->status[1]);
        for (int i = 0; i < 3 && r == 0; i++)
                r = plan_stdio(plan, i, kinds[i], &process->stdio[i]);
        return r;
}

static void plan_deinit(struct plan *plan)
{
        for (int i = 0; i < 3; i++)
                if (plan->stdio[i] != plan->null)
                        close_fd(&plan->stdio[i]);
        close_fd(&plan->null);
        close_fd(&plan->status[0]);
        close_fd(&plan->status[1]);
}

static pid_t wait_for(pid_t pid, int *ret_status, int flags)
{
        pid_t r;

        do
                r = waitpid(pid, ret_status, flags);
        while (r < 0 && errno == EINTR);
        return r;
}

static int read_status(int fd)
{
        int error = 0;
        ssize_t n;

        do
                n = read(fd, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        return n == sizeof(error) ? -error : 0;
}

static void block_signals(sigset_t *ret_before)
{
        sigset_t all;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

/* 0: the program runs. */
static int run_plan(struct plan *plan, pid_t *ret_pid)
{
        sigset_t before;
        pid_t pid;
        int r;

        block_signals(&before);
        pid = start_child(plan);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return pid;
        close_fd(&plan->status[1]);
        r = read_status(plan->status[0]);
        if (r < 0)
                wait_for(pid, NULL, 0);
        else
                *ret_pid = pid;
        return r;
}

/* --- the end, told by a descriptor that becomes readable ---------------------------------------- */

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

/* For want of pidfds (Linux before 5.3, Valgrind): a pipe, and a thread that closes its other end. The
 * thread has the number only: should that be another child's by then, nobody looks at the pipe. */
static int imitate_pidfd(pid_t pid)
{
        struct end_watch *w = malloc(sizeof(*w));
        pthread_t thread;
        sigset_t before;
        int fd = -1, r = -ENOMEM;

        if (w) {
                w->pid = pid;
                r = make_pipe(&fd, &w->fd);
        }
        if (r < 0) {
                free(w);
                return r;
        }
        block_signals(&before);
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
        pid_t pid = wait_for(p->pid, &p->status, flags);

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
        struct plan plan = { .options = options, .stdio = { -1, -1, -1 }, .null = -1,
                             .status = { -1, -1 } };
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
        r = plan_make(&plan, p);
        if (r == 0)
                r = run_plan(&plan, &p->pid);
        plan_deinit(&plan); /* leaves room for the pidfd */
        if (r == 0) {
                r = watch(p);
                if (r < 0) {
                        kill(-p->pid, SIGKILL);
                        wait_for(p->pid, NULL, 0);
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

/* --- waiting and ending ------------------------------------------------------------------------- */

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

static pen_usec real_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
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
        while (wait_for(-p->pid, NULL, WNOHANG) > 0)
                ; /* orphans are ours if we are process 1 */
        return kill(-p->pid, 0) == 0;
}

void pen_process_terminate(struct pen_process *process, pen_usec grace)
{
        pen_usec now = real_now(), end = time_after(now, grace);
        int r = 0;

        if (process->ended)
                return;
        kill(-process->pid, SIGTERM);
        pen_uncancellable_begin();
        for (; r == 0 && now < end && group_lives(process); now = real_now())
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

/* --- communicating ------------------------------------------------------------------------------ */

/* The pipes are served on the root, while the task waits for the child's end alone. */
struct input {
        struct event event;
        int *fd;
        const char *data;
        size_t size;
};

struct output {
        struct event event;
        int *fd;
        const struct pen_process_capture *capture;
        struct buffer kept;
        bool piped, cut;
        int error;
};

static void end_stream(struct event *event, int *fd)
{
        event_del(event);
        close_fd(fd);
}

/* Writes what the pipe takes. */
static void feed(struct input *in)
{
        ssize_t n = in->size > 0 ? write(*in->fd, in->data, in->size) : 0;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0) {
                in->data += n;
                in->size -= (size_t)n;
        }
        if (n < 0 || in->size == 0) /* EPIPE: the child does not want it, which is its own affair */
                end_stream(&in->event, in->fd);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        feed(arg);
}

static void keep(struct output *out, const char *data, size_t n)
{
        size_t max = out->capture ? out->capture->max : 0;
        size_t room = max - buffer_size(&out->kept);

        if (n > room) {
                out->cut = true;
                if (out->capture && out->capture->tail) {
                        data += n - MIN(n, max);
                        n = MIN(n, max);
                        buffer_consume(&out->kept, n - MIN(n, room));
                } else {
                        n = room;
                }
        }
        if (buffer_append(&out->kept, data, n) < 0)
                out->error = -ENOMEM;
}

/* Answers how many bytes have come; 0: none, or no more. */
static size_t read_some(struct output *out, size_t max)
{
        char data[READ_MAX];
        ssize_t n = read(*out->fd, data, MIN(max, sizeof(data)));

        if (n > 0)
                keep(out, data, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                end_stream(&out->event, out->fd);
        return n > 0 ? (size_t)n : 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        read_some(arg, READ_MAX);
}

/* On the root, for its stack. Others may hold the pipe and write on: what is in it now is all. */
static int read_rest(void *arg)
{
        struct output *out = arg;
        size_t n, left = 0;
        int size;

        if (*out->fd >= 0 && ioctl(*out->fd, FIONREAD, &size) == 0)
                left = (size_t)size;
        while (left > 0 && (n = read_some(out, left)) > 0)
                left -= n;
        end_stream(&out->event, out->fd);
        return out->error;
}

static int start_input(struct pen_loop *loop, struct input *in)
{
        event_assign(&in->event, loop->base, *in->fd, EV_WRITE | EV_PERSIST, on_writable, in);
        feed(in);
        return *in->fd >= 0 && event_add(&in->event, NULL) < 0 ? -ENOMEM : 0;
}

/* Not after an error, `r`; but then too there is an event that can be ended. */
static int start_output(struct pen_loop *loop, struct output *out, int r)
{
        event_assign(&out->event, loop->base, *out->fd, EV_READ | EV_PERSIST, on_readable, out);
        return r == 0 && *out->fd >= 0 && event_add(&out->event, NULL) < 0 ? -ENOMEM : r;
}

static int give(struct output *out, struct pen_process_capture *capture)
{
        if (!capture)
                return 0;
        capture->size = 0;
        capture->data = out->piped ? buffer_take(&out->kept, &capture->size) : NULL;
        capture->cut = out->cut;
        return out->piped && !capture->data ? -ENOMEM : 0;
}

static int give_both(struct output outputs[2], struct pen_process_capture *out,
                     struct pen_process_capture *err)
{
        int r = give(&outputs[0], out);

        if (r < 0)
                return r;
        r = give(&outputs[1], err);
        if (r < 0 && out)
                free(TAKE(out->data));
        return r;
}

int pen_process_communicate(struct pen_process *process, const void *input, size_t size,
                            struct pen_process_capture *out, struct pen_process_capture *err,
                            int *ret_status)
{
        int *fds = process->stdio, status, r;
        struct input in = { .fd = &fds[0], .data = input, .size = size };
        struct output outputs[] = { { .fd = &fds[1], .capture = out, .piped = fds[1] >= 0 },
                                    { .fd = &fds[2], .capture = err, .piped = fds[2] >= 0 } };

        if (size > 0 && fds[0] < 0)
                return -EINVAL;
        r = task_checkpoint(process->loop->current);
        if (r < 0)
                return r;
        r = start_input(process->loop, &in);
        for (int i = 0; i < 2; i++)
                r = start_output(process->loop, &outputs[i], r);
        if (r == 0)
                r = pen_process_wait(process, &status);
        event_del(&in.event);
        for (int i = 0; i < 2; i++) {
                event_del(&outputs[i].event);
                if (r == 0)
                        r = pen_on_thread_stack(read_rest, &outputs[i]);
        }
        if (r == 0)
                r = give_both(outputs, out, err);
        if (r == 0) {
                close_fd(&fds[0]);
                *ret_status = status;
        }
        for (int i = 0; i < 2; i++)
                buffer_deinit(&outputs[i].kept);
        return r;
}
