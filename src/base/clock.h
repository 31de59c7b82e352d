/* The wall clock, for what people and other machines say. Waiting uses the loop's. */
#pragma once

#include <time.h>

#include <base/util.h>

static inline uint64_t clock_wall_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
