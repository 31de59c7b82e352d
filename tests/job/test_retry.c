#include "../runner.h"

#include <limits.h>

#include <job/retry.h>

static struct retry_policy policy_of(enum backoff backoff, enum jitter jitter)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;

        policy.backoff = backoff;
        policy.jitter = jitter;
        return policy;
}

START_TEST(exponential_doubles_up_to_max_delay)
{
        struct retry_policy policy = policy_of(BACKOFF_EXPONENTIAL, JITTER_NONE);

        ck_assert_uint_eq(retry_base_delay(&policy, 1), 1 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 2), 2 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 3), 4 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 10), 512 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 11), 10 * PEN_MINUTE);
        ck_assert_uint_eq(retry_base_delay(&policy, UINT_MAX), 10 * PEN_MINUTE);
        policy.factor = 1.5;
        ck_assert_uint_eq(retry_base_delay(&policy, 3), 2250 * PEN_MSEC);
}
END_TEST

START_TEST(linear_grows_by_delay_up_to_max_delay)
{
        struct retry_policy policy = policy_of(BACKOFF_LINEAR, JITTER_NONE);

        ck_assert_uint_eq(retry_base_delay(&policy, 1), 1 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 599), 599 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 601), 10 * PEN_MINUTE);
        policy.delay = UINT64_MAX / 2 + 1;
        ck_assert_uint_eq(retry_base_delay(&policy, 2), 10 * PEN_MINUTE);
}
END_TEST

START_TEST(constant_and_list_say_what_they_were_told)
{
        static const pen_usec list[] = { 5 * PEN_SEC, 1 * PEN_SEC, 2 * PEN_HOUR };
        struct retry_policy policy = policy_of(BACKOFF_CONSTANT, JITTER_NONE);

        policy.delay = 1 * PEN_HOUR;
        ck_assert_uint_eq(retry_base_delay(&policy, 1), 1 * PEN_HOUR);
        ck_assert_uint_eq(retry_base_delay(&policy, UINT_MAX), 1 * PEN_HOUR);

        policy.backoff = BACKOFF_LIST;
        policy.list = list;
        policy.n_list = ARRAY_SIZE(list);
        ck_assert_uint_eq(retry_base_delay(&policy, 1), 5 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 2), 1 * PEN_SEC);
        ck_assert_uint_eq(retry_base_delay(&policy, 3), 2 * PEN_HOUR);
        ck_assert_uint_eq(retry_base_delay(&policy, 4), 2 * PEN_HOUR);
        ck_assert_uint_eq(retry_base_delay(&policy, UINT_MAX), 2 * PEN_HOUR);
}
END_TEST

START_TEST(no_delay_stays_none_for_any_factor)
{
        struct retry_policy policy = policy_of(BACKOFF_EXPONENTIAL, JITTER_FULL);
        struct random random;

        random_seed(&random, 1);
        policy.delay = 0;
        policy.factor = 1e308;
        ck_assert_uint_eq(retry_delay(&policy, 1, &random), 0);
        ck_assert_uint_eq(retry_delay(&policy, UINT_MAX, &random), 0);
}
END_TEST

/* A number of random magnitude: small ones, large ones and the very ends are alike probable. */
static uint64_t any_u64(struct random *r)
{
        switch (random_below(r, 8)) {
        case 0:
                return UINT64_MAX;
        case 1:
                return 0;
        }
        return random_next(r) >> random_below(r, 64);
}

static unsigned any_n(struct random *r)
{
        return random_below(r, 8) ? 1 + (unsigned)random_below(r, 100) : UINT_MAX;
}

static struct retry_policy any_policy(struct random *r)
{
        static const double factors[] = { 1, 1.001, 1.5, 2, 10, 1e9, 1e308 };
        static pen_usec list[4];

        for (size_t i = 0; i < ARRAY_SIZE(list); i++)
                list[i] = any_u64(r);
        return (struct retry_policy){
                .max_attempts = any_n(r),
                .max_crashes = any_n(r),
                .backoff = (enum backoff)random_below(r, BACKOFF_LIST + 1),
                .jitter = (enum jitter)random_below(r, JITTER_EQUAL + 1),
                .delay = any_u64(r),
                .max_delay = any_u64(r),
                .factor = factors[random_below(r, ARRAY_SIZE(factors))],
                .list = list,
                .n_list = 1 + random_below(r, ARRAY_SIZE(list)),
        };
}

START_TEST(growing_delays_never_fall_and_never_exceed_max_delay)
{
        struct random r;

        random_seed(&r, 1);
        for (int i = 0; i < 5000; i++) {
                struct retry_policy policy = any_policy(&r);
                pen_usec last = 0;
                int wrong = 0;

                if (policy.backoff == BACKOFF_CONSTANT || policy.backoff == BACKOFF_LIST)
                        continue;
                for (unsigned n = 1; n < 100; n++) {
                        pen_usec delay = retry_base_delay(&policy, n);

                        wrong += delay > policy.max_delay || delay < last;
                        last = delay;
                }
                ck_assert_int_eq(wrong, 0);
                ck_assert_uint_ge(retry_base_delay(&policy, UINT_MAX), last);
                ck_assert_uint_le(retry_base_delay(&policy, UINT_MAX), policy.max_delay);
        }
}
END_TEST

START_TEST(jitter_stays_in_its_range)
{
        struct random r;

        random_seed(&r, 2);
        for (int i = 0; i < 20000; i++) {
                struct retry_policy policy = any_policy(&r);
                unsigned n = any_n(&r);
                pen_usec base = retry_base_delay(&policy, n), delay = retry_delay(&policy, n, &r);

                ck_assert_uint_le(delay, base);
                if (policy.jitter == JITTER_NONE)
                        ck_assert_uint_eq(delay, base);
                if (policy.jitter == JITTER_EQUAL)
                        ck_assert_uint_ge(delay, base / 2);
        }
}
END_TEST

/* With a delay of 9 µs each of the numbers that may come does come, and about alike often. */
START_TEST(jitter_uses_all_of_its_range)
{
        struct retry_policy policy = policy_of(BACKOFF_CONSTANT, JITTER_FULL);
        int full[10] = { 0 }, equal[10] = { 0 };
        struct random r;

        random_seed(&r, 3);
        policy.delay = 9;
        for (int i = 0; i < 10000; i++)
                full[retry_delay(&policy, 1, &r)]++;
        policy.jitter = JITTER_EQUAL;
        for (int i = 0; i < 10000; i++)
                equal[retry_delay(&policy, 1, &r)]++;
        for (int i = 0; i < 10; i++) {
                ck_assert_int_gt(full[i], 850);
                ck_assert_int_lt(full[i], 1150);
                ck_assert_int_ge(equal[i], i < 4 ? 0 : 1500);
                ck_assert_int_le(equal[i], i < 4 ? 0 : 1850);
        }
}
END_TEST

START_TEST(largest_delay_can_be_jittered)
{
        struct retry_policy policy = policy_of(BACKOFF_CONSTANT, JITTER_FULL);
        pen_usec largest = 0;
        struct random r;

        random_seed(&r, 4);
        policy.delay = UINT64_MAX;
        for (int i = 0; i < 100; i++) {
                pen_usec delay = retry_delay(&policy, 1, &r);

                largest = MAX(largest, delay);
        }
        ck_assert_uint_gt(largest, UINT64_MAX / 2);
        policy.jitter = JITTER_EQUAL;
        ck_assert_uint_ge(retry_delay(&policy, 1, &r), UINT64_MAX / 2);
}
END_TEST

static struct verdict judge(const struct retry_policy *policy, struct job *job,
                            enum outcome outcome)
{
        struct random random;

        random_seed(&random, 5);
        return retry_judge(policy, job, outcome, PEN_FOREVER, &random);
}

START_TEST(done_ends_well_and_rejected_dies_at_once)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job job = { .attempts = 0 };

        ck_assert_int_eq(judge(&policy, &job, OUTCOME_DONE).move, MOVE_DONE);
        ck_assert_int_eq(judge(&policy, &job, OUTCOME_REJECTED).move, MOVE_DEAD);
        ck_assert_uint_eq(job.attempts, 0);
        ck_assert_uint_eq(job.crashes, 0);
}
END_TEST

START_TEST(failures_and_timeouts_share_one_budget)
{
        struct retry_policy policy = policy_of(BACKOFF_EXPONENTIAL, JITTER_NONE);
        struct job job = { .attempts = 0 };
        struct verdict v;

        policy.max_attempts = 3;
        v = judge(&policy, &job, OUTCOME_FAILED);
        ck_assert_int_eq(v.move, MOVE_RETRY);
        ck_assert_uint_eq(v.delay, 1 * PEN_SEC);
        v = judge(&policy, &job, OUTCOME_TIMEOUT);
        ck_assert_int_eq(v.move, MOVE_RETRY);
        ck_assert_uint_eq(v.delay, 2 * PEN_SEC);
        ck_assert_int_eq(judge(&policy, &job, OUTCOME_FAILED).move, MOVE_DEAD);
        ck_assert_uint_eq(job.attempts, 3);
        ck_assert_uint_eq(job.crashes, 0);
}
END_TEST

START_TEST(max_attempts_of_the_job_goes_before_the_policys)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job once = { .fields.max_attempts = 1 }, often = { .fields.max_attempts = 100 };

        ck_assert_int_eq(judge(&policy, &once, OUTCOME_FAILED).move, MOVE_DEAD);
        for (unsigned i = 1; i < 100; i++)
                ck_assert_int_eq(judge(&policy, &often, OUTCOME_TIMEOUT).move, MOVE_RETRY);
        ck_assert_int_eq(judge(&policy, &often, OUTCOME_TIMEOUT).move, MOVE_DEAD);
}
END_TEST

START_TEST(crashes_have_a_budget_of_their_own_and_no_delay)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job job = { .attempts = 0 };

        for (int i = 1; i < 3; i++) {
                struct verdict v = judge(&policy, &job, OUTCOME_CRASHED);

                ck_assert_int_eq(v.move, MOVE_RELEASE);
                ck_assert_uint_eq(v.delay, 0);
        }
        ck_assert_int_eq(judge(&policy, &job, OUTCOME_CRASHED).move, MOVE_DEAD);
        ck_assert_uint_eq(job.crashes, 3);
        ck_assert_uint_eq(job.attempts, 0);
}
END_TEST

START_TEST(released_and_unavailable_cost_nothing)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job job = { .attempts = 7, .crashes = 2 };

        for (int i = 0; i < 1000; i++) {
                ck_assert_int_eq(judge(&policy, &job, OUTCOME_RELEASED).move, MOVE_RELEASE);
                ck_assert_int_eq(judge(&policy, &job, OUTCOME_UNAVAILABLE).move, MOVE_RELEASE);
        }
        ck_assert_uint_eq(job.attempts, 7);
        ck_assert_uint_eq(job.crashes, 2);
}
END_TEST

START_TEST(named_delay_is_taken_as_it_is_up_to_max_delay)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job job = { .fields.max_attempts = 4 };
        struct random r;

        random_seed(&r, 6);
        ck_assert_uint_eq(retry_judge(&policy, &job, OUTCOME_FAILED, 30 * PEN_SEC, &r).delay,
                          30 * PEN_SEC);
        ck_assert_uint_eq(retry_judge(&policy, &job, OUTCOME_FAILED, 0, &r).delay, 0);
        ck_assert_uint_eq(retry_judge(&policy, &job, OUTCOME_FAILED, PEN_DAY, &r).delay,
                          10 * PEN_MINUTE);
        ck_assert_int_eq(retry_judge(&policy, &job, OUTCOME_FAILED, 0, &r).move, MOVE_DEAD);
}
END_TEST

START_TEST(spent_counts_do_not_wrap_into_a_new_budget)
{
        struct retry_policy policy = RETRY_POLICY_DEFAULT;
        struct job job = { .attempts = UINT_MAX, .crashes = UINT_MAX };

        ck_assert_int_eq(judge(&policy, &job, OUTCOME_FAILED).move, MOVE_DEAD);
        ck_assert_int_eq(judge(&policy, &job, OUTCOME_CRASHED).move, MOVE_DEAD);
        ck_assert_uint_eq(job.attempts, UINT_MAX);
        ck_assert_uint_eq(job.crashes, UINT_MAX);
}
END_TEST

/* Whatever happens to it in whatever order: it dies with exactly the failure or the crash that
 * spends a budget, and with no other. */
START_TEST(any_history_spends_its_budgets_exactly)
{
        struct random r;

        random_seed(&r, 7);
        for (int i = 0; i < 2000; i++) {
                struct retry_policy policy = any_policy(&r);
                struct job job = { .fields.max_attempts = (unsigned)random_below(&r, 4) };
                unsigned failures = 0, crashes = 0, budget = job.fields.max_attempts;

                budget = budget ? budget : policy.max_attempts;
                for (int step = 0; step < 300; step++) {
                        enum outcome outcome = (enum outcome)random_below(&r, OUTCOME_MAX);
                        enum move expected = MOVE_RELEASE;
                        struct verdict v;

                        if (outcome == OUTCOME_FAILED || outcome == OUTCOME_TIMEOUT)
                                expected = ++failures == budget ? MOVE_DEAD : MOVE_RETRY;
                        if (outcome == OUTCOME_CRASHED)
                                expected =
                                        ++crashes == policy.max_crashes ? MOVE_DEAD : MOVE_RELEASE;
                        if (outcome == OUTCOME_REJECTED)
                                continue;
                        if (outcome == OUTCOME_EXPIRED)
                                expected = MOVE_EXPIRE;
                        if (outcome == OUTCOME_CANCELLED)
                                expected = MOVE_CANCEL;
                        if (outcome == OUTCOME_DONE)
                                expected = MOVE_DONE;
                        v = retry_judge(&policy, &job, outcome, PEN_FOREVER, &r);
                        ck_assert_int_eq(v.move, expected);
                        ck_assert_uint_eq(job.attempts, failures);
                        ck_assert_uint_eq(job.crashes, crashes);
                        if (v.move == MOVE_RETRY)
                                ck_assert_uint_le(v.delay, retry_base_delay(&policy, failures));
                        else
                                ck_assert_uint_eq(v.delay, 0);
                        if (v.move == MOVE_DEAD)
                                break;
                }
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "retry", exponential_doubles_up_to_max_delay, linear_grows_by_delay_up_to_max_delay,
                constant_and_list_say_what_they_were_told, no_delay_stays_none_for_any_factor,
                growing_delays_never_fall_and_never_exceed_max_delay, jitter_stays_in_its_range,
                jitter_uses_all_of_its_range, largest_delay_can_be_jittered,
                done_ends_well_and_rejected_dies_at_once, failures_and_timeouts_share_one_budget,
                max_attempts_of_the_job_goes_before_the_policys,
                crashes_have_a_budget_of_their_own_and_no_delay,
                released_and_unavailable_cost_nothing,
                named_delay_is_taken_as_it_is_up_to_max_delay,
                spent_counts_do_not_wrap_into_a_new_budget, any_history_spends_its_budgets_exactly);
}
