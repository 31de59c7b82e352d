#include "../runner.h"

#include <base/histogram.h>
#include <base/random.h>

START_TEST(without_samples_every_percentile_is_0)
{
        struct histogram h = { 0 };

        ck_assert_uint_eq(histogram_percentile(&h, 0), 0);
        ck_assert_uint_eq(histogram_percentile(&h, 50), 0);
        ck_assert_uint_eq(histogram_percentile(&h, 100), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
        struct histogram h = { 0 };

        for (uint64_t value = 1; value <= 10; value++)
                histogram_add(&h, value);
        ck_assert_uint_eq(histogram_percentile(&h, 0), 1);
        ck_assert_uint_eq(histogram_percentile(&h, 10), 1);
        ck_assert_uint_eq(histogram_percentile(&h, 50), 5);
        ck_assert_uint_eq(histogram_percentile(&h, 90), 9);
        ck_assert_uint_eq(histogram_percentile(&h, 91), 10);
        ck_assert_uint_eq(h.n, 10);
        ck_assert_uint_eq(h.max, 10);
}
END_TEST

START_TEST(any_value_is_reported_to_an_eighth)
{
        for (int bit = 0; bit < 64; bit++)
                for (int64_t near = -1; near <= 1; near++) {
                        uint64_t value = (1ull << bit) + (uint64_t)near, found;
                        struct histogram h = { 0 };

                        /* A larger one, lest the maximum does the work of the bucket. */
                        histogram_add(&h, value);
                        histogram_add(&h, UINT64_MAX);
                        found = histogram_percentile(&h, 50);
                        ck_assert_uint_ge(found, value);
                        ck_assert_uint_le(found - value, value / 8);
                }
}
END_TEST

START_TEST(largest_value_has_a_bucket_and_is_the_last_percentile)
{
        struct histogram h = { 0 };

        histogram_add(&h, 0);
        histogram_add(&h, UINT64_MAX);
        ck_assert_uint_eq(histogram_percentile(&h, 50), 0);
        ck_assert_uint_eq(histogram_percentile(&h, 100), UINT64_MAX);
}
END_TEST

START_TEST(no_percentile_exceeds_the_largest_sample)
{
        struct histogram h = { 0 };

        histogram_add(&h, 1000);
        ck_assert_uint_eq(histogram_percentile(&h, 1), 1000);
        ck_assert_uint_eq(histogram_percentile(&h, 100), 1000);
}
END_TEST

START_TEST(percentiles_of_many_samples_are_right_to_an_eighth)
{
        struct histogram h = { 0 };
        struct random r;

        random_seed(&r, 1);
        for (int i = 0; i < 100000; i++)
                histogram_add(&h, random_below(&r, 1000000));
        for (int percent = 1; percent <= 100; percent++) {
                double found = (double)histogram_percentile(&h, percent);

                ck_assert_double_ge(found, percent * 10000 * 0.98);
                ck_assert_double_le(found, percent * 10000 * 1.15);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("histogram", without_samples_every_percentile_is_0, small_values_are_exact,
                         any_value_is_reported_to_an_eighth,
                         largest_value_has_a_bucket_and_is_the_last_percentile,
                         no_percentile_exceeds_the_largest_sample,
                         percentiles_of_many_samples_are_right_to_an_eighth);
}
