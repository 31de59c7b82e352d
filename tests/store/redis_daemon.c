#include "redis_daemon.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../runner.h"

#include <base/util.h>
#include <penstock/loop.h>
#include <penstock/task.h>

static int keep_lease(void *queue)
{
        ssize_t r;

        do
                r = store_keep_lease(queue);
        while (r >= 0);
        return (int)r;
}

static void end(struct pen_task **task)
{
        if (!*task)
                return;
        pen_task_cancel(*task);
        ck_assert_int_eq(pen_await(*task, NULL), 0);
        pen_task_unrefp(task);
        *task = NULL;
}

static struct store_queue_options with_defaults(struct store_queue_options o)
{
        o.name = o.name ? o.name : "q";
        o.max_crashes = o.max_crashes ? o.max_crashes : 3;
        o.dead_keep = o.dead_keep ? o.dead_keep : PEN_FOREVER;
        return o;
}

void redis_daemon_open(struct redis_daemon *d, const struct redis_server *server,
                       const struct redis_daemon_options *options)
{
        struct store_queue_options queue = with_defaults(options->queue);
        char *error;

        *d = (struct redis_daemon){ NULL };
        ck_assert_int_eq(
                redis_store_create(
                        &(struct redis_store_options){
                                .url = redis_server_url(server),
                                .prefix = "penstock",
                                .lease = options->lease ? options->lease : 15 * PEN_SEC,
                                .instance = options->instance ? options->instance : "daemon",
                                .former = options->former,
                        },
                        &d->store, &error),
                0);
        ck_assert_int_eq(pen_spawn(redis_store_run, d->store, &d->running), 0);
        ck_assert_int_eq(redis_queue_open(d->store, &queue, &d->queue), 0);
        redis_daemon_go_on(d);
        while (asked_number(server, "HEXISTS penstock:{%s}:leases %s", queue.name,
                            redis_store_consumer(d->store)) == 0)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

void redis_daemon_stall(struct redis_daemon *d)
{
        end(&d->leasing);
}

void redis_daemon_go_on(struct redis_daemon *d)
{
        ck_assert_int_eq(pen_spawn(keep_lease, d->queue, &d->leasing), 0);
}

void redis_daemon_close(struct redis_daemon *d)
{
        end(&d->leasing);
        store_close(TAKE(d->queue));
        end(&d->running);
        redis_store_free(TAKE(d->store));
}

void redis_daemon_kill(struct redis_daemon *d)
{
        end(&d->leasing);
        end(&d->running);
        store_close(TAKE(d->queue)); /* which cannot tell anybody any more */
        redis_store_free(TAKE(d->store));
}

/* --- the server --------------------------------------------------------------------------------- */

static const char *ask(const struct redis_server *server, const char *format, va_list args)
{
        static char *kept[10];
        static size_t next;
        char command[1024];

        ck_assert_int_lt(vsnprintf(command, sizeof(command), format, args), (int)sizeof(command));
        next = (next + 1) % ARRAY_SIZE(kept);
        free(kept[next]);
        return kept[next] = redis_server_ask(server, command);
}

const char *asked(const struct redis_server *server, const char *format, ...)
{
        const char *answer;
        va_list args;

        va_start(args, format);
        answer = ask(server, format, args);
        va_end(args);
        return answer;
}

long asked_number(const struct redis_server *server, const char *format, ...)
{
        const char *answer;
        va_list args;

        va_start(args, format);
        answer = ask(server, format, args);
        va_end(args);
        return strtol(answer, NULL, 10);
}

const char *asked_keys(const struct redis_server *server, const char *pattern)
{
        return asked(server,
                     "EVAL \"local k = redis.call('KEYS', ARGV[1]) table.sort(k) local s = '' "
                     "for i = 1, #k do s = s .. k[i] .. ' ' end return s\" 0 \"%s\"",
                     pattern);
}
