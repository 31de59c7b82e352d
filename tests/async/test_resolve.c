#include "../in_loop.h"
#include "world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <async/resolve.h>
#include <penstock/timeout.h>

/* Names under .test: N.one.test is one address, two.test two, hang.test waits until the gate opens,
 * again.test and memory.test fail as they say; any other is unknown. */
static atomic_int n_lookups, n_hung, gate = 1, n_left;

static int give(const char *address, struct addrinfo **ret)
{
        static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                               .ai_flags = AI_NUMERICHOST };

        return getaddrinfo(address, NULL, &hints, ret);
}

static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
        (void)service;
        ck_assert_int_eq(hints->ai_socktype, SOCK_STREAM);
        atomic_fetch_add(&n_lookups, 1);
        if (strcmp(host, "hang.test") == 0) {
                atomic_fetch_add(&n_hung, 1);
                while (!atomic_load(&gate))
                        usleep(100);
        }
        atomic_fetch_add(&n_left, 1);
        if (strcmp(host, "again.test") == 0)
                return EAI_AGAIN;
        if (strcmp(host, "memory.test") == 0)
                return EAI_MEMORY;
        if (strcmp(host, "two.test") == 0) {
                struct addrinfo *second;
                int r = give("192.0.2.2", &second);

                if (r == 0)
                        r = give("2001:db8::1", ret);
                if (r == 0)
                        (*ret)->ai_next = second;
                return r;
        }
        return strstr(host, ".test") ? give("192.0.2.1", ret) : EAI_NONAME;
}

static void use_test_names(void)
{
        resolver_getaddrinfo = look_up;
        atomic_store(&n_lookups, 0);
        atomic_store(&n_hung, 0);
        atomic_store(&n_left, 0);
        atomic_store(&gate, 1);
}

static int resolve_any(const char *host)
{
        struct pen_address address;

        return pen_getaddrinfo(host, 80, &address, 1);
}

static int ask(void *host)
{
        return resolve_any(host);
}

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

static int finish(struct pen_task *t)
{
        int r;

        ck_assert_int_eq(pen_await(t, &r), 0);
        pen_task_unref(t);
        return r;
}

/* Lets others run until so many look-ups hang in their threads. */
static void wait_for_hung(int n)
{
        while (atomic_load(&n_hung) < n)
                ck_assert_int_eq(pen_yield(), 0);
}

static char hang[] = "hang.test";

/* --- what needs no look-up ------------------------------------------------------------------------ */

static void expect_literal(const char *host, int family, const char *shown)
{
        struct pen_address a;
        char text[INET6_ADDRSTRLEN];

        ck_assert_int_eq(pen_getaddrinfo(host, 8080, &a, 1), 1);
        ck_assert_int_eq(a.any.sa_family, family);
        if (family == AF_INET) {
                ck_assert_uint_eq(a.size, sizeof(a.in));
                ck_assert_uint_eq(ntohs(a.in.sin_port), 8080);
                inet_ntop(family, &a.in.sin_addr, text, sizeof(text));
        } else {
                ck_assert_uint_eq(a.size, sizeof(a.in6));
                ck_assert_uint_eq(ntohs(a.in6.sin6_port), 8080);
                inet_ntop(family, &a.in6.sin6_addr, text, sizeof(text));
        }
        ck_assert_str_eq(text, shown);
}

IN_VIRTUAL_LOOP(address_in_digits_needs_no_lookup)
{
        use_test_names();
        expect_literal("127.0.0.1", AF_INET, "127.0.0.1");
        expect_literal("::1", AF_INET6, "::1");
        expect_literal("2001:DB8::0:1", AF_INET6, "2001:db8::1");
        expect_literal("::ffff:127.0.0.1", AF_INET6, "::ffff:127.0.0.1");
        ck_assert_int_eq(n_lookups, 0);
        return 0;
}

IN_VIRTUAL_LOOP(half_written_address_is_nobodys_name)
{
        static const char *const hosts[] = { "127.1",   "0x7f000001", "2130706433", "0177.0.0.1",
                                             "127.0.1", "0",          "127.0.0.01" };

        use_test_names();
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
                ck_assert_int_eq(resolve_any(hosts[i]), -ENXIO);
        ck_assert_int_eq(n_lookups, 0);
        return 0;
}

IN_VIRTUAL_LOOP(empty_or_overlong_name_is_invalid)
{
        char name[300];

        use_test_names();
        memset(name, 'a', sizeof(name));
        name[254] = '\0';
        ck_assert_int_eq(resolve_any(""), -EINVAL);
        ck_assert_int_eq(resolve_any(name), -ENXIO);
        name[254] = 'a';
        name[255] = '\0';
        ck_assert_int_eq(resolve_any(name), -EINVAL);
        return 0;
}

/* --- answers -------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(addresses_come_in_order_with_the_port)
{
        struct pen_address a[4];

        use_test_names();
        ck_assert_int_eq(pen_getaddrinfo("two.test", 443, a, 4), 2);
        ck_assert_int_eq(a[0].any.sa_family, AF_INET6);
        ck_assert_uint_eq(ntohs(a[0].in6.sin6_port), 443);
        ck_assert_int_eq(a[1].any.sa_family, AF_INET);
        ck_assert_uint_eq(ntohs(a[1].in.sin_port), 443);
        ck_assert_int_eq(pen_getaddrinfo("two.test", 80, a, 1), 1);
        ck_assert_uint_eq(ntohs(a[0].in6.sin6_port), 80);
        ck_assert_int_eq(n_lookups, 1);
        return 0;
}

IN_VIRTUAL_LOOP(names_are_the_same_in_either_case)
{
        use_test_names();
        ck_assert_int_eq(resolve_any("a.ONE.test"), 1);
        ck_assert_int_eq(resolve_any("A.one.TEST"), 1);
        ck_assert_int_eq(n_lookups, 1);
        return 0;
}

IN_VIRTUAL_LOOP(answers_are_kept_a_minute_and_failures_five_seconds)
{
        use_test_names();
        ck_assert_int_eq(resolve_any("a.one.test"), 1);
        ck_assert_int_eq(resolve_any("unknown"), -ENXIO);
        ck_assert_int_eq(resolve_any("again.test"), -EAGAIN);
        ck_assert_int_eq(n_lookups, 3);

        ck_assert_int_eq(pen_sleep(5 * PEN_SEC - 1), 0);
        ck_assert_int_eq(resolve_any("unknown"), -ENXIO);
        ck_assert_int_eq(resolve_any("again.test"), -EAGAIN);
        ck_assert_int_eq(n_lookups, 3);

        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_int_eq(resolve_any("unknown"), -ENXIO);
        ck_assert_int_eq(resolve_any("again.test"), -EAGAIN);
        ck_assert_int_eq(n_lookups, 5);

        ck_assert_int_eq(pen_sleep(55 * PEN_SEC - 1), 0);
        ck_assert_int_eq(resolve_any("a.one.test"), 1);
        ck_assert_int_eq(n_lookups, 5);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_int_eq(resolve_any("a.one.test"), 1);
        ck_assert_int_eq(n_lookups, 6);
        return 0;
}

IN_VIRTUAL_LOOP(want_of_memory_is_not_kept)
{
        use_test_names();
        ck_assert_int_eq(resolve_any("memory.test"), -ENOMEM);
        ck_assert_int_eq(resolve_any("memory.test"), -ENOMEM);
        ck_assert_int_eq(n_lookups, 2);
        return 0;
}

IN_VIRTUAL_LOOP(oldest_of_too_many_names_are_forgotten)
{
        char host[32];

        use_test_names();
        for (int i = 0; i < 1100; i++) {
                sprintf(host, "%d.one.test", i);
                ck_assert_int_eq(resolve_any(host), 1);
        }
        ck_assert_int_eq(resolve_any("1099.one.test"), 1);
        ck_assert_int_eq(resolve_any("76.one.test"), 1);
        ck_assert_int_eq(n_lookups, 1100);
        ck_assert_int_eq(resolve_any("75.one.test"), 1);
        ck_assert_int_eq(n_lookups, 1101);
        return 0;
}

/* --- callers -------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(callers_at_once_share_one_lookup)
{
        struct pen_task *tasks[50];

        use_test_names();
        atomic_store(&gate, 0);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                tasks[i] = spawn(ask, hang);
        wait_for_hung(1);
        atomic_store(&gate, 1);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(finish(tasks[i]), 1);
        ck_assert_int_eq(n_lookups, 1);
        return 0;
}

IN_VIRTUAL_LOOP(cancelled_caller_leaves_the_lookup_to_the_others)
{
        struct pen_task *first, *second;

        use_test_names();
        atomic_store(&gate, 0);
        first = spawn(ask, hang);
        second = spawn(ask, hang);
        wait_for_hung(1);
        pen_task_cancel(first);
        ck_assert_int_eq(finish(first), -ECANCELED);
        atomic_store(&gate, 1);
        ck_assert_int_eq(finish(second), 1);
        ck_assert_int_eq(n_lookups, 1);
        return 0;
}

IN_VIRTUAL_LOOP(answer_is_kept_though_nobody_waits_for_it)
{
        struct pen_task *only;

        use_test_names();
        atomic_store(&gate, 0);
        only = spawn(ask, hang);
        wait_for_hung(1);
        pen_task_cancel(only);
        ck_assert_int_eq(finish(only), -ECANCELED);
        atomic_store(&gate, 1);
        ck_assert_int_eq(resolve_any(hang), 1);
        ck_assert_int_eq(n_lookups, 1);
        return 0;
}

IN_VIRTUAL_LOOP(cancelled_before_it_asks_looks_nothing_up)
{
        struct pen_task *t = spawn(ask, hang);

        use_test_names(); /* it has not run yet */
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        ck_assert_int_eq(n_lookups, 0);
        return 0;
}

IN_LOOP(name_that_hangs_delays_no_other_and_obeys_deadlines)
{
        struct pen_task *t;

        use_test_names();
        atomic_store(&gate, 0);
        t = spawn(ask, hang);
        wait_for_hung(1);
        ck_assert_int_eq(resolve_any("a.one.test"), 1);
        ck_assert_int_eq(pen_within(PEN_MSEC, ask, hang), -ETIME);
        ck_assert_int_eq(resolve_any("b.one.test"), 1);
        atomic_store(&gate, 1);
        ck_assert_int_eq(finish(t), 1);
        return 0;
}

__attribute__((unused)) static int n_threads(void)
{
        DIR *dir = opendir("/proc/self/task");
        int n = -2; /* . and .. */

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static int leave_hanging(void *arg)
{
        struct pen_task *t = spawn(ask, hang);

        (void)arg;
        wait_for_hung(1);
        pen_task_unref(t);
        return 7;
}

START_TEST(name_that_hangs_does_not_hold_up_the_end)
{
        use_test_names();
        atomic_store(&gate, 0);
        ck_assert_int_eq(pen_run(leave_hanging, NULL), 7);
        ck_assert_int_eq(n_left, 0);
        atomic_store(&gate, 1);
        while (!atomic_load(&n_left))
                usleep(100);
#if !defined(PEN_TSAN)          /* which has threads of its own */
        while (n_threads() > 1) /* the last one out frees what is left */
                usleep(100);
#endif
}
END_TEST

START_TEST(root_of_the_loop_gets_what_needs_no_waiting)
{
        struct world w;

        use_test_names();
        world_init(&w);
        ck_assert_int_eq(resolve_any("127.0.0.1"), 1);
        ck_assert_int_eq(resolve_any("a.one.test"), -EDEADLK);
        while (w.loop->n_tasks > 0)
                loop_turn(w.loop, true);
        ck_assert_int_eq(resolve_any("a.one.test"), 1);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE("resolve", address_in_digits_needs_no_lookup,
                         half_written_address_is_nobodys_name, empty_or_overlong_name_is_invalid,
                         addresses_come_in_order_with_the_port, names_are_the_same_in_either_case,
                         answers_are_kept_a_minute_and_failures_five_seconds,
                         want_of_memory_is_not_kept, oldest_of_too_many_names_are_forgotten,
                         callers_at_once_share_one_lookup,
                         cancelled_caller_leaves_the_lookup_to_the_others,
                         answer_is_kept_though_nobody_waits_for_it,
                         cancelled_before_it_asks_looks_nothing_up,
                         name_that_hangs_delays_no_other_and_obeys_deadlines,
                         name_that_hangs_does_not_hold_up_the_end,
                         root_of_the_loop_gets_what_needs_no_waiting);
}
