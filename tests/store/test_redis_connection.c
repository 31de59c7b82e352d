/* With a real server. */
#include "redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <base/buffer.h>
#include <penstock/group.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

/* Writes are counted where they leave. */
static unsigned sends;

ssize_t send(int fd, const void *data, size_t size, int flags)
{
        sends++;
        return sendto(fd, data, size, flags, NULL, 0);
}

/* --- commands ----------------------------------------------------------------------------------- */

IN_LOOP(answers_have_their_form)
{
        SERVER(s);
        LINK_TO(l, s);
        struct answer *answer;

        expect_text(l.redis, "PING", "PONG");
        expect_text(l.redis, "SET key value", "OK");
        expect_text(l.redis, "GET key", "value");
        expect_integer(l.redis, "INCR n", 1);
        ck_assert_int_eq(ask(l.redis, "GET none", &answer), 0);
        ck_assert_int_eq(answer->reply.type, REPLY_NIL);
        answer_free(answer);
        ck_assert_int_eq(ask(l.redis, "EVAL return{1,{'a',{ARGV[1]}},{err='E'}} 0 x", &answer), 0);
        ck_assert_int_eq(answer->reply.type, REPLY_ARRAY);
        ck_assert_uint_eq(answer->reply.n, 3);
        ck_assert_str_eq(answer->reply.items[1].items[1].items[0].data, "x");
        ck_assert_int_eq(answer->reply.items[2].type, REPLY_ERROR);
        answer_free(answer);
        return 0;
}

IN_LOOP(an_error_of_the_server_is_an_answer)
{
        SERVER(s);
        LINK_TO(l, s);

        expect_error(l.redis, "EVALSHA 0123456789012345678901234567890123456789 0", "NOSCRIPT ");
        ck_assert_int_eq(ask(l.redis, "NO-SUCH-COMMAND", NULL), -EREMOTEIO);
        expect_text(l.redis, "PING", "PONG");
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

IN_LOOP(arguments_and_answers_are_binary)
{
        SERVER(s);
        LINK_TO(l, s);
        const struct redis_arg set[] = { { "SET", 3 },
                                         { "k\0\r\n", 4 },
                                         { "\0\xff\r\n$1\r\n", 8 } };
        const struct redis_arg get[] = { { "GET", 3 }, { "k\0\r\n", 4 } };
        struct answer *answer;

        ck_assert_int_eq(redis_command(l.redis, set, 3, 0, NULL), 0);
        ck_assert_int_eq(redis_command(l.redis, get, 2, 0, &answer), 0);
        ck_assert_uint_eq(answer->reply.n, 8);
        ck_assert_int_eq(memcmp(answer->reply.data, set[2].data, 8), 0);
        answer_free(answer);
        return 0;
}

IN_LOOP(commands_are_answered_in_their_order)
{
        SERVER(s);
        LINK_TO(l, s);
        struct redis_call *calls[100];
        struct answer *answer;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
                calls[i] = send_words(l.redis, "INCR n");
        for (size_t i = ARRAY_SIZE(calls); i-- > 0;) { /* in whichever order they are received */
                ck_assert_int_eq(redis_receive(calls[i], &answer), 0);
                ck_assert_int_eq(answer->reply.integer, (int64_t)i + 1);
                answer_free(answer);
        }
        return 0;
}

struct echo {
        struct redis *redis;
        int number, rounds;
};

static int echo(void *arg)
{
        struct echo *e = arg;
        char command[64], text[32];

        for (int i = 0; i < e->rounds; i++) {
                snprintf(text, sizeof(text), "%d.%d", e->number, i);
                snprintf(command, sizeof(command), "ECHO %s", text);
                expect_text(e->redis, command, text);
        }
        return 0;
}

IN_LOOP(a_thousand_tasks_get_each_its_own_answers)
{
        SERVER(s);
        LINK_TO(l, s);
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        static struct echo echoes[1000];

        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < 1000; i++) {
                echoes[i] = (struct echo){ l.redis, i, 20 };
                ck_assert_int_eq(pen_group_spawn(group, "echo", echo, &echoes[i], NULL), 0);
        }
        return pen_group_join(group);
}

/* The virtual clock makes a turn 256 resumptions, however long they take. */
IN_VIRTUAL_LOOP(what_tasks_ask_in_a_turn_leaves_in_one_write)
{
        SERVER(s);
        LINK_TO(l, s);
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        static struct echo echoes[100];

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        sends = 0;
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < 100; i++) {
                echoes[i] = (struct echo){ l.redis, i, 1 };
                ck_assert_int_eq(pen_group_spawn(group, "echo", echo, &echoes[i], NULL), 0);
        }
        ck_assert_int_eq(pen_group_join(group), 0);
        ck_assert_uint_eq(sends, 1);
        return 0;
}

/* --- large answers ------------------------------------------------------------------------------ */

static void set_large(struct redis *redis, size_t size)
{
        char *data = malloc(size);
        const struct redis_arg args[] = { { "SET", 3 }, { "large", 5 }, { data, size } };

        for (size_t i = 0; i < size; i++)
                data[i] = (char)(i * 7);
        ck_assert_int_eq(redis_command(redis, args, 3, 0, NULL), 0);
        free(data);
}

static void expect_large(struct redis *redis, size_t size)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;

        ck_assert_int_eq(ask(redis, "GET large", &answer), 0);
        ck_assert_uint_eq(answer->reply.n, size);
        for (size_t i = 0; i < size; i++)
                if (answer->reply.data[i] != (char)(i * 7))
                        ck_abort_msg("byte %zu", i);
}

IN_LOOP(large_answers_are_whole)
{
        SERVER(s);
        LINK(l, .target.address = redis_server_address(s), .reply_max = ((size_t)64 << 20) + 1);

        set_large(l.redis, (size_t)1 << 20);
        expect_large(l.redis, (size_t)1 << 20);
        set_large(l.redis, (size_t)64 << 20);
        expect_large(l.redis, (size_t)64 << 20);
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

IN_LOOP(an_answer_over_the_limit_breaks_the_connection_alone)
{
        SERVER(s);
        LINK_TO(l, s);
        struct redis_call *after;

        set_large(l.redis, (size_t)2 << 20);
        after = send_words(l.redis, "GET large");
        ck_assert_int_eq(ask(l.redis, "INCR n", NULL), -ECONNRESET);
        ck_assert_int_eq(redis_receive(after, NULL), -ECONNRESET);
        ck_assert_ptr_nonnull(strstr(l.error, "more than 1048576 bytes"));
        expect_integer(l.redis, "INCR n", 2); /* it had been carried out */
        return 0;
}

IN_LOOP(an_answer_nested_too_deep_breaks_the_connection_alone)
{
        SERVER(s);
        LINK_TO(l, s);

        ck_assert_int_eq(ask(l.redis, "EVAL return{{{{{{{1}}}}}}} 0", NULL), 0);
        ck_assert_int_eq(ask(l.redis, "EVAL return{{{{{{{{1}}}}}}}} 0", NULL), -ECONNRESET);
        ck_assert_ptr_nonnull(strstr(l.error, "nested too deep"));
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

/* --- nonsense ----------------------------------------------------------------------------------- */

static const struct {
        const char *text, *error;
        int result; /* of two commands that were answered so */
} nonsense[] = {
        { "what?\r\n", "got \"w\" as reply type", -ECONNRESET },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", "got \"H\" as reply type", -ECONNRESET },
        { ":x\r\n", "Bad integer", -ECONNRESET },
        { "$-5\r\n", "out of range", -ECONNRESET },
        { "*2000000000\r\n", "more than 1048576 bytes", -ECONNRESET },
        { "$2000000000\r\n", "no answer for 3000 ms", -ECONNRESET },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "nested too deep", -ECONNRESET },
        { "+a\r\n+b\r\n", "nobody asked for", 0 },
};

IN_VIRTUAL_LOOP(nonsense_breaks_the_connection_and_nothing_else)
{
        FAKE(f, .text = NULL);
        LINK(l, .target.address = f.address, .reply_timeout = 3 * PEN_SEC);

        for (unsigned i = 0; i < ARRAY_SIZE(nonsense); i++) {
                struct redis_call *calls[2];

                f.text = nonsense[i].text;
                ck_assert_int_eq(redis_wait_up(l.redis), 0);
                for (int j = 0; j < 2; j++)
                        calls[j] = send_words(l.redis, "X");
                for (int j = 0; j < 2; j++)
                        ck_assert_int_eq(redis_receive(calls[j], NULL), nonsense[i].result);
                link_wait_down(&l, i + 1);
                ck_assert_msg(strstr(l.error, nonsense[i].error), "%s", l.error);
        }
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

/* --- cancelling --------------------------------------------------------------------------------- */

static int blpop(void *arg)
{
        return ask(arg, "BLPOP list 0", NULL);
}

static int echo_behind(void *arg)
{
        expect_text(arg, "ECHO behind", "behind");
        return 0;
}

IN_LOOP(the_answer_of_a_cancelled_command_is_nobody_elses)
{
        SERVER(s);
        LINK_TO(l, s);
        struct pen_task *blocked, *behind;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        blocked = spawn(blpop, l.redis);
        behind = spawn(echo_behind, l.redis);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(blocked);
        ck_assert_int_eq(finish(blocked), -ECANCELED);
        free(redis_server_ask(s, "RPUSH list x"));
        ck_assert_int_eq(finish(behind), 0);
        expect_integer(l.redis, "LLEN list", 0); /* it was carried out nevertheless */
        return 0;
}

IN_LOOP(a_command_cancelled_as_its_answer_comes_leaves_the_line_in_order)
{
        SERVER(s);
        LINK_TO(l, s);

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        for (int i = 0; i < 200; i++) {
                struct pen_task *behind;
                struct pen_timeout scope;

                pen_timeout_begin(&scope, (pen_usec)i);
                (void)pen_timeout_end(&scope, ask(l.redis, "ECHO first", NULL));
                behind = spawn(echo_behind, l.redis);
                ck_assert_int_eq(finish(behind), 0);
        }
        return 0;
}

static int ping(void *arg)
{
        return ask(arg, "PING", NULL);
}

IN_VIRTUAL_LOOP(a_command_cancelled_before_there_is_a_connection_is_not_sent)
{
        LINK(l, .target.address = "unix:/nowhere/at/all");
        struct pen_task *task = spawn(ping, l.redis);

        link_wait_down(&l, 1);
        pen_task_cancel(task);
        ck_assert_int_eq(finish(task), -ECANCELED);
        return 0;
}

IN_LOOP(the_end_answers_all_who_wait)
{
        SERVER(s);
        LINK_TO(l, s);
        struct pen_task *blocked;

        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        blocked = spawn(blpop, l.redis);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(l.task);
        ck_assert_int_eq(finish(TAKE(l.task)), -ECANCELED);
        ck_assert_int_eq(finish(blocked), -ECONNRESET);
        ck_assert_int_eq(ask(l.redis, "PING", NULL), -ESHUTDOWN);
        ck_assert_uint_eq(l.downs, 0); /* it was our own wish */
        return 0;
}

IN_VIRTUAL_LOOP(the_end_answers_who_waits_for_the_connection)
{
        LINK(l, .target.address = "unix:/nowhere/at/all");
        struct pen_task *task = spawn(ping, l.redis);

        link_wait_down(&l, 1);
        pen_task_cancel(l.task);
        ck_assert_int_eq(finish(TAKE(l.task)), -ECANCELED);
        ck_assert_int_eq(finish(task), -ESHUTDOWN);
        return 0;
}

/* --- TCP ---------------------------------------------------------------------------------------- */

static int get_option(int fd, int level, int name)
{
        int value = 0;
        socklen_t size = sizeof(value);

        ck_assert_int_eq(getsockopt(fd, level, name, &value, &size), 0);
        return value;
}

/* Our end of the connection to the port. */
static int find_fd(const char *address)
{
        struct sockaddr_in in = { 0 };

        for (int fd = 3; fd < 100; fd++) {
                socklen_t size = sizeof(in);

                if (getpeername(fd, (struct sockaddr *)&in, &size) == 0 &&
                    in.sin_family == AF_INET &&
                    ntohs(in.sin_port) == atoi(strrchr(address, ':') + 1))
                        return fd;
        }
        return -1;
}

IN_LOOP(a_tcp_connection_is_prompt_and_kept_alive_and_not_inherited)
{
        PEN_CLEANUP(redis_server_stopp)
        struct redis_server *s = redis_server_start_tcp(NULL);
        LINK_TO(l, s);
        int fd;

        expect_text(l.redis, "PING", "PONG");
        fd = find_fd(redis_server_address(s));
        ck_assert_int_ge(fd, 0);
        ck_assert_int_ne(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
        ck_assert_int_ne(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
        ck_assert_int_eq(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
        ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        redis_server_kill(s);
        link_wait_down(&l, 1);
        redis_server_restart(s);
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis_connection", answers_have_their_form,
                         an_error_of_the_server_is_an_answer, arguments_and_answers_are_binary,
                         commands_are_answered_in_their_order,
                         a_thousand_tasks_get_each_its_own_answers,
                         what_tasks_ask_in_a_turn_leaves_in_one_write, large_answers_are_whole,
                         an_answer_over_the_limit_breaks_the_connection_alone,
                         an_answer_nested_too_deep_breaks_the_connection_alone,
                         nonsense_breaks_the_connection_and_nothing_else,
                         the_answer_of_a_cancelled_command_is_nobody_elses,
                         a_command_cancelled_as_its_answer_comes_leaves_the_line_in_order,
                         a_command_cancelled_before_there_is_a_connection_is_not_sent,
                         the_end_answers_all_who_wait, the_end_answers_who_waits_for_the_connection,
                         a_tcp_connection_is_prompt_and_kept_alive_and_not_inherited);
}
