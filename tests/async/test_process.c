#include "../runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <base/util.h>
#include <penstock/fd.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/process.h>
#include <penstock/stream.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

#define DEADLINE (30 * PEN_SEC) /* of what happens soon */

static pen_usec real_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
}

static size_t count_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void assert_no_child(void)
{
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}

static void run_in_loop(int (*fn)(void *arg))
{
        pen_usec end = real_now() + DEADLINE;
        size_t n = count_descriptors();

        prctl(PR_SET_CHILD_SUBREAPER, 0); /* another test's, without CK_FORK */
        ck_assert_int_eq(pen_run(fn, NULL), 0);
        while (count_descriptors() != n) /* without pidfds a thread has a last one to close */
                ck_assert_msg(real_now() < end, "from %zu descriptors to %zu", n,
                              count_descriptors());
        assert_no_child();
}

/* Of those: what the kernel made to tell of a child's end. */
static size_t count_pidfds(void)
{
        char path[64], target[64];
        size_t n = 0;

        for (int fd = 0; fd < 1024; fd++) {
                ssize_t size;

                snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                size = readlink(path, target, sizeof(target));
                n += size > 0 && memmem(target, (size_t)size, "pidfd", 5);
        }
        return n;
}

/* A test whose body is a task: it ends with `return 0`. Whatever it does, no descriptor and no
 * child is left. */
#define TASK_TEST(name)                    \
        static int name##_body(void *arg); \
        START_TEST(name)                   \
        {                                  \
                run_in_loop(name##_body);  \
        }                                  \
        END_TEST                           \
        static int name##_body(__attribute__((__unused__)) void *arg)

static struct pen_process *spawn(const struct pen_process_options *options)
{
        struct pen_process *p = NULL;

        ck_assert_int_eq(pen_process_spawn(options, &p), 0);
        return p;
}

#define SHELL(script)                                                              \
        {                                                                          \
                .argv = (const char *const[]){ "/bin/sh", "-c", (script), NULL },  \
                .in = PEN_STDIO_PIPE, .out = PEN_STDIO_PIPE, .err = PEN_STDIO_PIPE \
        }

static struct pen_process *shell(const char *script)
{
        struct pen_process_options options = SHELL(script);

        return spawn(&options);
}

static int status_of(struct pen_process *p)
{
        int status;

        ck_assert_int_eq(pen_process_wait(p, &status), 0);
        return status;
}

static int run(const char *script)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell(script);

        return status_of(p);
}

/* Runs it to its end and compares what it wrote to stdout. */
static void assert_prints(const struct pen_process_options *options, const char *expected)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = spawn(options);
        struct pen_process_capture out = { .max = 4096 };
        int status;

        ck_assert_int_eq(pen_process_communicate(p, NULL, 0, &out, NULL, &status), 0);
        ck_assert_int_eq(status, 0);
        ck_assert_str_eq(out.data, expected);
        free(out.data);
}

/* Waits until the child has written `text` and a line end. */
static void expect(int fd, const char *text)
{
        char line[64] = { 0 };
        size_t n = 0;

        while (n == 0 || line[n - 1] != '\n') {
                ck_assert_int_ge(pen_fd_wait(fd, PEN_READABLE), 0);
                ck_assert_int_eq((int)read(fd, line + n, 1), 1);
                n++;
        }
        line[n - 1] = '\0';
        ck_assert_str_eq(line, text);
}

/* A shell that has said "ready"; its stdout, to be closed, in *ret_out. */
static struct pen_process *ready_shell(const char *script, int *ret_out)
{
        struct pen_process *p = shell(script);

        *ret_out = pen_process_take_fd(p, 1);
        ck_assert_int_ge(*ret_out, 0);
        expect(*ret_out, "ready");
        return p;
}

/* Descendants whose parents have gone become ours. */
static void adopt_orphans(void)
{
        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

/* Waits for all of the group to end, and answers the status of the last. */
static int reap_group(pid_t group)
{
        pen_usec end = real_now() + DEADLINE;
        int status = -1;
        pid_t pid;

        while ((pid = waitpid(-group, &status, WNOHANG)) >= 0) {
                ck_assert_msg(real_now() < end, "the group %d lives on", (int)group);
                if (pid == 0)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        }
        ck_assert_int_eq(errno, ECHILD);
        return status;
}

static void assert_killed_by(int status, int signo)
{
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), signo);
}

static void assert_exited(int status, int code)
{
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), code);
}

/* --- what a child starts with ----------------------------------------------------------------- */

TASK_TEST(child_has_no_descriptor_but_three)
{
        struct pen_process_options options = {
                .argv = (const char *const[]){ "/bin/ls", "/proc/self/fd", NULL },
                .out = PEN_STDIO_PIPE,
        };
        int inheritable[2];

        ck_assert_int_eq(pipe(inheritable), 0);
        ck_assert_int_eq(dup2(inheritable[0], 300), 300);
        assert_prints(&options, "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
        close(inheritable[0]);
        close(inheritable[1]);
        close(300);
        return 0;
}

static void handle(int signo)
{
        (void)signo;
}

TASK_TEST(child_has_default_signals_whatever_ours_are)
{
        struct pen_process_options options = {
                .argv = (const char *const[]){ "/bin/grep", "-E", "^Sig(Blk|Ign)",
                                               "/proc/self/status", NULL },
                .out = PEN_STDIO_PIPE,
        };
        sigset_t some, before;

        sigemptyset(&some);
        sigaddset(&some, SIGTERM);
        sigaddset(&some, SIGRTMIN);
        ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &some, &before), 0);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, handle);
        signal(SIGRTMAX, SIG_IGN);
        assert_prints(&options, "SigBlk:\t0000000000000000\n"
                                "SigIgn:\t0000000000000000\n");
        signal(SIGUSR1, SIG_DFL);
        signal(SIGUSR2, SIG_DFL);
        signal(SIGRTMAX, SIG_DFL);
        ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
        return 0;
}

TASK_TEST(child_leads_a_group_of_its_own)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("read go");

        ck_assert_int_eq(getpgid(pen_process_pid(p)), pen_process_pid(p));
        return 0;
}

TASK_TEST(child_gets_the_environment_and_directory_it_is_given)
{
        struct pen_process_options options = SHELL("pwd; echo \"$A,$HOME\"");

        options.cwd = "/usr";
        options.env = (const char *const[]){ "A=b c", NULL };
        assert_prints(&options, "/usr\nb c,\n");

        options = (struct pen_process_options)SHELL("echo $A");
        setenv("A", "ours", 1);
        assert_prints(&options, "ours\n");
        unsetenv("A");
        return 0;
}

TASK_TEST(null_is_the_default_for_all_three)
{
        struct pen_process_options options = {
                .argv = (const char *const[]){ "/bin/sh", "-c",
                                               "read x || test /proc/self/fd/0 -ef /dev/null && "
                                               "test /proc/self/fd/1 -ef /dev/null && "
                                               "test /proc/self/fd/2 -ef /dev/null",
                                               NULL },
        };
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = spawn(&options);

        assert_exited(status_of(p), 0);
        return 0;
}

TASK_TEST(pipes_come_right_though_our_own_three_are_closed)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        struct pen_process_options options = SHELL("cat; echo err >&2");
        struct pen_process_capture out = { .max = 10 }, err = { .max = 10 };
        int saved[3], status, r;

        for (int i = 0; i < 3; i++) {
                saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
                close(i);
        }
        r = pen_process_spawn(&options, &p);
        if (r == 0)
                r = pen_process_communicate(p, "in", 2, &out, &err, &status);
        for (int i = 0; i < 3; i++) {
                dup2(saved[i], i);
                close(saved[i]);
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(out.data, "in");
        ck_assert_str_eq(err.data, "err\n");
        free(out.data);
        free(err.data);
        return 0;
}

TASK_TEST(loop_ignores_sigpipe)
{
        struct sigaction action;

        ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
        ck_assert(action.sa_handler == SIG_IGN);
        return 0;
}

static int do_nothing(void *arg)
{
        (void)arg;
        return 0;
}

START_TEST(loop_leaves_a_handler_of_sigpipe_alone)
{
        struct sigaction action;

        signal(SIGPIPE, handle);
        ck_assert_int_eq(pen_run(do_nothing, NULL), 0);
        ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
        ck_assert(action.sa_handler == handle);
        signal(SIGPIPE, SIG_DFL);
}
END_TEST

/* --- how a child ends ------------------------------------------------------------------------- */

TASK_TEST(end_is_told_by_a_pidfd_where_there_is_one)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("read line");
        int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

        ck_assert_int_eq(pen_process_wait_nowait(p, NULL), -EAGAIN);
        ck_assert_uint_eq(count_pidfds(), fd < 0 ? 0 : 2); /* this one and the child's */
        if (fd >= 0)
                close(fd);
        return 0;
}

TASK_TEST(exits_and_signals_are_told_apart)
{
        assert_exited(run("exit 0"), 0);
        assert_exited(run("exit 3"), 3);
        assert_exited(run("exit 255"), 255);
        assert_killed_by(run("kill -9 $$"), SIGKILL);
        assert_killed_by(run("kill -TERM $$"), SIGTERM);
        return 0;
}

/* Is a core file written where the process is, as far as we may? */
static bool cores_are_files(void)
{
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
        char pattern[256] = "";
        struct rlimit limit;

        if (f) {
                if (!fgets(pattern, sizeof(pattern), f))
                        pattern[0] = '|';
                fclose(f);
        }
        getrlimit(RLIMIT_CORE, &limit);
        return pattern[0] != '|' && pattern[0] != '/' && limit.rlim_max == RLIM_INFINITY;
}

TASK_TEST(core_dump_is_told)
{
        struct pen_process_options options = SHELL("ulimit -c unlimited; kill -SEGV $$");
        char dir[] = "/tmp/penstock-core-XXXXXX", command[64];
        int status;

        ck_assert_ptr_nonnull(mkdtemp(dir));
        options.cwd = dir;
        {
                PEN_CLEANUP(pen_process_freep) struct pen_process *p = spawn(&options);

                status = status_of(p);
        }
        snprintf(command, sizeof(command), "rm -r %s", dir);
        assert_exited(run(command), 0);
        assert_killed_by(status, SIGSEGV);
        if (cores_are_files())
                ck_assert(WCOREDUMP(status));
        status = run("ulimit -c 0; kill -SEGV $$");
        assert_killed_by(status, SIGSEGV);
        if (cores_are_files())
                ck_assert(!WCOREDUMP(status));
        return 0;
}

static int try_to_run(const char *path, const char *cwd)
{
        struct pen_process_options options = {
                .argv = (const char *const[]){ path, NULL },
                .cwd = cwd,
                .in = PEN_STDIO_PIPE,
                .out = PEN_STDIO_PIPE,
                .err = PEN_STDIO_PIPE,
        };
        struct pen_process *p;

        return pen_process_spawn(&options, &p);
}

TASK_TEST(what_cannot_be_executed_is_told_at_once)
{
        ck_assert_int_eq(try_to_run("/nonexistent/program", NULL), -ENOENT);
        ck_assert_int_eq(try_to_run("/etc/passwd", NULL), -EACCES);
        ck_assert_int_eq(try_to_run("/usr", NULL), -EACCES);
        ck_assert_int_eq(try_to_run("/bin/true", "/nonexistent"), -ENOENT);
        ck_assert_int_eq(try_to_run("/bin/true", "/etc/passwd"), -ENOTDIR);
        assert_no_child();
        return 0;
}

/* Valgrind does not survive an execution that fails so late. */
static bool under_valgrind(void)
{
        const char *preload = getenv("LD_PRELOAD");

        return preload && strstr(preload, "vgpreload");
}

TASK_TEST(argument_that_is_too_long_is_told)
{
        size_t size = (size_t)1 << 20;
        PEN_CLEANUP(freep) char *argument = malloc(size);
        struct pen_process_options options = {
                .argv = (const char *const[]){ "/bin/true", argument, NULL },
        };
        struct pen_process *p;

        memset(argument, 'x', size);
        argument[size - 1] = '\0';
        if (!under_valgrind())
                ck_assert_int_eq(pen_process_spawn(&options, &p), -E2BIG);
        return 0;
}

TASK_TEST(lack_of_descriptors_is_told_and_leaks_none)
{
        struct rlimit before, few;
        size_t n = count_descriptors();
        int r = -EMFILE;

        getrlimit(RLIMIT_NOFILE, &before);
        few = before;
        /* From none to be had to one too few: a spawn needs 8, two of them for a moment. */
        for (rlim_t limit = 0; limit < 64 && r < 0; limit++) {
                few.rlim_cur = limit;
                setrlimit(RLIMIT_NOFILE, &few);
                r = try_to_run("/nonexistent/program", NULL);
                setrlimit(RLIMIT_NOFILE, &before);
                ck_assert_uint_eq(count_descriptors(), n);
                if (r == -ENOENT)
                        return 0;
                ck_assert_int_eq(r, -EMFILE);
        }
        ck_abort_msg("it never had enough");
        return 0;
}

START_TEST(no_loop_no_child)
{
        ck_assert_int_eq(try_to_run("/bin/true", NULL), -ENXIO);
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

static int wait_in_task(void *process)
{
        int status, r = pen_process_wait(process, &status);

        return r < 0 ? r : WEXITSTATUS(status);
}

TASK_TEST(several_may_wait_and_again)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("read go; exit 5");
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *a = NULL, *b = NULL, *c = NULL;
        int result, status, in = pen_process_take_fd(p, 0);

        ck_assert_int_eq(pen_process_wait_nowait(p, &status), -EAGAIN);
        ck_assert_int_eq(pen_spawn(wait_in_task, p, &a), 0);
        ck_assert_int_eq(pen_spawn(wait_in_task, p, &b), 0);
        ck_assert_int_eq(pen_spawn(wait_in_task, p, &c), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(b);
        close(in);
        ck_assert_int_eq(pen_await(a, &result), 0);
        ck_assert_int_eq(result, 5);
        ck_assert_int_eq(pen_await(b, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_int_eq(pen_await(c, &result), 0);
        ck_assert_int_eq(result, 5);
        assert_exited(status_of(p), 5);
        ck_assert_int_eq(pen_process_wait_nowait(p, &status), 0);
        assert_exited(status, 5);
        return 0;
}

TASK_TEST(signal_reaches_the_child_until_it_has_ended)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exec sleep 100");

        ck_assert_int_eq(pen_process_signal(p, 1000), -EINVAL);
        ck_assert_int_eq(pen_process_signal(p, SIGUSR1), 0);
        assert_killed_by(status_of(p), SIGUSR1);
        ck_assert_int_eq(pen_process_signal(p, SIGUSR1), -ESRCH);
        return 0;
}

TASK_TEST(status_that_somebody_else_took_is_255)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exit 0");

        ck_assert_int_eq(waitpid(pen_process_pid(p), NULL, 0), pen_process_pid(p));
        assert_exited(status_of(p), 255);
        return 0;
}

static int sleep_beside_a_child(void *arg)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("sleep 0.02; exit 4");
        int status;

        (void)arg;
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_int_eq(pen_process_wait_nowait(p, &status), 0);
        assert_exited(status, 4);
        return 0;
}

START_TEST(virtual_clock_stands_still_while_a_child_runs)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL };

        ck_assert_int_eq(pen_run_with(&options, sleep_beside_a_child, NULL), 0);
}
END_TEST

/* --- communicate ------------------------------------------------------------------------------ */

TASK_TEST(input_and_both_outputs_pass)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("cat; echo no >&2; exit 9");
        struct pen_process_capture out = { .max = 100 }, err = { .max = 100 };
        int status;

        ck_assert_int_eq(pen_process_communicate(p, "a\0b", 3, &out, &err, &status), 0);
        assert_exited(status, 9);
        ck_assert_uint_eq(out.size, 3);
        ck_assert_mem_eq(out.data, "a\0b\0", 4);
        ck_assert_str_eq(err.data, "no\n");
        ck_assert(!out.cut && !err.cut);
        free(out.data);
        free(err.data);
        return 0;
}

TASK_TEST(what_is_not_piped_is_null_and_the_second_time_all_is)
{
        struct pen_process_options options = SHELL("echo out");
        struct pen_process_capture out = { .max = 100 }, err = { .max = 100 };
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        int status;

        options.in = options.err = PEN_STDIO_NULL;
        p = spawn(&options);
        ck_assert_int_eq(pen_process_communicate(p, "x", 1, &out, &err, &status), -EINVAL);
        ck_assert_int_eq(pen_process_communicate(p, NULL, 0, &out, &err, &status), 0);
        ck_assert_str_eq(out.data, "out\n");
        ck_assert_ptr_null(err.data);
        free(out.data);
        ck_assert_int_eq(pen_process_communicate(p, NULL, 0, &out, &err, &status), 0);
        ck_assert_ptr_null(out.data);
        assert_exited(status, 0);
        ck_assert_int_eq(pen_process_take_fd(p, 1), -EBADF);
        return 0;
}

static char *a_megabyte(void)
{
        char *data = malloc(1 << 20);

        for (int i = 0; i < 1 << 20; i++)
                data[i] = (char)(i * 31 + i / 4096);
        return data;
}

TASK_TEST(large_input_comes_out_again)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("cat");
        PEN_CLEANUP(freep) char *data = a_megabyte();
        struct pen_process_capture out = { .max = (size_t)2 << 20 };
        int status;

        ck_assert_int_eq(pen_process_communicate(p, data, 1 << 20, &out, NULL, &status), 0);
        assert_exited(status, 0);
        ck_assert_uint_eq(out.size, 1 << 20);
        ck_assert(memcmp(out.data, data, 1 << 20) == 0);
        free(out.data);
        return 0;
}

TASK_TEST(input_that_is_not_read_is_no_error)
{
        PEN_CLEANUP(freep) char *data = a_megabyte();
        static const char *const scripts[] = { "exit 3", "exec <&-; read x </dev/null; exit 3",
                                               "head -c 10 >/dev/null; exit 3" };
        int status;

        for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
                PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell(scripts[i]);

                ck_assert_int_eq(pen_process_communicate(p, data, 1 << 20, NULL, NULL, &status), 0);
                assert_exited(status, 3);
        }
        return 0;
}

/* 10 MB to both outputs. */
static void capture_much(struct pen_process_capture *out, struct pen_process_capture *err)
{
        PEN_CLEANUP(pen_process_freep)
        struct pen_process *p = shell("seq 1000000 2300000 & seq 1000000 2300000 >&2; wait");
        int status;

        ck_assert_int_eq(pen_process_communicate(p, NULL, 0, out, err, &status), 0);
        assert_exited(status, 0);
}

TASK_TEST(much_output_is_cut_at_either_end)
{
        struct pen_process_capture out = { .max = 12 }, err = { .max = 12, .tail = true };

        capture_much(&out, &err);
        ck_assert_str_eq(out.data, "1000000\n1000");
        ck_assert_str_eq(err.data, "999\n2300000\n");
        ck_assert(out.cut && err.cut);
        free(out.data);
        free(err.data);

        out.max = 0;
        err = (struct pen_process_capture){ .max = (size_t)1 << 17, .tail = true };
        capture_much(&out, &err);
        ck_assert_str_eq(out.data, "");
        ck_assert(out.cut && err.cut);
        ck_assert_uint_eq(err.size, 1 << 17);
        ck_assert(strncmp(err.data, "2283617\n", 8) == 0); /* the last 1 << 14 lines */
        free(out.data);
        free(err.data);
        return 0;
}

TASK_TEST(output_of_exactly_the_limit_is_not_cut)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("echo abc; echo abc >&2");
        struct pen_process_capture out = { .max = 4 }, err = { .max = 4, .tail = true };
        int status;

        ck_assert_int_eq(pen_process_communicate(p, NULL, 0, &out, &err, &status), 0);
        ck_assert_str_eq(out.data, "abc\n");
        ck_assert_str_eq(err.data, "abc\n");
        ck_assert(!out.cut && !err.cut);
        free(out.data);
        free(err.data);
        return 0;
}

TASK_TEST(grandchild_that_keeps_the_pipes_delays_nothing)
{
        static const char *const scripts[] = { "sleep 100 & echo a", "yes & yes >&2 & echo a" };
        int status;

        adopt_orphans();
        for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
                PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell(scripts[i]);
                struct pen_process_capture out = { .max = (size_t)1 << 30 }, err = { .max = 4 };

                ck_assert_int_eq(pen_process_communicate(p, NULL, 0, &out, &err, &status), 0);
                assert_exited(status, 0);
                ck_assert_ptr_nonnull(strstr(out.data, "a\n"));
                free(out.data);
                free(err.data);
                kill(-pen_process_pid(p), SIGKILL); /* what was left behind is left alone */
                reap_group(pen_process_pid(p));
        }
        return 0;
}

static int communicate_in_task(void *process)
{
        PEN_CLEANUP(freep) char *data = a_megabyte();
        struct pen_process_capture out = { .max = 100 };
        int status, r;

        r = pen_process_communicate(process, data, 1 << 20, &out, NULL, &status);
        ck_assert_ptr_null(out.data);
        return r;
}

TASK_TEST(cancelled_communicate_leaves_the_child_running)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("echo a; read x; sleep 100");
        int in;

        ck_assert_int_eq(pen_within(20 * PEN_MSEC, communicate_in_task, p), -ETIME);
        ck_assert_int_eq(pen_process_signal(p, 0), 0);
        in = pen_process_take_fd(p, 0); /* still open: the child would take its end for all */
        ck_assert_int_ge(in, 0);
        close(in);
        return 0;
}

TASK_TEST(cancellation_before_communicate_is_met_there)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("true");
        struct pen_process_capture out = { .max = 100 };
        int status;

        assert_exited(status_of(p), 0);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_process_communicate(p, "x", 1, &out, NULL, &status), -ECANCELED);
        ck_assert_ptr_null(out.data);
        ck_assert_int_eq(pen_process_communicate(p, "x", 1, &out, NULL, &status), 0);
        free(out.data);
        return 0;
}

/* --- talking through streams ----------------------------------------------------------------- */

static struct pen_stream *stream_of(struct pen_process *p, int number)
{
        struct pen_stream *s;

        ck_assert_int_eq(pen_stream_from_fd(pen_process_take_fd(p, number), &s), 0);
        return s;
}

TASK_TEST(child_is_talked_with_line_by_line)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exec cat");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *in = stream_of(p, 0);
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *out = stream_of(p, 1);
        char *line;

        for (int i = 0; i < 10; i++) {
                ck_assert_int_eq(pen_stream_write(in, "hello\n", 6), 0);
                ck_assert_int_eq((int)pen_stream_read_line(out, 100, &line), 6);
                ck_assert_int_eq(memcmp(line, "hello\n", 6), 0);
        }
        ck_assert_int_eq(pen_stream_shutdown(in), 0);
        ck_assert_int_eq((int)pen_stream_read_line(out, 100, &line), 0);
        assert_exited(status_of(p), 0);
        return 0;
}

TASK_TEST(output_can_be_read_after_the_end)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("echo last words; exit 3");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *out = stream_of(p, 1);
        char *line;

        assert_exited(status_of(p), 3);
        ck_assert_int_eq((int)pen_stream_read_line(out, 100, &line), 11);
        ck_assert_int_eq((int)pen_stream_read_line(out, 100, &line), 0);
        return 0;
}

TASK_TEST(child_that_has_ended_takes_no_more_input)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exit 0");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *in = stream_of(p, 0);

        assert_exited(status_of(p), 0);
        ck_assert_int_eq(pen_stream_write(in, "hello\n", 6), 0);
        ck_assert_int_eq(pen_stream_drain(in), -EPIPE);
        return 0;
}

static int run_in_thread(__attribute__((__unused__)) void *arg)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exec cat");
        struct pen_process_capture out = { .max = 100 };
        int status;

        ck_assert_int_eq(pen_process_communicate(p, "hello", 5, &out, NULL, &status), 0);
        ck_assert_str_eq(out.data, "hello");
        free(out.data);
        return status;
}

static void *thread_main(void *arg)
{
        return (void *)(intptr_t)pen_run(run_in_thread, arg);
}

START_TEST(loop_in_any_thread_has_its_own_children)
{
        pthread_t threads[4];
        void *r;

        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                ck_assert_int_eq(pthread_join(threads[i], &r), 0);
                ck_assert_ptr_null(r);
        }
}
END_TEST

/* --- ending it -------------------------------------------------------------------------------- */

TASK_TEST(child_that_obeys_term_is_not_killed)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        int out;

        p = ready_shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", &out);
        pen_process_terminate(p, DEADLINE);
        assert_exited(status_of(p), 7);
        pen_process_terminate(p, DEADLINE); /* does nothing */
        close(out);
        return 0;
}

TASK_TEST(child_that_ignores_term_is_killed_after_the_grace)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        pen_usec start;
        int out;

        p = ready_shell("trap '' TERM; echo ready; while :; do sleep 100; done", &out);
        start = real_now();
        pen_process_terminate(p, 100 * PEN_MSEC);
        ck_assert_uint_ge(real_now() - start, 100 * PEN_MSEC);
        assert_killed_by(status_of(p), SIGKILL);
        close(out);
        return 0;
}

static int terminate_stubborn_child(void *arg)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        int out;

        (void)arg;
        p = ready_shell("trap '' TERM; echo ready; while :; do sleep 100; done", &out);
        pen_process_terminate(p, 50 * PEN_MSEC);
        assert_killed_by(status_of(p), SIGKILL);
        close(out);
        return 0;
}

START_TEST(grace_ends_though_the_virtual_clock_stands_still)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL };

        ck_assert_int_eq(pen_run_with(&options, terminate_stubborn_child, NULL), 0);
}
END_TEST

TASK_TEST(grandchild_has_the_grace_as_well)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        int out;

        adopt_orphans();
        p = ready_shell("(trap 'sleep 0.1; echo cleaned; exit 0' TERM; echo ready;"
                        " while :; do sleep 0.01; done) & wait",
                        &out);
        pen_process_terminate(p, 100 * PEN_MSEC + DEADLINE);
        assert_killed_by(status_of(p), SIGTERM);
        expect(out, "cleaned");
        reap_group(pen_process_pid(p));
        close(out);
        return 0;
}

static int communicate_and_terminate(void *process)
{
        int status, r = pen_process_communicate(process, NULL, 0, NULL, NULL, &status);

        pen_process_terminate(process, 100 * PEN_MSEC);
        return r;
}

TASK_TEST(cancelled_communicate_and_terminate_end_the_whole_group)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = NULL;
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *task = NULL;
        int out, result;

        adopt_orphans();
        p = ready_shell("(trap '' TERM; echo ready; exec sleep 100) & wait", &out);
        ck_assert_int_eq(pen_spawn(communicate_and_terminate, p, &task), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(task);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(task); /* stays pending: terminate is not interrupted */
        ck_assert_int_eq(pen_await(task, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        assert_killed_by(status_of(p), SIGTERM);
        assert_killed_by(reap_group(pen_process_pid(p)), SIGKILL);
        close(out);
        return 0;
}

TASK_TEST(free_kills_the_group_and_reaps)
{
        struct pen_process *p;
        pid_t pid;
        int out;

        adopt_orphans();
        p = ready_shell("trap '' TERM; sleep 100 & echo ready; wait", &out);
        pid = pen_process_pid(p);
        pen_process_free(p);
        ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        assert_killed_by(reap_group(pid), SIGKILL);
        close(out);
        pen_process_free(NULL);
        return 0;
}

static void free_process(void *process)
{
        pen_process_free(process);
}

TASK_TEST(free_reaps_on_the_loops_own_stack_too)
{
        struct pen_process *p = shell("sleep 100");
        pid_t pid = pen_process_pid(p);

        ck_assert_int_eq(pen_call_threadsafe(pen_loop_current(), free_process, p), 0);
        while (kill(pid, 0) == 0)
                ck_assert_int_eq(pen_yield(), 0);
        return 0;
}

static int spawn_in_cancelled_scope(void *arg)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("sleep 100");
        int status;

        *(pid_t *)arg = pen_process_pid(p);
        return pen_process_wait(p, &status);
}

TASK_TEST(child_ends_with_its_scope)
{
        pid_t pid = 0;

        ck_assert_int_eq(pen_within(10 * PEN_MSEC, spawn_in_cancelled_scope, &pid), -ETIME);
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(kill(pid, 0), -1);
        ck_assert_int_eq(errno, ESRCH);
        return 0;
}

static int spawn_and_tell(void *fd)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *p = shell("exec sleep 100");
        pid_t pid = pen_process_pid(p);

        ck_assert_int_eq((int)write(*(int *)fd, &pid, sizeof(pid)), (int)sizeof(pid));
        return pen_sleep(PEN_FOREVER);
}

static int reap_in_task(void *pid)
{
        assert_killed_by(reap_group(*(pid_t *)pid), SIGKILL);
        return 0;
}

START_TEST(child_does_not_survive_its_parent)
{
        pid_t parent, child;
        int fds[2];

        adopt_orphans();
        ck_assert_int_eq(pipe(fds), 0);
        parent = fork();
        if (parent == 0)
                _exit(pen_run(spawn_and_tell, &fds[1]) < 0);
        close(fds[1]);
        ck_assert_int_eq((int)read(fds[0], &child, sizeof(child)), (int)sizeof(child));
        kill(parent, SIGKILL);
        ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
        ck_assert_int_eq(pen_run(reap_in_task, &child), 0);
        close(fds[0]);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

static int echo_number(void *number)
{
        PEN_CLEANUP(pen_process_freep)
        struct pen_process *p = shell("read x; echo \"got $x\"; exit $x");
        struct pen_process_capture out = { .max = 100 }, err = { .max = 100 };
        char input[16], expected[32];
        int status;

        snprintf(input, sizeof(input), "%d\n", *(int *)number);
        snprintf(expected, sizeof(expected), "got %s", input);
        ck_assert_int_eq(pen_process_communicate(p, input, strlen(input), &out, &err, &status), 0);
        ck_assert_str_eq(out.data, expected);
        assert_exited(status, *(int *)number);
        free(out.data);
        free(err.data);
        return 0;
}

TASK_TEST(two_hundred_at_once_are_kept_apart)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int numbers[200];

        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < 200; i++) {
                numbers[i] = i;
                ck_assert_int_eq(pen_group_spawn(group, NULL, echo_number, &numbers[i], NULL), 0);
        }
        ck_assert_int_eq(pen_group_join(group), 0);
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "process", child_has_no_descriptor_but_three,
                child_has_default_signals_whatever_ours_are, child_leads_a_group_of_its_own,
                child_gets_the_environment_and_directory_it_is_given,
                null_is_the_default_for_all_three, pipes_come_right_though_our_own_three_are_closed,
                loop_ignores_sigpipe, loop_leaves_a_handler_of_sigpipe_alone,
                end_is_told_by_a_pidfd_where_there_is_one, exits_and_signals_are_told_apart,
                core_dump_is_told, what_cannot_be_executed_is_told_at_once,
                argument_that_is_too_long_is_told, lack_of_descriptors_is_told_and_leaks_none,
                no_loop_no_child, several_may_wait_and_again,
                signal_reaches_the_child_until_it_has_ended, status_that_somebody_else_took_is_255,
                virtual_clock_stands_still_while_a_child_runs, input_and_both_outputs_pass,
                what_is_not_piped_is_null_and_the_second_time_all_is, large_input_comes_out_again,
                input_that_is_not_read_is_no_error, much_output_is_cut_at_either_end,
                output_of_exactly_the_limit_is_not_cut,
                grandchild_that_keeps_the_pipes_delays_nothing, child_is_talked_with_line_by_line,
                output_can_be_read_after_the_end, child_that_has_ended_takes_no_more_input,
                loop_in_any_thread_has_its_own_children,
                cancelled_communicate_leaves_the_child_running,
                cancellation_before_communicate_is_met_there, child_that_obeys_term_is_not_killed,
                child_that_ignores_term_is_killed_after_the_grace,
                grace_ends_though_the_virtual_clock_stands_still, grandchild_has_the_grace_as_well,
                cancelled_communicate_and_terminate_end_the_whole_group,
                free_kills_the_group_and_reaps, free_reaps_on_the_loops_own_stack_too,
                child_ends_with_its_scope, child_does_not_survive_its_parent,
                two_hundred_at_once_are_kept_apart);
}
