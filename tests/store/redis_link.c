#include "redis_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/sync.h>

/* --- a connection ------------------------------------------------------------------------------- */

static void on_up(void *data)
{
        struct link *link = data;

        ck_assert(redis_is_up(link->redis));
        link->ups++;
        pen_event_set(link->told);
}

static void on_down(void *data, const char *error)
{
        struct link *link = data;

        ck_assert(!redis_is_up(link->redis));
        link->downs++;
        snprintf(link->error, sizeof(link->error), "%s", error);
        pen_event_set(link->told);
}

void link_open(struct link *link, struct redis_options options)
{
        options.up = on_up;
        options.down = on_down;
        options.data = link;
        if (options.reply_timeout == 0)
                options.reply_timeout = PEN_FOREVER;
        if (options.reply_max == 0)
                options.reply_max = (size_t)1 << 20;
        ck_assert_int_eq(pen_event_create(&link->told), 0);
        ck_assert_int_eq(redis_create(&options, &link->redis), 0);
        link->task = spawn(redis_run, link->redis);
}

void link_close(struct link *link)
{
        if (link->task) {
                pen_task_cancel(link->task);
                ck_assert_int_eq(finish(link->task), -ECANCELED);
        }
        redis_free(link->redis);
        pen_event_free(link->told);
}

void link_wait_down(struct link *link, unsigned n)
{
        while (link->downs < n) {
                pen_event_clear(link->told);
                ck_assert_int_eq(pen_event_wait(link->told), 0);
        }
}

/* --- commands ----------------------------------------------------------------------------------- */

void words_read(struct words *w, const char *command)
{
        char *rest;

        ck_assert_uint_lt(strlen(command), sizeof(w->text));
        strcpy(w->text, command);
        w->n = 0;
        for (char *i = strtok_r(w->text, " ", &rest); i; i = strtok_r(NULL, " ", &rest))
                w->args[w->n++] = (struct redis_arg){ i, strlen(i) };
}

int ask(struct redis *redis, const char *command, struct answer **ret_answer)
{
        struct words w;

        words_read(&w, command);
        return redis_command(redis, w.args, w.n, 0, ret_answer);
}

int ask_patiently(struct redis *redis, const char *command, pen_usec patience)
{
        struct words w;

        words_read(&w, command);
        return redis_command(redis, w.args, w.n, patience, NULL);
}

struct redis_call *send_words(struct redis *redis, const char *command)
{
        struct redis_call *call;
        struct words w;

        words_read(&w, command);
        ck_assert_int_eq(redis_send(redis, w.args, w.n, 0, &call), 0);
        return call;
}

void expect_text(struct redis *redis, const char *command, const char *expected)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;

        ck_assert_int_eq(ask(redis, command, &answer), 0);
        ck_assert(answer->reply.type == REPLY_STRING || answer->reply.type == REPLY_STATUS);
        ck_assert_str_eq(answer->reply.data, expected);
}

void expect_error(struct redis *redis, const char *command, const char *beginning)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;

        ck_assert_int_eq(ask(redis, command, &answer), -EREMOTEIO);
        ck_assert_int_eq(answer->reply.type, REPLY_ERROR);
        ck_assert_msg(strncmp(answer->reply.data, beginning, strlen(beginning)) == 0, "%s",
                      answer->reply.data);
}

void expect_integer(struct redis *redis, const char *command, int64_t expected)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;

        ck_assert_int_eq(ask(redis, command, &answer), 0);
        ck_assert_int_eq(answer->reply.type, REPLY_INTEGER);
        ck_assert_int_eq(answer->reply.integer, expected);
}

struct pen_task *spawn(int (*fn)(void *arg), void *arg)
{
        struct pen_task *task;

        ck_assert_int_eq(pen_spawn(fn, arg, &task), 0);
        return task;
}

int finish(struct pen_task *task)
{
        int r;

        ck_assert_int_eq(pen_await(task, &r), 0);
        pen_task_unref(task);
        return r;
}

/* --- a server of our own ------------------------------------------------------------------------ */

struct guest {
        struct fake *fake;
        struct pen_stream *stream;
};

int fake_say(struct pen_stream *stream, const char *text)
{
        int r = pen_stream_write(stream, text, strlen(text));

        return r < 0 ? r : pen_stream_drain(stream);
}

int fake_greet(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        if (strcmp(command->args[0].data, "CLIENT") == 0)
                return fake_say(stream, ":7\r\n");
        if (strcmp(command->args[0].data, "PING") == 0)
                return fake_say(stream, "+PONG\r\n");
        return fake_say(stream, fake->text);
}

static int read_number(struct pen_stream *stream, char sign, size_t *ret)
{
        char *line;
        ssize_t n = pen_stream_read_line(stream, 32, &line);

        if (n <= 0)
                return n < 0 ? (int)n : -EPIPE;
        ck_assert_int_eq(*line, sign);
        *ret = (size_t)atol(line + 1);
        return 0;
}

static int read_command(struct pen_stream *stream, struct words *w)
{
        char *to = w->text;
        size_t size;
        int r;

        r = read_number(stream, '*', &w->n);
        for (size_t i = 0; i < w->n && r == 0; i++) {
                r = read_number(stream, '$', &size);
                if (r < 0)
                        break;
                ck_assert_uint_le(size + 2, (size_t)(w->text + sizeof(w->text) - to));
                r = pen_stream_read_exactly(stream, to, size + 2);
                to[size] = '\0';
                w->args[i] = (struct redis_arg){ to, size };
                to += size + 1;
        }
        return r;
}

static int serve(void *arg)
{
        struct guest *guest = arg;
        struct fake *fake = guest->fake;
        struct words command;
        int r = 0;

        while (r >= 0 && (r = read_command(guest->stream, &command)) >= 0) {
                fake->commands++;
                r = (fake->answer ? fake->answer : fake_greet)(fake, guest->stream, &command);
        }
        pen_stream_free(guest->stream);
        free(guest);
        return 0;
}

static int accept_all(void *arg)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct fake *fake = arg;
        struct pen_stream *stream;
        int r = pen_group_create(&group);

        while (r == 0 && (r = pen_accept(fake->listener, &stream)) == 0) {
                struct guest *guest = malloc(sizeof(*guest));

                *guest = (struct guest){ fake, stream };
                fake->connections++;
                fake->last = pen_now();
                r = pen_group_spawn(group, "guest", serve, guest, NULL);
        }
        return r;
}

void fake_start(struct fake *fake)
{
        static unsigned n;

        snprintf(fake->address, sizeof(fake->address), "unix:/tmp/fake-redis-%d-%u", (int)getpid(),
                 n++);
        ck_assert_int_eq(pen_listen(fake->address, &fake->listener), 0);
        fake->task = spawn(accept_all, fake);
}

void fake_stop(struct fake *fake)
{
        pen_task_cancel(fake->task);
        ck_assert_int_eq(finish(fake->task), -ECANCELED);
        pen_listener_free(fake->listener);
}
