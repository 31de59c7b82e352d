/* Of the resolver: the threads in which it looks names up. */
#include "../in_loop.h"
#include "world.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <async/resolve.h>
#include <base/util.h>

#define THREADS_MAX 8

/* Each look-up waits in its thread until the gate opens. */
static atomic_int n_now, n_most, n_lookups, gate;

static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
        static const struct addrinfo digits = { .ai_socktype = SOCK_STREAM,
                                                .ai_flags = AI_NUMERICHOST };
        int now = atomic_fetch_add(&n_now, 1) + 1, most = atomic_load(&n_most);

        (void)host, (void)service, (void)hints;
        while (now > most && !atomic_compare_exchange_weak(&n_most, &most, now))
                ;
        atomic_fetch_add(&n_lookups, 1);
        while (!atomic_load(&gate))
                usleep(100);
        atomic_fetch_sub(&n_now, 1);
        return getaddrinfo("192.0.2.1", NULL, &digits, ret);
}

static int ask(void *host)
{
        struct pen_address address;

        return pen_getaddrinfo(host, 80, &address, 1);
}

static int n_threads(void)
{
        DIR *dir = opendir("/proc/self/task");
        int n = -2; /* . and .. */

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void *do_nothing(void *arg)
{
        return arg;
}

/* A sanitizer starts a thread of its own with our first one. */
static int n_threads_before(void)
{
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, do_nothing, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        return n_threads();
}

IN_VIRTUAL_LOOP(names_are_looked_up_by_a_few_threads)
{
        int n_before = n_threads_before();
        struct pen_task *tasks[50];
        char hosts[50][16];

        resolver_getaddrinfo = look_up;
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                snprintf(hosts[i], sizeof(hosts[i]), "%zu.test", i);
                ck_assert_int_eq(pen_spawn(ask, hosts[i], &tasks[i]), 0);
        }
        /* Once that many hang all have asked, and a further thread would be there. */
        while (atomic_load(&n_now) < THREADS_MAX)
                ck_assert_int_eq(pen_yield(), 0);
        for (size_t i = 0; i < 3 * ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_le(n_threads() - n_before, THREADS_MAX);
        atomic_store(&gate, 1);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                int r;

                ck_assert_int_eq(pen_await(tasks[i], &r), 0);
                ck_assert_int_eq(r, 1);
                pen_task_unref(tasks[i]);
        }
        ck_assert_int_eq(n_lookups, 50);
        ck_assert_int_eq(n_most, THREADS_MAX);
        return 0;
}

int main(void)
{
        return RUN_SUITE("resolve_pool", names_are_looked_up_by_a_few_threads);
}
