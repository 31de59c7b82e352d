/* Scenarios in which the Nth allocation fails, for every N, while they use one part of the library: what
 * is to come of it is an error and an orderly end, with nothing left.
 *
 * Ours are the references to malloc and its like in our own objects, which the linker wraps (--wrap);
 * mmap, that stacks come from, and pthread_create are among them.
 */
#pragma once

#include "../runner.h"

#include <stdbool.h>

#include <penstock/loop.h>

enum failing_whose {
        FAILING_OURS = 1 << 0,
        FAILING_EVENT = 1 << 1, /* libevent's */
        FAILING_CURL = 1 << 2,  /* libcurl's */
        FAILING_SSL = 1 << 3,   /* OpenSSL's */
};

/* Before anything uses libevent or libcurl. */
void failing_init(void);

/* --- one failure ------------------------------------------------------------------------------ */

/* Counts the allocations of those, the next one being the first, and lets the `nth` fail; and, if
 * `on_and_on`, all after it. */
void failing_begin(unsigned whose, size_t nth, bool on_and_on);

/* Ends that, and answers whether the nth came. */
bool failing_end(void);

/* How many were allocated since the begin, and not freed; says on standard error where. */
size_t failing_leaks(void);

/* --- all of them ------------------------------------------------------------------------------ */

struct failing_scenario {
        int (*body)(void *arg); /* the main task of a loop */
        enum pen_clock clock;
        unsigned whose;  /* beyond ours and libevent's */
        int other_error; /* that it may answer, as well as -ENOMEM */
};

/* Runs it until nothing is left to fail: with ours, with the libraries' too, and with all from the Nth
 * on; prints how many that were. */
void failing_run(const struct failing_scenario *scenario, const char *name);

/* SCENARIO(name, fields of struct failing_scenario …) { body } */
#define SCENARIO(name, ...)                                                                    \
        static int name##_body(void *arg);                                                     \
        START_TEST(name)                                                                       \
        {                                                                                      \
                static const struct failing_scenario s = { .body = name##_body, __VA_ARGS__ }; \
                                                                                               \
                failing_run(&s, #name);                                                        \
        }                                                                                      \
        END_TEST                                                                               \
        static int name##_body(__attribute__((unused)) void *arg)

#define VIRTUAL .clock = PEN_CLOCK_VIRTUAL

/* For bodies: an error ends them. */
#define TRY(call)                     \
        do {                          \
                int r_ = (int)(call); \
                                      \
                if (r_ < 0)           \
                        return r_;    \
        } while (0)
