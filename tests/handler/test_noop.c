#include "../async/world.h"
#include "../in_loop.h"

#include <errno.h>
#include <string.h>

#include <handler/noop.h>
#include <penstock/timeout.h>

static struct handler *make(pen_usec run, double fail, uint64_t seed)
{
        struct noop_options options = { .run = run, .fail = fail, .seed = seed };
        struct handler *handler;

        ck_assert_int_eq(noop_handler_create(&options, &handler), 0);
        return handler;
}

/* Whether one attempt fails. */
static bool fails(struct handler *handler)
{
        struct report report = REPORT_INIT;
        bool failed;

        ck_assert_int_eq(handler_run(handler, &(struct attempt){ .number = 1 }, &report), 0);
        failed = report.outcome == OUTCOME_FAILED;
        if (failed)
                ck_assert_str_eq(report.error, "noop was told to fail");
        else
                ck_assert_int_eq(report.outcome, OUTCOME_DONE);
        report_deinit(&report);
        return failed;
}

static size_t count_failures(double fail, uint64_t seed, size_t n)
{
        PEN_CLEANUP(handler_freep) struct handler *handler = make(0, fail, seed);
        size_t failures = 0;

        for (size_t i = 0; i < n; i++)
                failures += fails(handler);
        return failures;
}

IN_VIRTUAL_LOOP(it_takes_its_time_each_time)
{
        PEN_CLEANUP(handler_freep) struct handler *handler = make(90 * PEN_SEC, 0, 1);
        pen_usec began = pen_now();

        for (pen_usec i = 1; i <= 3; i++) {
                ck_assert(!fails(handler));
                ck_assert_uint_eq(pen_now() - began, i * 90 * PEN_SEC);
        }
        return 0;
}

IN_VIRTUAL_LOOP(a_failure_takes_its_time_too)
{
        PEN_CLEANUP(handler_freep) struct handler *handler = make(PEN_SEC, 1, 1);
        pen_usec began = pen_now();

        ck_assert(fails(handler));
        ck_assert_uint_eq(pen_now() - began, PEN_SEC);
        return 0;
}

IN_VIRTUAL_LOOP(without_a_time_it_takes_none)
{
        pen_usec began = pen_now();

        ck_assert_uint_eq(count_failures(0, 1, 1000), 0);
        ck_assert_uint_eq(pen_now(), began);
        return 0;
}

IN_VIRTUAL_LOOP(it_fails_with_its_probability)
{
        ck_assert_uint_eq(count_failures(0, 42, 10000), 0);
        ck_assert_uint_eq(count_failures(1, 42, 10000), 10000);
        for (int percent = 10; percent < 100; percent += 20) {
                double expected = 100.0 * percent;
                double failures = (double)count_failures(percent / 100.0, 42, 10000);

                /* 4 standard deviations are at most 200 */
                ck_assert_double_ge(failures, expected - 200);
                ck_assert_double_le(failures, expected + 200);
        }
        return 0;
}

IN_VIRTUAL_LOOP(the_same_seed_fails_the_same_ones)
{
        PEN_CLEANUP(handler_freep) struct handler *a = make(0, 0.5, 7);
        PEN_CLEANUP(handler_freep) struct handler *b = make(0, 0.5, 7);
        PEN_CLEANUP(handler_freep) struct handler *other = make(0, 0.5, 8);
        bool differs = false;

        for (int i = 0; i < 200; i++) {
                bool failed = fails(a);

                ck_assert_int_eq(fails(b), failed);
                differs |= fails(other) != failed;
        }
        ck_assert(differs);
        return 0;
}

static int run_once(void *handler)
{
        struct report report = REPORT_INIT;
        int r = handler_run(handler, &(struct attempt){ .number = 1 }, &report);

        report_deinit(&report);
        return r;
}

IN_VIRTUAL_LOOP(its_time_can_be_cut_short)
{
        PEN_CLEANUP(handler_freep) struct handler *handler = make(PEN_HOUR, 0, 1);
        struct pen_task *t;
        int r;

        ck_assert_int_eq(pen_within(PEN_SEC, run_once, handler), -ETIME);
        ck_assert_int_eq(pen_spawn(run_once, handler, &t), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        pen_task_cancel(t);
        ck_assert_int_eq(pen_await(t, &r), 0);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_uint_eq(pen_now(), 2 * PEN_SEC);
        pen_task_unref(t);
        return 0;
}

int main(void)
{
        return RUN_SUITE("noop", it_takes_its_time_each_time, a_failure_takes_its_time_too,
                         without_a_time_it_takes_none, it_fails_with_its_probability,
                         the_same_seed_fails_the_same_ones, its_time_can_be_cut_short);
}
