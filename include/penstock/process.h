/* Child processes: asyncio.create_subprocess_exec and communicate.
 *
 * A child gets its own process group, default signal dispositions and an empty signal mask, no
 * descriptor but 0, 1 and 2, and no shell. It is killed with its scope: pen_process_free kills
 * the group and reaps the child. It is killed too when the thread that spawned it dies, the loop's,
 * so that it does not run on without us; what it has started itself is not, and set-user-ID
 * programs are not. C differs: asyncio lets a child outlive its object. The virtual clock stands
 * still while a child runs.
 *
 * Its end is told by a pidfd where the kernel has those (Linux 5.3), elsewhere by a thread a child.
 * Nothing else in the process may reap it (by waitpid(-1), or SIGCHLD ignored): its status is lost
 * then, and taken to be exit 255.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_process;

enum pen_process_stdio {
        PEN_STDIO_NULL = 0, /* /dev/null */
        PEN_STDIO_PIPE,     /* a pipe to us, non-blocking on our side */
        PEN_STDIO_INHERIT,  /* ours */
};

struct pen_process_options {
        const char *const *argv; /* NULL-terminated; argv[0] is a path, not looked up in PATH */
        const char *const *env;  /* NULL-terminated; NULL: ours */
        const char *cwd;         /* NULL: ours */
        enum pen_process_stdio in, out, err;
        uint64_t max_fds; /* its soft limit of descriptors, if below ours; 0: ours */
};

/* Returns when the program runs; blocks the loop until then (well below a millisecond, no matter
 * how much memory we have).
 * -ENOENT, -EACCES, -E2BIG, …: what the child met when it went to `cwd` and tried to execute.
 * -EAGAIN: no more processes.  -EMFILE, -ENFILE, -ENOMEM.  -ENXIO. */
int pen_process_spawn(const struct pen_process_options *options, struct pen_process **ret_process);

pid_t pen_process_pid(const struct pen_process *process);

/* Hands over our end of the pipe to the child's 0, 1 or 2, non-blocking: the caller closes it.
 * For long talks, by pen_stream_from_fd. -EBADF: there is none (any more). */
int pen_process_take_fd(struct pen_process *process, int number);

/* Waits for the end and answers the status as waitpid has it (W* macros). May be called again. */
PEN_ASYNC int pen_process_wait(struct pen_process *process, int *ret_status);
int pen_process_wait_nowait(struct pen_process *process, int *ret_status); /* -EAGAIN */

/* To the child's whole group. -ESRCH: it has ended.  -EINVAL: no such signal. */
int pen_process_signal(struct pen_process *process, int signo);

/* What `communicate` keeps of an output. The rest is read and dropped. */
struct pen_process_capture {
        size_t max; /* bytes */
        bool tail;  /* the last ones instead of the first */
        char *data; /* malloc'ed, a NUL byte behind it; the caller frees it. NULL: not piped */
        size_t size;
        bool cut; /* there was more */
};

/* Writes `input` to the child's stdin and closes that, reads stdout and stderr, waits for the end.
 * A child that does not read its input is no error. C differs: a grandchild that keeps a pipe open
 * does not delay the answer; once the child has ended only what is already in the pipes is read.
 * `out`, `err` may be NULL: what comes is dropped.
 * -EINVAL: input, and stdin is no pipe (any more).  -ENOMEM: the child may still run.
 * Cancelled: -ECANCELED, nothing is captured, the child runs on: signal it and wait, or free it.
 * Its pipes stay open until then, lest it take a part of its input for all of it.
 */
PEN_ASYNC int pen_process_communicate(struct pen_process *process, const void *input, size_t size,
                                      struct pen_process_capture *out,
                                      struct pen_process_capture *err, int *ret_status);

/* Asks with TERM, then insists with KILL once `grace` (of real time) is over, both to the group;
 * returns when the child has been reaped, and the rest of its group has gone or been killed. Does
 * nothing if the child has ended before. Uninterruptible: a cancellation stays pending. */
void pen_process_terminate(struct pen_process *process, pen_usec grace);

/* Kills the group if the child has not ended, and reaps it (short: a kill cannot be refused, save
 * by a program that has changed its user). A task waits for that; outside of one it blocks. */
void pen_process_free(struct pen_process *process);
void pen_process_freep(struct pen_process **process);

PEN_END_DECLS
