/* Pseudo-random numbers that a seed repeats: xoshiro256** (Blackman and Vigna), seeded by splitmix64.
 * For jitter, schedules and tests; never for secrets. */
#pragma once

#include <base/util.h>

struct random {
        uint64_t state[4];
};

void random_seed(struct random *r, uint64_t seed);
void random_seed_from_system(struct random *r);
uint64_t random_next(struct random *r);

/* Uniform in 0..n-1; n is not 0. */
uint64_t random_below(struct random *r, uint64_t n);
