/* What only the Redis store has: a server that others use, connections that break, daemons that die. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../in_loop.h"
#include "redis_daemon.h"

#include <base/util.h>

IN_LOOP(smoke)
{
        PEN_CLEANUP(redis_server_stopp) struct redis_server *server = redis_server_start(NULL);
        struct redis_daemon d;
        struct store_counts counts;
        struct job *job;
        struct push push = { .job = NULL };

        redis_daemon_open(&d, server, &(struct redis_daemon_options){ .lease = 300 * PEN_MSEC });
        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = { "hello", 5 } }, &push.job),
                         0);
        ck_assert_int_eq(store_push(d.queue, &push, 1, false), 0);
        ck_assert_int_eq(push.result, PUSH_STORED);
        ck_assert_int_eq(store_fetch(d.queue, &job, 1), 1);
        ck_assert_uint_eq(job->fields.payload.size, 5);
        ck_assert_str_eq(job->fields.id, push.job->fields.id);
        ck_assert_int_eq(store_start(d.queue, job), 0);
        ck_assert_int_eq(store_count(d.queue, &counts), 0);
        ck_assert_uint_eq(counts.running, 1);
        ck_assert_int_eq(store_settle(d.queue, &(struct settlement){ .job = job }, 1), 0);
        ck_assert_int_eq(store_count(d.queue, &counts), 0);
        ck_assert_uint_eq(counts.running, 0);
        ck_assert_uint_eq(counts.done, 1);
        job_unref(job);
        job_unref(push.job);
        redis_daemon_close(&d);
        fprintf(stderr, "%s\n", asked_keys(server, "*"));
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis store", smoke);
}
