/* The mixed program of test_seeds: actors that use locks, semaphores, queues, events, groups, deadlines and
 * each other, and cancel each other at any moment; every answer is compared with a model's.
 */
#pragma once

#include "world.h"

/* Plays the program in the order of the seed, and answers a hash of what happened. What breaks a
 * promise is an assertion that fails, and says how to repeat it. */
uint64_t mixed_play(uint64_t seed);
