#include "../runner.h"

#include <limits.h>

#include <base/backoff.h>

START_TEST(grows_by_its_factor_up_to_the_greatest)
{
        ck_assert_uint_eq(backoff_exponential(100, 2, 1000, 1), 100);
        ck_assert_uint_eq(backoff_exponential(100, 2, 1000, 2), 200);
        ck_assert_uint_eq(backoff_exponential(100, 2, 1000, 4), 800);
        ck_assert_uint_eq(backoff_exponential(100, 2, 1000, 5), 1000);
        ck_assert_uint_eq(backoff_exponential(100, 2, 1000, UINT_MAX), 1000);
        ck_assert_uint_eq(backoff_exponential(100, 1.5, 1000, 3), 225);
        ck_assert_uint_eq(backoff_exponential(100, 1, 1000, UINT_MAX), 100);
        ck_assert_uint_eq(backoff_exponential(5000, 2, 1000, 1), 1000);
        ck_assert_uint_eq(backoff_exponential(0, 1e308, 1000, UINT_MAX), 0);
        ck_assert_uint_eq(backoff_exponential(1, 1e308, UINT64_MAX, 3), UINT64_MAX);
}
END_TEST

START_TEST(without_jitter_nothing_is_cut)
{
        struct random random;

        random_seed(&random, 1);
        ck_assert_uint_eq(backoff_jitter(0, 0, &random), 0);
        ck_assert_uint_eq(backoff_jitter(12345, 0, &random), 12345);
        ck_assert_uint_eq(backoff_jitter(UINT64_MAX, 0, &random), UINT64_MAX);
        ck_assert_uint_eq(backoff_jitter(0, 1, &random), 0);
}
END_TEST

/* Of 8 the share is cut, from none to all of it, and each cut is alike probable. */
START_TEST(share_is_cut_from_none_to_all)
{
        static const double shares[] = { 0.25, 0.5, 1 };
        struct random random;

        random_seed(&random, 2);
        for (int s = 0; s < 3; s++) {
                unsigned seen[9] = { 0 }, least = 8 - (2u << s);

                for (unsigned i = 0; i < 9000; i++)
                        seen[backoff_jitter(8, shares[s], &random)]++;
                for (unsigned i = 0; i < 9; i++) {
                        unsigned fair = i < least ? 0 : 9000 / (9 - least);

                        ck_assert_uint_ge(seen[i], fair * 8 / 10);
                        ck_assert_uint_le(seen[i], fair * 12 / 10);
                }
        }
}
END_TEST

START_TEST(any_delay_and_share_stay_in_range)
{
        struct random r;

        random_seed(&r, 3);
        for (int i = 0; i < 100000; i++) {
                pen_usec delay = random_next(&r) >> random_below(&r, 64);
                double share = (double)random_below(&r, 1001) / 1000;
                pen_usec got = backoff_jitter(delay, share, &r);

                ck_assert_uint_le(got, delay);
                ck_assert_double_ge((double)got + 1, (double)delay * (1 - share) * (1 - 1e-12));
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("backoff", grows_by_its_factor_up_to_the_greatest,
                         without_jitter_nothing_is_cut, share_is_cut_from_none_to_all,
                         any_delay_and_share_stay_in_range);
}
