#include "redis_daemon.h"

#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "contract.h"

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

void redis_daemon_open(struct redis_daemon *d, const struct redis_server *server,
                       const struct redis_daemon_options *options)
{
        struct store_queue_options queue = options->queue;
        char *error;

        *d = (struct redis_daemon){ .store = NULL };
        queue.name = queue.name ? queue.name : "q";
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

static void side_receive(int fd)
{
        char bytes[256];

        while (recv(fd, bytes, sizeof(bytes), 0) < 0)
                ;
}

long bytes_unread_by_peers(void)
{
        long sum = 0;
        int n;

        for (int fd = 0; fd < 256; fd++)
                if (ioctl(fd, SIOCOUTQ, &n) == 0)
                        sum += n;
        return sum;
}

int side_connection(const struct redis_server *of)
{
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", redis_server_folder(of));
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
        side_send(fd, "PING");
        side_receive(fd);
        return fd;
}

void side_send(int fd, const char *command)
{
        char line[256];
        int n = snprintf(line, sizeof(line), "%s\r\n", command);

        ck_assert_int_eq(send(fd, line, (size_t)n, MSG_NOSIGNAL), n);
}

void side_end(int fd)
{
        side_receive(fd);
        close(fd);
}

void expect_clean(const struct redis_server *server)
{
        UNTIL(!strstr(asked_keys(server, "penstock:*"), ":job:"));
        UNTIL(asked_number(server, "XLEN penstock:{q}:ready") == 0);
        ck_assert_int_eq(asked_number(server, "ZCARD penstock:{q}:delayed"), 0);
}

const struct store_under_test redis_under_test = { REDIS_UNDER_TEST };
