/* Tests of the Redis store: each is the main task of a loop, with a server of its own. */
#pragma once

#include "contract.h"
#include "redis_daemon.h"

static struct redis_server *server;

#define KEPT .dead_keep = PEN_FOREVER, .dedupe = PEN_MINUTE

#define PROMISE(name)                                            \
        static int name##_body(void *arg);                       \
        START_TEST(name)                                         \
        {                                                        \
                under_test = &redis_under_test;                  \
                server = redis_server_start(NULL);               \
                ck_assert_int_eq(pen_run(name##_body, NULL), 0); \
                redis_server_stop(TAKE(server));                 \
        }                                                        \
        END_TEST                                                 \
        static int name##_body(__attribute__((unused)) void *arg)

/* Until nothing is left but what is delayed, and no daemon holds anything. */
static inline void finish_ready(struct store_queue *q)
{
        while (counts_of(q).ready > 0)
                settle(q, fetch(q), MOVE_DONE, 0);
}

static inline int fetch_no_job(void *q)
{
        struct job *job;
        int r = (int)store_fetch(q, &job, 1);

        ck_assert_int_lt(r, 0);
        return r;
}

/* What is ready is dealt with by the fetch, and none of it is a job; `running` are somewhere else. */
static inline void sweep(struct store_queue *q, size_t running)
{
        struct pen_task *fetcher = spawn(fetch_no_job, q);

        UNTIL(counts_of(q).ready == 0 && counts_of(q).running == running);
        cancel_and_unref(fetcher);
}
