/* The contract of stores, against every store. */
#include "contract.h"

#include "redis_daemon.h"

#include <stdio.h>
#include <string.h>

#include <store/memory.h>

/* --- Redis: one server a test, a daemon a store -------------------------------------------------- */

static struct redis_server *server;
static struct redis_daemon daemons[8];

static int redis_open(const struct store_queue_options *options, struct store_queue **ret_queue)
{
        static int n;
        char name[16];
        size_t i = 0;
        struct redis_daemon_options o = { .queue = *options };

        if (!server)
                server = redis_server_start(NULL);
        while (daemons[i].queue)
                ck_assert_uint_lt(++i, ARRAY_SIZE(daemons));
        snprintf(name, sizeof(name), "q%d", n++);
        o.queue.name = name;
        redis_daemon_open(&daemons[i], server, &o);
        *ret_queue = daemons[i].queue;
        return 0;
}

static void redis_close(struct store_queue *q)
{
        for (size_t i = 0; i < ARRAY_SIZE(daemons); i++)
                if (daemons[i].queue == q)
                        redis_daemon_close(&daemons[i]);
}

static void redis_end(void)
{
        ck_assert_msg(!strstr(asked_keys(server, "penstock:*"), ":leases"), "a lease is left: %s",
                      asked_keys(server, "penstock:*"));
        redis_server_stop(server);
        server = NULL;
}

static const struct store_under_test stores[] = {
        {
                .name = "memory",
                .clock = PEN_CLOCK_VIRTUAL,
                .unit = PEN_SEC,
                .open = memory_queue_open,
                .close = store_close,
        },
        {
                REDIS_UNDER_TEST,
                .open = redis_open,
                .close = redis_close,
                .end = redis_end,
        },
};

int main(void)
{
        return run_store_contract(stores, redis_server_is_there() ? 2 : 1);
}
