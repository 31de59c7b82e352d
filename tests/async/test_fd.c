#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <penstock/fd.h>
#include <penstock/timeout.h>

#define RUN(test, fn)                                       \
        START_TEST(test)                                    \
        {                                                   \
                ck_assert_int_eq(run_virtual(fn, NULL), 1); \
        }                                                   \
        END_TEST

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

static int finish(struct pen_task *t)
{
        int result;

        ck_assert_int_eq(pen_await(t, &result), 0);
        pen_task_unref(t);
        return result;
}

static int write_later(void *fd)
{
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        return (int)write(*(int *)fd, "x", 1);
}

static int drain(void *fd)
{
        char bytes[4096];

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        while (read(*(int *)fd, bytes, sizeof(bytes)) > 0)
                ;
        return 1;
}

static int use_pipe(void *arg)
{
        struct pen_task *t;
        char bytes[4096] = { 0 };
        int fds[2];

        (void)arg;
        ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        t = spawn(write_later, &fds[1]);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE), PEN_READABLE);
        ck_assert_uint_eq(pen_now(), PEN_HOUR);
        ck_assert_int_eq(finish(t), 1);
        ck_assert_int_eq((int)read(fds[0], bytes, sizeof(bytes)), 1);

        ck_assert_int_eq(pen_fd_wait(fds[1], PEN_WRITABLE), PEN_WRITABLE);
        ck_assert_uint_eq(pen_now(), PEN_HOUR);
        while (write(fds[1], bytes, sizeof(bytes)) > 0)
                ;
        t = spawn(drain, &fds[0]);
        ck_assert_int_eq(pen_fd_wait(fds[1], PEN_WRITABLE), PEN_WRITABLE);
        ck_assert_uint_eq(pen_now(), 2 * PEN_HOUR);
        ck_assert_int_eq(finish(t), 1);

        close(fds[1]); /* a hang-up is for reading to tell */
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE), PEN_READABLE);
        ck_assert_int_eq((int)read(fds[0], bytes, sizeof(bytes)), 0);
        close(fds[0]);
        return 1;
}
RUN(pipe_is_waited_for_at_both_ends, use_pipe)

static int use_socket(void *arg)
{
        struct pen_task *t;
        char byte;
        int fds[2];

        (void)arg;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE | PEN_WRITABLE), PEN_WRITABLE);
        t = spawn(write_later, &fds[1]);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE), PEN_READABLE);
        ck_assert_int_eq(finish(t), 1);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE | PEN_WRITABLE),
                         PEN_READABLE | PEN_WRITABLE);
        ck_assert_int_eq((int)read(fds[0], &byte, 1), 1);
        close(fds[0]);
        close(fds[1]);
        return 1;
}
RUN(wait_answers_which_of_the_events_it_was, use_socket)

static int wait_readable(void *fd)
{
        return pen_fd_wait(*(int *)fd, PEN_READABLE);
}

static int wait_writable(void *fd)
{
        return pen_fd_wait(*(int *)fd, PEN_WRITABLE);
}

static int share_fd(void *arg)
{
        struct pen_task *reader, *writer;
        char bytes[4096] = { 0 };
        int fds[2];

        (void)arg;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        while (write(fds[0], bytes, sizeof(bytes)) > 0)
                ;
        reader = spawn(wait_readable, &fds[0]);
        writer = spawn(wait_writable, &fds[0]);
        ck_assert_int_eq(finish(spawn(drain, &fds[1])), 1);
        ck_assert_int_eq(finish(writer), PEN_WRITABLE);
        ck_assert(!pen_task_done(reader));
        ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
        ck_assert_int_eq(finish(reader), PEN_READABLE);
        close(fds[0]);
        close(fds[1]);
        return 1;
}
RUN(reader_and_writer_share_an_fd, share_fd)

static int cancel_wait(void *arg)
{
        struct pen_timeout scope;
        struct pen_task *t;
        int fds[2];

        (void)arg;
        ck_assert_int_eq(pipe(fds), 0);
        t = spawn(wait_readable, &fds[0]);
        ck_assert_int_eq(pen_sleep(1), 0);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);

        pen_timeout_begin(&scope, PEN_HOUR);
        ck_assert_int_eq(pen_timeout_end(&scope, wait_readable(&fds[0])), -ETIME);
        ck_assert_uint_eq(pen_now(), PEN_HOUR + 1);

        ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
        ck_assert_int_eq(wait_readable(&fds[0]), PEN_READABLE);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(wait_readable(&fds[0]), -ECANCELED);
        close(fds[0]);
        close(fds[1]);
        return 1;
}
RUN(cancelled_wait_leaves_the_fd_usable, cancel_wait)

static int wait_for_odd_ones(void *arg)
{
        FILE *file = tmpfile();
        int fds[2];

        (void)arg;
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(pen_fd_wait(fileno(file), PEN_READABLE), -EPERM);
        fclose(file);
        ck_assert_int_eq(pen_fd_wait(-1, PEN_READABLE), -EBADF);
        ck_assert_int_eq(pipe(fds), 0);
        close(fds[0]);
        close(fds[1]);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE), -EBADF);
        ck_assert_int_eq(pen_sleep(1), 0);
        return 1;
}
RUN(what_cannot_be_waited_for_is_told, wait_for_odd_ones)

START_TEST(fd_cannot_be_waited_for_by_the_root)
{
        PEN_CLEANUP(world_deinit) struct world w;
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        world_init(&w);
        ck_assert_int_eq(pen_fd_wait(fds[0], PEN_READABLE), -EDEADLK);
        ck_assert_uint_eq(w.loop->n_events, 0);
        close(fds[0]);
        close(fds[1]);
}
END_TEST

/* --- signals ---------------------------------------------------------------------------------- */

static const int both[] = { SIGUSR1, SIGUSR2 };

static int raise_later(void *number)
{
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        return raise(*(const int *)number);
}

static int wait_for_signals(void *arg)
{
        struct pen_timeout scope;
        struct pen_task *t = spawn(raise_later, (void *)&both[1]);

        (void)arg;
        ck_assert_int_eq(pen_signal_wait(both, 2), SIGUSR2);
        ck_assert_uint_eq(pen_now(), PEN_HOUR);
        ck_assert_int_eq(finish(t), 0);

        raise(SIGUSR1); /* nobody waits: kept, once */
        raise(SIGUSR1);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_int_eq(pen_signal_wait(both, 2), SIGUSR1);
        pen_timeout_begin(&scope, PEN_HOUR);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_signal_wait(both, 2)), -ETIME);

        raise(SIGUSR1); /* not asked for, and not lost */
        raise(SIGUSR2);
        ck_assert_int_eq(pen_signal_wait(&both[1], 1), SIGUSR2);
        ck_assert_int_eq(pen_signal_wait(&both[0], 1), SIGUSR1);
        return 1;
}

START_TEST(signals_are_waited_for_and_kept_until_the_loop_ends)
{
        struct sigaction action;

        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(run_virtual(wait_for_signals, NULL), 1);
                ck_assert_int_eq(sigaction(SIGUSR1, NULL, &action), 0);
                ck_assert(action.sa_handler == SIG_DFL);
        }
}
END_TEST

static int wait_for_usr1(void *arg)
{
        (void)arg;
        return pen_signal_wait(both, 1);
}

static int cancel_signal_wait(void *arg)
{
        struct pen_task *t = spawn(wait_for_usr1, arg);

        ck_assert_int_eq(pen_sleep(1), 0);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        raise(SIGUSR1);
        ck_assert_int_eq(wait_for_usr1(arg), SIGUSR1);

        t = spawn(wait_for_usr1, arg);
        ck_assert_int_eq(pen_sleep(1), 0);
        raise(SIGUSR1); /* at the same moment */
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        ck_assert_int_eq(wait_for_usr1(arg), SIGUSR1);
        return 1;
}
RUN(cancelled_wait_for_a_signal_loses_none, cancel_signal_wait)

static int wait_for_wrong_signals(void *arg)
{
        static const int wrong[] = { SIGKILL, SIGSTOP, 0, -1, 9999 };

        (void)arg;
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                ck_assert_int_eq(pen_signal_wait(&wrong[i], 1), -EINVAL);
        return 1;
}
RUN(signal_that_cannot_be_caught_is_refused, wait_for_wrong_signals)

int main(void)
{
        return RUN_SUITE(
                "fd", pipe_is_waited_for_at_both_ends, wait_answers_which_of_the_events_it_was,
                reader_and_writer_share_an_fd, cancelled_wait_leaves_the_fd_usable,
                what_cannot_be_waited_for_is_told, fd_cannot_be_waited_for_by_the_root,
                signals_are_waited_for_and_kept_until_the_loop_ends,
                cancelled_wait_for_a_signal_loses_none, signal_that_cannot_be_caught_is_refused);
}
