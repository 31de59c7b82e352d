/* Children are made by vfork, which costs the same however much memory we have: the child runs in
 * our memory, on the calling task's stack, until it executes the program; only this thread stands
 * still meanwhile. So it does nothing but system calls, by a plan made before. What it met it tells
 * through a pipe that the execution closes, which also works where vfork is a plain fork (TSan,
 * Valgrind).
 */
#include <async/process.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <base/util.h>

/* --- in the child ----------------------------------------------------------------------------- */

#define STATUS_FD 3

struct plan {
        const struct pen_process_options *options;
        int stdio[3]; /* above 2; what becomes 0, 1 and 2; -1: that stays as it is */
        int null;
        int status[2]; /* a pipe: an errno, or just its end */
        pid_t parent;
        struct rlimit fds; /* ours, and with o->max_fds the child's */
};

/* An ignored signal would stay so, and a handler would run here, in the parent's memory. By system
 * call: the C library does not let us near 32 and 33, its own, which its posix_spawn leaves ignored.
 */
static void reset_signals(void)
{
        static const char
                all_default[64]; /* the kernel's struct sigaction, larger than on any machine */
        sigset_t none;

        for (int signo = 1; signo < NSIG; signo++)
                syscall(SYS_rt_sigaction, signo, all_default, NULL, NSIG / 8);
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
                for (int fd = STATUS_FD + 1; fd < (int)plan->fds.rlim_cur; fd++)
                        close(fd);
        return 0;
}

static void limit_descriptors(const struct plan *plan)
{
        struct rlimit limit = plan->fds;

        limit.rlim_cur = plan->options->max_fds;
        if (limit.rlim_cur > 0 && limit.rlim_cur < plan->fds.rlim_cur)
                setrlimit(RLIMIT_NOFILE, &limit);
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
                limit_descriptors(plan);
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

/* --- spawning --------------------------------------------------------------------------------- */

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

int process_make_pipe(int *ret_read, int *ret_write)
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
                r = i == 0 ? process_make_pipe(theirs, ours) : process_make_pipe(ours, theirs);
                if (r == 0 && fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
                        r = -errno;
                return r < 0 ? r : lift(theirs);
        case PEN_STDIO_INHERIT:
                return 0;
        }
        return -EINVAL;
}

static int plan_make(struct plan *plan, int stdio[3])
{
        const enum pen_process_stdio kinds[] = { plan->options->in, plan->options->out,
                                                 plan->options->err };
        int r;

        plan->parent = getpid();
        getrlimit(RLIMIT_NOFILE, &plan->fds);
        r = process_make_pipe(&plan->status[0], &plan->status[1]);
        if (r == 0)
                r = lift(&plan->status[1]);
        for (int i = 0; i < 3 && r == 0; i++)
                r = plan_stdio(plan, i, kinds[i], &stdio[i]);
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

pid_t process_wait_for(pid_t pid, int *ret_status, int flags)
{
        pid_t r;

        do
                r = waitpid(pid, ret_status, flags);
        while (r < 0 && errno == EINTR);
        return r;
}

void process_block_signals(sigset_t *ret_before)
{
        sigset_t all;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, ret_before);
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

/* 0: the program runs. */
static int run_plan(struct plan *plan, pid_t *ret_pid)
{
        sigset_t before;
        pid_t pid;
        int r;

        process_block_signals(&before);
        pid = start_child(plan);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return pid;
        close_fd(&plan->status[1]);
        r = read_status(plan->status[0]);
        if (r < 0)
                process_wait_for(pid, NULL, 0);
        else
                *ret_pid = pid;
        return r;
}

int process_start(const struct pen_process_options *options, int ret_stdio[3], pid_t *ret_pid)
{
        struct plan plan = {
                .options = options, .stdio = { -1, -1, -1 }, .null = -1, .status = { -1, -1 }
        };
        int r = plan_make(&plan, ret_stdio);

        if (r == 0)
                r = run_plan(&plan, ret_pid);
        plan_deinit(&plan);
        return r;
}
