#include "contract.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PROMISES_MAX 100
#define STORES_MAX 4

static const struct promise *const chapters[] = { push_promises, time_promises, settle_promises,
                                                  dead_promises, cancel_promises };

static const struct promise *promises[PROMISES_MAX];
static size_t n_promises;
static const struct store_under_test *stores;

/* Shared with the processes of the tests. */
enum cell {
        EMPTY,
        BROKEN,
        KEPT
};
static enum cell (*cells)[PROMISES_MAX];

static int keep(void *promise)
{
        ((const struct promise *)promise)->keep();
        return 0;
}

/* `number` of store and promise. */
static void test(int number)
{
        size_t store = (size_t)number / PROMISES_MAX, i = (size_t)number % PROMISES_MAX;
        struct pen_options options = PEN_OPTIONS_DEFAULT;

        under_test = &stores[store];
        options.clock = under_test->clock;
        cells[store][i] = BROKEN;
        ck_assert_int_eq(pen_run_with(&options, keep, (void *)promises[i]), 0);
        if (under_test->end)
                under_test->end();
        cells[store][i] = KEPT;
}

static void list_promises(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(chapters); i++) {
                for (const struct promise *p = chapters[i]; p->name; p++) {
                        if (n_promises == PROMISES_MAX)
                                abort();
                        promises[n_promises++] = p;
                }
        }
}

static TCase *case_of(size_t store)
{
        static TTest tests[STORES_MAX][PROMISES_MAX];
        TCase *all = tcase_create(stores[store].name);

        tcase_set_timeout(all, 120); /* for Valgrind */
        for (size_t i = 0; i < n_promises; i++) {
                int number = (int)(store * PROMISES_MAX + i);

                tests[store][i] = (TTest){ promises[i]->name, test, __FILE__, __LINE__ };
                tcase_add_loop_test(all, &tests[store][i], number, number + 1);
        }
        return all;
}

/* Answers how many cells are not kept. */
static size_t print_table(size_t n_stores)
{
        static const char *const words[] = { [EMPTY] = "", [BROKEN] = "BROKEN", [KEPT] = "kept" };
        size_t missing = 0;

        printf("%-66s", "");
        for (size_t s = 0; s < n_stores; s++)
                printf("%-8s", stores[s].name);
        for (size_t i = 0; i < n_promises; i++) {
                printf("\n%-66s", promises[i]->name);
                for (size_t s = 0; s < n_stores; s++) {
                        printf("%-8s", words[cells[s][i]]);
                        missing += cells[s][i] != KEPT;
                }
        }
        printf("\n%zu promises, %zu stores, %zu cells not kept\n", n_promises, n_stores, missing);
        return missing;
}

int run_store_contract(const struct store_under_test *all, size_t n)
{
        Suite *suite = suite_create("store contract");
        SRunner *runner = srunner_create(suite);
        bool chosen = getenv("CK_RUN_CASE") || getenv("CK_RUN_SUITE"); /* then cells are empty */
        size_t failed, missing;

        stores = all;
        list_promises();
        cells = mmap(NULL, STORES_MAX * sizeof(*cells), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (cells == MAP_FAILED || n > STORES_MAX)
                abort();
        for (size_t i = 0; i < n; i++)
                suite_add_tcase(suite, case_of(i));
        srunner_run_all(runner, CK_ENV);
        failed = (size_t)srunner_ntests_failed(runner);
        srunner_free(runner);
        missing = print_table(n);
        return failed > 0 || (missing > 0 && !chosen) ? EXIT_FAILURE : EXIT_SUCCESS;
}
