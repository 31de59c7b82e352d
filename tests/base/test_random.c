#include "../runner.h"

#include <base/random.h>

START_TEST(seed_repeats_the_sequence)
{
        struct random a, b, other;
        int same = 0;

        random_seed(&a, 42);
        random_seed(&b, 42);
        random_seed(&other, 43);
        for (int i = 0; i < 1000; i++) {
                uint64_t x = random_next(&a);

                ck_assert_uint_eq(x, random_next(&b));
                same += x == random_next(&other);
        }
        ck_assert_int_eq(same, 0);
}
END_TEST

/* The first numbers of the authors' xoshiro256starstar.c from the state 1, 2, 3, 4. */
START_TEST(sequence_is_xoshiro256_starstar)
{
        static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
        struct random r = { { 1, 2, 3, 4 } };

        for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
                ck_assert_uint_eq(random_next(&r), expected[i]);
}
END_TEST

START_TEST(system_seeds_differ)
{
        struct random a, b;

        random_seed_from_system(&a);
        random_seed_from_system(&b);
        ck_assert_uint_ne(random_next(&a), random_next(&b));
}
END_TEST

START_TEST(below_reaches_every_number_evenly)
{
        struct random r;
        int counts[6] = { 0 };

        random_seed(&r, 1);
        for (int i = 0; i < 60000; i++) {
                uint64_t x = random_below(&r, 6);

                ck_assert_uint_lt(x, 6);
                counts[x]++;
        }
        for (int i = 0; i < 6; i++) {
                ck_assert_int_gt(counts[i], 9500);
                ck_assert_int_lt(counts[i], 10500);
        }
}
END_TEST

/* With n = 3/4 of the range, a plain remainder would give the lowest third twice as often. */
START_TEST(below_has_no_bias_for_large_bounds)
{
        const uint64_t n = UINT64_MAX / 4 * 3;
        struct random r;
        int low = 0;

        random_seed(&r, 1);
        for (int i = 0; i < 30000; i++) {
                uint64_t x = random_below(&r, n);

                ck_assert_uint_lt(x, n);
                low += x < n / 3;
        }
        ck_assert_int_gt(low, 9500);
        ck_assert_int_lt(low, 10500);
}
END_TEST

START_TEST(extreme_bounds_are_kept)
{
        struct random r;

        random_seed(&r, 1);
        for (int i = 0; i < 1000; i++) {
                ck_assert_uint_eq(random_below(&r, 1), 0);
                ck_assert_uint_lt(random_below(&r, UINT64_MAX), UINT64_MAX);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("random", seed_repeats_the_sequence, sequence_is_xoshiro256_starstar,
                         system_seeds_differ, below_reaches_every_number_evenly,
                         below_has_no_bias_for_large_bounds, extreme_bounds_are_kept);
}
