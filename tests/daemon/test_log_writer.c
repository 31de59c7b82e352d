#include "../in_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <daemon/log_writer.h>

#define MANY 5000 /* more than a pipe takes, and less than the buffer */

static struct pen_task *start_writer(int fd)
{
        struct pen_task *writer;

        log_setup(LOG_INFO, LOG_LOGFMT, fd);
        ck_assert_int_eq(pen_spawn(log_writer_run, NULL, &writer), 0);
        ck_assert_int_eq(pen_yield(), 0);
        return writer;
}

static void stop_writer(struct pen_task *writer)
{
        int result;

        pen_task_cancel(writer);
        ck_assert_int_eq(pen_await(writer, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        pen_task_unref(writer);
        log_close();
}

static void say(unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                LOG(LOG_INFO, "n", F_UINT("i", i));
}

static unsigned count_lines(const char *text, ssize_t size)
{
        unsigned n = 0;

        for (ssize_t i = 0; i < size; i++)
                n += text[i] == '\n';
        return n;
}

static int say_one(void *arg)
{
        (void)arg;
        say(1);
        return 0;
}

/* Each packet is one write. */
IN_VIRTUAL_LOOP(what_is_said_in_a_turn_is_written_at_its_end_and_at_once)
{
        static char packet[65536];
        struct pen_task *writer;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
        writer = start_writer(fds[1]);
        say(1);
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(pen_spawn(say_one, NULL, NULL), 0);
        say(2);
        ck_assert_int_eq((int)read(fds[0], packet, sizeof(packet)), -1);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(count_lines(packet, read(fds[0], packet, sizeof(packet))), 8);
        ck_assert_int_eq((int)read(fds[0], packet, sizeof(packet)), -1);

        say(1);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(count_lines(packet, read(fds[0], packet, sizeof(packet))), 1);
        stop_writer(writer);
        close(fds[0]);
        close(fds[1]);
        return 0;
}

IN_VIRTUAL_LOOP(what_was_said_before_it_began_is_written)
{
        int fd = memfd_create("log", MFD_CLOEXEC);
        struct pen_task *writer;
        char text[1000];

        log_setup(LOG_INFO, LOG_LOGFMT, fd);
        log_on_pending(free, NULL); /* nobody moves it on */
        say(3);
        ck_assert(log_pending());
        writer = start_writer(fd);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(count_lines(text, pread(fd, text, sizeof(text), 0)), 3);
        stop_writer(writer);
        close(fd);
        return 0;
}

IN_VIRTUAL_LOOP(a_slow_reader_holds_up_nobody_and_gets_all)
{
        static char text[65536];
        struct pen_task *writer;
        unsigned lines = 0;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        fcntl(fds[0], F_SETFL, O_NONBLOCK); /* our end of it: the other one waits */
        writer = start_writer(fds[1]);
        say(MANY);
        while (lines < MANY) {
                ssize_t n;

                ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
                n = read(fds[0], text, sizeof(text));
                ck_assert_int_gt((int)n, 0);
                lines += count_lines(text, n);
        }
        ck_assert_uint_eq(lines, MANY);
        ck_assert_uint_gt(pen_now(), 3 * PEN_HOUR);
        ck_assert_uint_eq(log_dropped(), 0);
        stop_writer(writer);
        close(fds[0]);
        close(fds[1]);
        return 0;
}

IN_VIRTUAL_LOOP(a_reader_that_goes_away_costs_its_lines_alone)
{
        struct pen_task *writer;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        writer = start_writer(fds[1]);
        say(MANY);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0); /* it waits for the reader, */
        ck_assert(log_pending());
        close(fds[0]); /* who goes */
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert(!log_pending());
        ck_assert_uint_gt(log_dropped(), 0);
        ck_assert_uint_lt(log_dropped(), MANY);
        for (uint64_t i = 0, before = log_dropped(); i < 10; i++) {
                ck_assert_uint_eq(log_dropped(), before + i);
                say(1);
                ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        }
        ck_assert(!pen_task_done(writer));
        stop_writer(writer);
        close(fds[1]);
        return 0;
}

IN_VIRTUAL_LOOP(without_the_writer_each_event_is_written_when_it_is_said)
{
        int fd = memfd_create("log", MFD_CLOEXEC), result;
        struct pen_task *writer;
        char text[1000];

        writer = start_writer(fd);
        say(1); /* and it is cancelled before it could write this */
        pen_task_cancel(writer);
        ck_assert_int_eq(pen_await(writer, &result), 0);
        ck_assert_uint_eq(count_lines(text, pread(fd, text, sizeof(text), 0)), 1);
        say(1);
        ck_assert_uint_eq(count_lines(text, pread(fd, text, sizeof(text), 0)), 2);
        pen_task_unref(writer);
        log_close();
        close(fd);
        return 0;
}

IN_VIRTUAL_LOOP(cancelling_it_while_the_reader_is_slow_ends_it)
{
        struct pen_task *writer;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        writer = start_writer(fds[1]);
        say(MANY);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        stop_writer(writer);
        close(fds[0]);
        close(fds[1]);
        return 0;
}

int main(void)
{
        return RUN_SUITE("log_writer", what_is_said_in_a_turn_is_written_at_its_end_and_at_once,
                         what_was_said_before_it_began_is_written,
                         a_slow_reader_holds_up_nobody_and_gets_all,
                         a_reader_that_goes_away_costs_its_lines_alone,
                         without_the_writer_each_event_is_written_when_it_is_said,
                         cancelling_it_while_the_reader_is_slow_ends_it);
}
