/* Servers that die or fall silent. The silent are of our own, so that the virtual clock tells when what happens. */
#include "redis_link.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <penstock/loop.h>
#include <penstock/sync.h>

static int send_error;

ssize_t send(int fd, const void *data, size_t size, int flags)
{
        if (send_error) {
                errno = send_error;
                send_error = 0;
                return -1;
        }
        return sendto(fd, data, size, flags, NULL, 0);
}

/* --- a real server ------------------------------------------------------------------------------ */

struct load {
        struct link *link;
        unsigned resets, answers;
        bool stop;
};

static int ask_on_and_on(void *arg)
{
        struct load *load = arg;
        int r;

        while (!load->stop) {
                r = ask(load->link->redis, "PING", NULL);
                ck_assert(r == 0 || r == -ECONNRESET);
                load->resets += r < 0;
                load->answers += r == 0;
        }
        return 0;
}

static void wait_for_answers(struct load *load, unsigned n)
{
        for (n += load->answers; load->answers < n;)
                ck_assert_int_eq(pen_yield(), 0);
}

/* All have asked, and none will be answered. */
static void pause_under_load(struct redis_server *s, struct load *load)
{
        unsigned answers;

        redis_server_pause(s);
        do {
                answers = load->answers;
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        } while (load->answers != answers);
}

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

IN_LOOP(a_killed_server_comes_back_and_work_goes_on_by_itself)
{
        SERVER(s);
        LINK_TO(l, s);
        struct load load = { .link = &l };
        struct pen_task *tasks[100];
        size_t fds;

        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                tasks[i] = spawn(ask_on_and_on, &load);
        wait_for_answers(&load, 1000);
        fds = count_fds();
        for (unsigned i = 1; i <= 3; i++) {
                load.resets = 0;
                pause_under_load(s, &load);
                redis_server_kill(s);
                link_wait_down(&l, l.downs + 1);
                ck_assert(!redis_is_up(l.redis));
                ck_assert_int_eq(redis_client_id(l.redis), 0);
                ck_assert_int_eq(pen_sleep(0), 0);
                ck_assert_uint_eq(load.resets, 100); /* each of them once: none spins */
                redis_server_restart(s);
                wait_for_answers(&load, 1000);
                ck_assert_uint_eq(redis_epoch(l.redis), i + 1);
                ck_assert_uint_eq(l.ups, i + 1);
                ck_assert_uint_eq(load.resets, 100);
        }
        ck_assert_uint_eq(count_fds(), fds);
        load.stop = true;
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(finish(tasks[i]), 0);
        return 0;
}

IN_LOOP(a_server_that_answers_no_more_is_left)
{
        SERVER(s);
        LINK(l, .target.address = redis_server_address(s), .reply_timeout = 100 * PEN_MSEC);

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        redis_server_pause(s);
        ck_assert_int_eq(ask(l.redis, "INCR n", NULL), -ECONNRESET);
        ck_assert_ptr_nonnull(strstr(l.error, "no answer for 100 ms"));
        redis_server_resume(s);
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

/* Not the server stood still, but we: before the command left, or after. */
IN_LOOP(our_own_stall_is_not_the_servers_silence)
{
        SERVER(s);
        LINK(l, .target.address = redis_server_address(s), .reply_timeout = 400 * PEN_MSEC);
        struct timespec stall = { .tv_nsec = 800 * 1000000 };
        struct redis_call *call;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        for (int i = 0; i < 2; i++) {
                call = send_words(l.redis, "PING");
                if (i == 1)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
                nanosleep(&stall, NULL);
                ck_assert_int_eq(redis_receive(call, NULL), 0);
        }
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

IN_LOOP(a_connection_that_cannot_be_written_to_is_made_anew)
{
        SERVER(s);
        LINK_TO(l, s);
        struct redis_call *lost;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        send_error = ENOBUFS; /* of which the reader hears nothing */
        lost = send_words(l.redis, "PING");
        while (send_error)
                ck_assert_int_eq(pen_yield(), 0);
        expect_text(l.redis, "ECHO next", "next");
        ck_assert_int_eq(redis_receive(lost, NULL), -ECONNRESET);
        ck_assert_uint_eq(redis_epoch(l.redis), 2);
        ck_assert_ptr_nonnull(strstr(l.error, strerror(ENOBUFS)));
        return 0;
}

/* --- silence ------------------------------------------------------------------------------------ */

struct question {
        struct redis *redis;
        const char *command;
        pen_usec patience, answered;
        int result;
};

static int put_question(void *arg)
{
        struct question *q = arg;

        q->result = ask_patiently(q->redis, q->command, q->patience);
        q->answered = pen_now();
        return 0;
}

static int be_silent(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        (void)fake, (void)stream, (void)command;
        return 0;
}

/* Greets, and then is silent. */
static int greet_only(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        return command->args[0].data[0] == 'X' ? 0 : fake_greet(fake, stream, command);
}

IN_VIRTUAL_LOOP(silence_is_borne_for_the_timeout_and_the_patience_of_the_first)
{
        FAKE(f, .answer = greet_only);
        LINK(l, .target.address = f.address, .reply_timeout = 3 * PEN_SEC);
        struct question q[] = { { .command = "X", .patience = 10 * PEN_SEC }, { .command = "X" } };
        pen_usec start;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0); /* nothing is owed */
        ck_assert_uint_eq(l.downs, 0);
        start = pen_now();
        for (int i = 0; i < 2; i++) {
                struct pen_task *tasks[2];

                for (size_t j = 0; j < ARRAY_SIZE(q); j++) {
                        q[j].redis = l.redis;
                        tasks[j] = spawn(put_question, &q[j]);
                }
                ck_assert_int_eq(finish(tasks[0]), 0);
                ck_assert_int_eq(finish(tasks[1]), 0);
                ck_assert_int_eq(q[0].result, -ECONNRESET);
                ck_assert_int_eq(q[1].result, -ECONNRESET);
                ck_assert_uint_eq(q[0].answered, start + (i == 0 ? 13 : 3) * PEN_SEC);
                ck_assert_uint_eq(q[1].answered, q[0].answered);
                ck_assert_int_eq(redis_wait_up(l.redis), 0);
                start = pen_now();
                q[0].patience = 0;
        }
        ck_assert_ptr_nonnull(strstr(l.error, ": no answer for 3000 ms"));
        return 0;
}

IN_VIRTUAL_LOOP(patience_without_end_is_possible)
{
        FAKE(f, .answer = greet_only);
        LINK(l, .target.address = f.address, .reply_timeout = 3 * PEN_SEC);
        struct question q = { .command = "X", .patience = PEN_FOREVER, .redis = l.redis };
        struct pen_task *task = spawn(put_question, &q);

        ck_assert_int_eq(pen_sleep(PEN_DAY), 0);
        ck_assert_uint_eq(l.downs, 0);
        pen_task_cancel(task);
        ck_assert_int_eq(finish(task), 0);
        ck_assert_int_eq(q.result, -ECANCELED);
        return 0;
}

/* Each after 2 s; one byte a time. */
static int drip(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        const char *text = command->args[0].data[0] == 'X' ? "$3\r\nabc\r\n" : NULL;
        int r = text ? 0 : fake_greet(fake, stream, command);

        for (; r == 0 && text && *text; text++) {
                r = pen_sleep(2 * PEN_SEC);
                if (r == 0)
                        r = fake_say(stream, (char[]){ *text, '\0' });
        }
        return r;
}

IN_VIRTUAL_LOOP(a_slow_server_is_not_a_silent_one)
{
        FAKE(f, .answer = drip);
        LINK(l, .target.address = f.address, .reply_timeout = 3 * PEN_SEC);
        struct redis_call *calls[3];

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        for (int i = 0; i < 3; i++)
                calls[i] = send_words(l.redis, "X");
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(redis_receive(calls[i], NULL), 0);
        ck_assert_uint_eq(pen_now() / PEN_SEC, 3 * 9 * 2);
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

IN_VIRTUAL_LOOP(silence_at_the_greeting_is_a_fault_too)
{
        FAKE(f, .answer = be_silent);
        LINK(l, .target.address = f.address, .reply_timeout = 3 * PEN_SEC);

        link_wait_down(&l, 1);
        ck_assert_uint_eq(pen_now(), 3 * PEN_SEC);
        ck_assert_ptr_nonnull(strstr(l.error, "no answer for 3000 ms"));
        f.answer = NULL;
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

/* A socket that has all the connections that may wait to be accepted, so that the next hangs. */
static int fill_backlog(struct sockaddr_un *un, int *ret_waiting)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(un->sun_path, sizeof(un->sun_path), "/tmp/full-redis-%d", (int)getpid());
        unlink(un->sun_path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)un, sizeof(*un)), 0);
        ck_assert_int_eq(listen(fd, 0), 0);
        *ret_waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(*ret_waiting, (struct sockaddr *)un, sizeof(*un)), 0);
        return fd;
}

IN_VIRTUAL_LOOP(a_server_that_does_not_let_us_in_is_not_waited_for)
{
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        char address[128];
        int waiting, fd = fill_backlog(&un, &waiting);

        snprintf(address, sizeof(address), "unix:%s", un.sun_path);
        {
                LINK(l, .target.address = address, .reply_timeout = 3 * PEN_SEC);

                link_wait_down(&l, 1);
                ck_assert_uint_eq(pen_now(), 3 * PEN_SEC);
                ck_assert_ptr_nonnull(strstr(l.error, strerror(ETIMEDOUT)));
        }
        close(waiting);
        close(fd);
        unlink(un.sun_path);
        return 0;
}

/* --- trying again ------------------------------------------------------------------------------- */

static int hang_up(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        (void)fake, (void)stream, (void)command;
        return -EPIPE;
}

IN_VIRTUAL_LOOP(a_server_that_is_away_is_tried_ever_more_rarely)
{
        FAKE(f, .answer = hang_up);
        LINK(l, .target.address = f.address);
        unsigned early;

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        early = f.connections; /* waits of up to 50, 100, 200, … ms */
        ck_assert_uint_ge(early, 3);
        ck_assert_uint_le(early, 20);
        ck_assert_int_eq(pen_sleep(10 * PEN_MINUTE),
                         0); /* then of up to 5 s, half of that on average */
        ck_assert_uint_ge(f.connections, 180);
        ck_assert_uint_le(f.connections, 320);
        ck_assert_uint_eq(l.downs, 1);
        ck_assert_uint_eq(l.ups, 0);
        return 0;
}

/* Those that lost the same server at the same moment. */
IN_VIRTUAL_LOOP(the_waits_are_spread)
{
        FAKE(f, .answer = hang_up);
        FAKE(g, .answer = hang_up);
        LINK(l, .target.address = f.address);
        LINK(m, .target.address = g.address);

        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(pen_sleep(20 * PEN_SEC), 0);
        ck_assert_uint_ne(f.last, g.last);
        return 0;
}

IN_VIRTUAL_LOOP(after_a_good_time_the_first_wait_is_short)
{
        FAKE(f, .answer = hang_up);
        LINK(l, .target.address = f.address);
        pen_usec broken;

        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        f.answer = greet_only;
        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        f.text = "nonsense\r\n";
        f.answer = fake_greet;
        ck_assert_int_eq(ask(l.redis, "X", NULL), -ECONNRESET);
        broken = pen_now();
        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        ck_assert_uint_le(pen_now() - broken, 50 * PEN_MSEC);
        return 0;
}

/* Takes each connection, and breaks it as soon as it is up. */
static int greet_and_babble(struct fake *fake, struct pen_stream *stream,
                            const struct words *command)
{
        int r = fake_greet(fake, stream, command);

        if (r == 0 && command->args[0].data[0] == 'P')
                r = pen_sleep(PEN_MSEC);
        return r < 0 ? r : fake_say(stream, command->args[0].data[0] == 'P' ? "+more\r\n" : "");
}

IN_VIRTUAL_LOOP(a_server_that_throws_us_out_each_time_is_not_besieged)
{
        FAKE(f, .answer = greet_and_babble);
        LINK(l, .target.address = f.address);

        ck_assert_int_eq(pen_sleep(10 * PEN_MINUTE), 0);
        ck_assert_uint_ge(l.ups, 180);
        ck_assert_uint_le(l.ups, 320);
        return 0;
}

static int want_password(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        (void)fake, (void)command;
        return fake_say(stream, "-NOAUTH Authentication required.\r\n");
}

IN_VIRTUAL_LOOP(an_outage_is_told_once_and_a_new_reason_again)
{
        FAKE(f, .answer = hang_up);
        LINK(l, .target.address = f.address);

        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        ck_assert_uint_eq(l.downs, 1);
        ck_assert_int_eq(strncmp(l.error, f.address, strlen(f.address)), 0);
        ck_assert_str_eq(l.error + strlen(f.address), ": the server closed the connection");
        f.answer = want_password;
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        ck_assert_uint_eq(l.downs, 2);
        ck_assert_ptr_nonnull(strstr(l.error, "NOAUTH"));
        for (unsigned i = 3; i < 5; i++) { /* each outage for itself */
                f.answer = fake_greet;
                ck_assert_int_eq(redis_wait_up(l.redis), 0);
                f.answer = hang_up;
                ck_assert_int_eq(ask(l.redis, "X", NULL), -ECONNRESET);
                link_wait_down(&l, i);
        }
        return 0;
}

IN_VIRTUAL_LOOP(who_cannot_be_reached_is_named_with_the_reason)
{
        LINK(l, .target.address = "unix:/nowhere/at/all");
        LINK(m, .target.address = "127.0.0.1:1");

        link_wait_down(&l, 1);
        ck_assert_str_eq(l.error, "unix:/nowhere/at/all: No such file or directory");
        link_wait_down(&m, 1);
        ck_assert_str_eq(m.error, "127.0.0.1:1: Connection refused");
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis_outage", a_killed_server_comes_back_and_work_goes_on_by_itself,
                         a_server_that_answers_no_more_is_left,
                         our_own_stall_is_not_the_servers_silence,
                         a_connection_that_cannot_be_written_to_is_made_anew,
                         silence_is_borne_for_the_timeout_and_the_patience_of_the_first,
                         patience_without_end_is_possible, a_slow_server_is_not_a_silent_one,
                         silence_at_the_greeting_is_a_fault_too,
                         a_server_that_does_not_let_us_in_is_not_waited_for,
                         a_server_that_is_away_is_tried_ever_more_rarely, the_waits_are_spread,
                         after_a_good_time_the_first_wait_is_short,
                         a_server_that_throws_us_out_each_time_is_not_besieged,
                         an_outage_is_told_once_and_a_new_reason_again,
                         who_cannot_be_reached_is_named_with_the_reason);
}
