/* Tests whose body is the main task of a loop: `IN_LOOP(name) { ... return 0; }`, on the real clock
 * or on the virtual one. */
#pragma once

#include "runner.h"

#include <penstock/loop.h>
#include <penstock/task.h>

#define IN_LOOP_OF(the_clock, test)                                             \
        static int test##_body(void *arg);                                      \
        START_TEST(test)                                                        \
        {                                                                       \
                struct pen_options options = { .clock = the_clock };            \
                                                                                \
                ck_assert_int_eq(pen_run_with(&options, test##_body, NULL), 0); \
        }                                                                       \
        END_TEST                                                                \
        static int test##_body(__attribute__((unused)) void *arg)

#define IN_LOOP(test) IN_LOOP_OF(PEN_CLOCK_REAL, test)
#define IN_VIRTUAL_LOOP(test) IN_LOOP_OF(PEN_CLOCK_VIRTUAL, test)
