/* Tests of the Redis store: each is the main task of a loop, with a server of its own. */
#pragma once

#include "contract.h"
#include "redis_daemon.h"

#include <base/log.h>
#include <string.h>
#include <sys/mman.h>

static struct redis_server *server;
static int log_of_test;

#define KEPT .dead_keep = PEN_FOREVER, .dedupe = PEN_MINUTE

static inline void begin_test(void)
{
        under_test = &redis_under_test;
        server = redis_server_start(NULL);
        log_of_test = memfd_create("log", MFD_CLOEXEC);
        log_setup(LOG_WARN, LOG_LOGFMT, log_of_test);
}

static inline void end_test(void)
{
        log_close();
        close(log_of_test);
        redis_server_stop(TAKE(server));
}

/* Whether the stores have said that. */
static inline bool logged(const char *text)
{
        static char said[1 << 16];
        ssize_t n = pread(log_of_test, said, sizeof(said) - 1, 0);

        ck_assert_int_ge(n, 0);
        said[n] = '\0';
        return strstr(said, text) != NULL;
}

#define PROMISE(name)                                            \
        static int name##_body(void *arg);                       \
        START_TEST(name)                                         \
        {                                                        \
                begin_test();                                    \
                ck_assert_int_eq(pen_run(name##_body, NULL), 0); \
                end_test();                                      \
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
