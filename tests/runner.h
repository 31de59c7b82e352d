/* main() of a test program: `return RUN_SUITE("heap", keeps_order, ...);`
 *
 * Not 0 if a test failed. CK_FORK, CK_RUN_CASE, CK_VERBOSITY and the like do what Check says.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <check.h>

#define RUN_SUITE(name, ...)                                   \
        run_suite(name, (const TTest *const[]){ __VA_ARGS__ }, \
                  sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(TTest *))

static inline int run_suite(const char *name, const TTest *const tests[], size_t n)
{
        Suite *suite = suite_create(name);
        TCase *all = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_set_timeout(all, 120); /* for Valgrind; no test waits */
        for (size_t i = 0; i < n; i++)
                tcase_add_test(all, tests[i]);
        suite_add_tcase(suite, all);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The stack of a task, or the smallest that a thread can have, if that is more. */
static inline size_t small_stack(void)
{
        long least = sysconf(_SC_THREAD_STACK_MIN);

        return least > 64 * 1024 ? (size_t)least : (size_t)64 * 1024;
}
