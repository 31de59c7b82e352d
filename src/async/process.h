/* What the three files of child processes share. */
#pragma once

#include <event2/event_struct.h>
#include <signal.h>
#include <unistd.h>

#include <base/list.h>
#include <penstock/process.h>

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

static inline void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

/* Makes the child and waits until it executes the program. ret_stdio gets our ends of the pipes, -1
 * elsewhere; on failure too, for the caller to close. -errno, as pen_process_spawn. */
int process_start(const struct pen_process_options *options, int ret_stdio[3], pid_t *ret_pid);

int process_make_pipe(int *ret_read, int *ret_write); /* both close on execution */

/* waitpid, without its interruptions. */
pid_t process_wait_for(pid_t pid, int *ret_status, int flags);

void process_block_signals(sigset_t *ret_before);
