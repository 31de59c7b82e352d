/* What the tests of the connection to Redis share: a connection that counts what it is told, commands as one types
 * them, and a server of the test's own that says what no Redis says.
 */
#pragma once

#include "../in_loop.h"
#include "../redis_server.h"

#include <penstock/stream.h>
#include <store/redis/connection.h>

/* A connection with its task. */
struct link {
        struct redis *redis;
        struct pen_task *task;
        struct pen_event *told;
        unsigned ups, downs;
        char error[600]; /* of the last `down` */
};

/* No reply_timeout is PEN_FOREVER, no reply_max is 1 MiB; up, down and data are the link's. */
void link_open(struct link *link, struct redis_options options);
void link_close(struct link *link);

/* Waits until `down` was called so often. */
void link_wait_down(struct link *link, unsigned n);

#define LINK(l, ...)                                   \
        PEN_CLEANUP(link_close) struct link l = { 0 }; \
        link_open(&l, (struct redis_options){ __VA_ARGS__ })

#define SERVER_WITH(s, ...)             \
        PEN_CLEANUP(redis_server_stopp) \
        struct redis_server *s = redis_server_start((const char *const[]){ __VA_ARGS__, NULL })
#define SERVER(s) SERVER_WITH(s, NULL)
#define LINK_TO(l, s) LINK(l, .target.address = redis_server_address(s))

/* A command of words between spaces. */
struct words {
        char text[256];
        struct redis_arg args[16];
        size_t n;
};
void words_read(struct words *words, const char *command);
PEN_ASYNC int ask(struct redis *redis, const char *command, struct answer **ret_answer);
PEN_ASYNC int ask_patiently(struct redis *redis, const char *command, pen_usec patience);
struct redis_call *send_words(struct redis *redis, const char *command);

/* Asks, and insists on a status or string, or an error, or a number. */
void expect_text(struct redis *redis, const char *command, const char *expected);
void expect_error(struct redis *redis, const char *command, const char *beginning);
void expect_integer(struct redis *redis, const char *command, int64_t expected);

struct pen_task *spawn(int (*fn)(void *arg), void *arg);
int finish(struct pen_task *task); /* waits for it and answers what it returned */

/* --- a server of our own, at a Unix socket ------------------------------------------------------ */

struct fake {
        /* Answers a command; less than 0 hangs up. NULL: as Redis would be greeted. */
        int (*answer)(struct fake *fake, struct pen_stream *stream, const struct words *command);
        const char *text; /* for `answer` */

        char address[128];
        unsigned connections, commands;
        pen_usec last; /* when the last connection came */
        struct pen_listener *listener;
        struct pen_task *task;
};

void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);

#define FAKE(f, ...)                                            \
        PEN_CLEANUP(fake_stop) struct fake f = { __VA_ARGS__ }; \
        fake_start(&f)

/* Answers to CLIENT ID and PING; others get `text`. */
int fake_greet(struct fake *fake, struct pen_stream *stream, const struct words *command);
int fake_say(struct pen_stream *stream, const char *text);
