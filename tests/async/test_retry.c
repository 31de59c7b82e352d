#include "world.h"

#include <errno.h>
#include <string.h>

#include <penstock/retry.h>
#include <penstock/timeout.h>

/* A call that fails so often, with the errors given, and says when it is called. */
struct flaky {
        struct world *w;
        struct pen_retry_policy policy;
        const int *answers; /* one for each call; the last one for all further */
        size_t n;
        size_t calls;
        pen_usec takes;
};

static int call(void *flaky)
{
        struct flaky *f = flaky;
        size_t i = MIN(f->calls, f->n - 1);
        int r;

        f->calls++;
        world_say(f->w, "%d ", (int)(pen_now() / PEN_SEC));
        r = f->takes ? pen_sleep(f->takes) : 0;
        return r < 0 ? r : f->answers[i];
}

static int try_it(void *flaky)
{
        struct flaky *f = flaky;

        return pen_retry(&f->policy, call, f);
}

static struct flaky flaky_of(struct world *w, const int *answers, size_t n)
{
        struct flaky f = { .w = w, .policy = PEN_RETRY_DEFAULT, .answers = answers, .n = n };

        f.policy.jitter = 0;
        return f;
}

/* What it answers after at most an hour of the virtual clock. */
static int result_of(struct flaky *f)
{
        struct pen_task *t = world_spawn_arg(f->w, try_it, f);

        world_advance(f->w, PEN_HOUR);
        return pen_task_result(t);
}

/* --- attempts --------------------------------------------------------------------------------- */

static const int fails[] = { -EIO };
static const int works_at_third[] = { -EIO, -EPIPE, 7 };

START_TEST(call_is_made_until_it_succeeds)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, works_at_third, 3);
        ck_assert_int_eq(result_of(&f), 7);
        ck_assert_uint_eq(f.calls, 3);
        ck_assert_str_eq(w.trace, "0 1 3 ");
}
END_TEST

START_TEST(success_at_once_waits_for_nothing)
{
        static const int works[] = { 0 };
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;
        struct pen_task *t;

        world_init(&w);
        f = flaky_of(&w, works, 1);
        t = world_spawn_arg(&w, try_it, &f);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 0);
        ck_assert_uint_eq(f.calls, 1);
}
END_TEST

START_TEST(last_error_is_answered_without_a_pause_after_it)
{
        static const int errors[] = { -EIO, -EPIPE, -EAGAIN, 5 };
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;
        struct pen_task *t;

        world_init(&w);
        f = flaky_of(&w, errors, 4);
        t = world_spawn_arg(&w, try_it, &f);
        world_advance(&w, 3 * PEN_SEC);
        ck_assert_int_eq(pen_task_result(t), -EAGAIN);
        ck_assert_uint_eq(f.calls, 3);
}
END_TEST

START_TEST(number_of_attempts_counts_the_first_and_0_is_1)
{
        static const unsigned attempts[] = { 0, 1, 2, 10 }, calls[] = { 1, 1, 2, 10 };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
                struct flaky f = flaky_of(&w, fails, 1);

                f.policy.attempts = attempts[i];
                ck_assert_int_eq(result_of(&f), -EIO);
                ck_assert_uint_eq(f.calls, calls[i]);
        }
}
END_TEST

/* --- pauses ----------------------------------------------------------------------------------- */

START_TEST(pauses_grow_up_to_the_greatest)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.policy.attempts = 7;
        f.policy.max_delay = 6 * PEN_SEC;
        ck_assert_int_eq(result_of(&f), -EIO);
        ck_assert_str_eq(w.trace, "0 1 3 7 13 19 25 ");
}
END_TEST

START_TEST(pause_follows_the_call_however_long_that_takes)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.takes = 10 * PEN_SEC;
        ck_assert_int_eq(result_of(&f), -EIO);
        ck_assert_str_eq(w.trace, "0 11 23 ");
}
END_TEST

static int yield_often(void *flaky)
{
        struct flaky *f = flaky;

        while (f->calls < 50)
                ck_assert_int_eq(pen_yield(), 0);
        return 1;
}

START_TEST(without_a_delay_others_run_in_between)
{
        struct pen_task *t, *other;
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.policy.delay = 0;
        f.policy.attempts = 100;
        t = world_spawn_arg(&w, try_it, &f);
        other = world_spawn_arg(&w, yield_often, &f);
        ck_assert(loop_turn(w.loop, false));
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -EIO);
        ck_assert_int_eq(pen_task_result(other), 1);
        ck_assert_uint_eq(f.calls, 100);
        ck_assert_uint_eq(w.loop->now, 0);
}
END_TEST

/* When the second attempt comes with that seed, in microseconds; the first is at 0. */
static pen_usec second_attempt(double jitter, uint64_t seed)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;
        struct flaky f;

        world_init_seeded(&w, seed);
        f = flaky_of(&w, fails, 1);
        f.policy.attempts = 2;
        f.policy.jitter = jitter;
        t = world_spawn_arg(&w, try_it, &f);
        while (!pen_task_done(t))
                ck_assert(loop_turn(w.loop, true));
        return w.loop->now;
}

START_TEST(jitter_cuts_its_share_by_chance_and_a_seed_repeats_it)
{
        static const double shares[] = { 0, 0.25, 1 };

        for (size_t s = 0; s < ARRAY_SIZE(shares); s++) {
                pen_usec least = PEN_SEC, most = 0;

                for (uint64_t seed = 1; seed <= 40; seed++) {
                        pen_usec at = second_attempt(shares[s], seed);

                        ck_assert_uint_eq(second_attempt(shares[s], seed), at);
                        least = MIN(least, at);
                        most = MAX(most, at);
                }
                ck_assert_uint_le(most, PEN_SEC);
                ck_assert_double_ge((double)least, (1 - shares[s]) * (double)PEN_SEC - 1);
                /* 40 draws of which none is in the last quarter: a chance of 1 in 100,000 */
                ck_assert_double_ge((double)most, (1 - shares[s] / 4) * (double)PEN_SEC - 1);
                ck_assert_double_le((double)least, (1 - shares[s] * 3 / 4) * (double)PEN_SEC + 1);
        }
}
END_TEST

START_TEST(without_a_seed_each_loop_has_its_own_jitter)
{
        pen_usec first = second_attempt(1, 0);
        int differ = 0;

        for (int i = 0; i < 10; i++)
                differ += second_attempt(1, 0) != first;
        ck_assert_int_gt(differ, 0);
}
END_TEST

/* --- which errors ----------------------------------------------------------------------------- */

static bool unless_refused(int error, void *data)
{
        ++*(int *)data;
        return error != -ECONNREFUSED;
}

START_TEST(caller_says_which_errors_are_worth_another)
{
        static const int errors[] = { -EIO, -ETIME, -ECONNREFUSED, 0 };
        int asked = 0;
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, errors, 4);
        f.policy.attempts = 10;
        f.policy.again = unless_refused;
        f.policy.data = &asked;
        ck_assert_int_eq(result_of(&f), -ECONNREFUSED);
        ck_assert_uint_eq(f.calls, 3);
        ck_assert_int_eq(asked, 3);
        f.policy.attempts = 1; /* of the last one he is not asked */
        f.calls = 0;
        ck_assert_int_eq(result_of(&f), -EIO);
        ck_assert_int_eq(asked, 3);
}
END_TEST

static bool always(int error, void *data)
{
        (void)error, (void)data;
        return true;
}

START_TEST(cancellation_is_never_tried_again)
{
        static const int cancelled[] = { -ECANCELED, 0 };
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, cancelled, 2);
        f.policy.again = always;
        ck_assert_int_eq(result_of(&f), -ECANCELED);
        ck_assert_uint_eq(f.calls, 1);
}
END_TEST

static void cancel_at(pen_usec when, size_t calls)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.takes = PEN_SEC;
        f.policy.again = always;
        t = world_spawn_arg(&w, try_it, &f);
        if (when < PEN_FOREVER)
                world_advance(&w, when);
        pen_task_cancel(t);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_uint_eq(f.calls, calls);
}

START_TEST(cancelled_in_the_call_in_a_pause_or_before_it_ends_at_once)
{
        cancel_at(PEN_SEC / 2, 1);     /* in the first call */
        cancel_at(PEN_SEC * 3 / 2, 1); /* in the pause after it */
        cancel_at(PEN_SEC * 5 / 2, 2); /* in the second call */
        cancel_at(PEN_FOREVER, 0);     /* before its first run */
}
END_TEST

static int try_within(void *flaky)
{
        struct flaky *f = flaky;
        int r = pen_within(5 * PEN_SEC, try_it, f);

        ck_assert_int_eq(pen_yield(), 0);
        world_say(f->w, "at %d", (int)(pen_now() / PEN_SEC));
        return r;
}

START_TEST(deadline_around_all_attempts_ends_them)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.policy.attempts = 10;
        t = world_spawn_arg(&w, try_within, &f);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        ck_assert_str_eq(w.trace, "0 1 3 at 5");
}
END_TEST

static int call_within(void *flaky)
{
        return pen_within(PEN_SEC, call, flaky);
}

static int try_each_within(void *flaky)
{
        struct flaky *f = flaky;

        return pen_retry(&f->policy, call_within, f);
}

START_TEST(attempt_that_ran_out_of_its_own_time_is_tried_again)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f;

        world_init(&w);
        f = flaky_of(&w, fails, 1);
        f.takes = PEN_MINUTE;
        t = world_spawn_arg(&w, try_each_within, &f);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
        ck_assert_str_eq(w.trace, "0 2 5 ");
}
END_TEST

/* --- misused ---------------------------------------------------------------------------------- */

START_TEST(senseless_policies_are_refused_before_the_first_call)
{
        static const double factors[] = { 0.5, -1, 0, 0.0 / 0.0 },
                            jitters[] = { -0.1, 1.1, 0.0 / 0.0 };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
                struct flaky f = flaky_of(&w, fails, 1);

                f.policy.factor = factors[i];
                ck_assert_int_eq(result_of(&f), -EINVAL);
                ck_assert_uint_eq(f.calls, 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(jitters); i++) {
                struct flaky f = flaky_of(&w, fails, 1);

                f.policy.jitter = jitters[i];
                ck_assert_int_eq(result_of(&f), -EINVAL);
                ck_assert_uint_eq(f.calls, 0);
        }
}
END_TEST

START_TEST(retry_needs_a_task)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct flaky f = flaky_of(&w, fails, 1);

        ck_assert_int_eq(try_it(&f), -EDEADLK);
        world_init(&w);
        ck_assert_int_eq(try_it(&f), -EDEADLK);
        ck_assert_uint_eq(f.calls, 0);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "retry", call_is_made_until_it_succeeds, success_at_once_waits_for_nothing,
                last_error_is_answered_without_a_pause_after_it,
                number_of_attempts_counts_the_first_and_0_is_1, pauses_grow_up_to_the_greatest,
                pause_follows_the_call_however_long_that_takes,
                without_a_delay_others_run_in_between,
                jitter_cuts_its_share_by_chance_and_a_seed_repeats_it,
                without_a_seed_each_loop_has_its_own_jitter,
                caller_says_which_errors_are_worth_another, cancellation_is_never_tried_again,
                cancelled_in_the_call_in_a_pause_or_before_it_ends_at_once,
                deadline_around_all_attempts_ends_them,
                attempt_that_ran_out_of_its_own_time_is_tried_again,
                senseless_policies_are_refused_before_the_first_call, retry_needs_a_task);
}
