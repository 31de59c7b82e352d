/* The loop: runs tasks on one thread until a main task has ended. The idea is asyncio.run's.
 *
 * One thread runs at most one loop at a time. Loops in several threads do not know each other.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_loop;

enum pen_clock {
        PEN_CLOCK_REAL,    /* CLOCK_MONOTONIC */
        PEN_CLOCK_VIRTUAL, /* stands still while anything can run, then jumps to the next timer */
};

enum pen_log_level {
        PEN_LOG_ERROR,
        PEN_LOG_WARNING,
        PEN_LOG_INFO,
        PEN_LOG_DEBUG,
};

/* Start from PEN_OPTIONS_DEFAULT: a zero is a choice, not always the default. */
struct pen_options {
        enum pen_clock clock;
        /* not 0: pick the next runnable task at random. The same seed, the same order, the same
         * jitter; without one jitter is another in each run */
        uint64_t seed;
        size_t stack_size; /* bytes of a task's stack, without its guard; 0: 64 KiB */
        unsigned
                threads; /* at most so many for pen_to_thread; 0: 4 more than there are CPUs, at most 32 */
        /* Debug mode: name a task that holds the loop for longer; see debug.h. 0: only with
         * PENSTOCK_DEBUG=1 in the environment, and then 100 ms; PEN_FOREVER: not even then */
        pen_usec slow_task;
        /* Where the library's own words go; NULL: standard error. Called in the loop's thread, also on
         * a task's stack; must not suspend. */
        void (*log)(void *log_data, enum pen_log_level level, const char *message);
        void *log_data;
};

#define PEN_OPTIONS_DEFAULT             \
        {                               \
                .clock = PEN_CLOCK_REAL \
        }

/* Runs fn(arg) as the main task of a new loop and answers what it returned. Tasks that are left
 * over by then are cancelled and awaited, then generators that are half-way are ended. In the main
 * thread, if the disposition of SIGINT is the default: the first SIGINT cancels the main task, a
 * second one kills. SIGPIPE, if it is at its default, is ignored from then on.
 * -EBUSY: a loop runs in this thread already.  -ENOMEM, -EMFILE: the loop could not be made.
 */
int pen_run(int (*fn)(void *arg), void *arg);
int pen_run_with(const struct pen_options *options, int (*fn)(void *arg), void *arg);

/* This thread's loop, or NULL. */
struct pen_loop *pen_loop_current(void);

/* The loop's time, read once a turn. 0 without a loop. */
pen_usec pen_now(void);

/* From any thread: runs fn(arg) on the loop's own stack, soon, in the order of the calls. `fn` must
 * not suspend. The loop must outlive the call (not the function). What is called when the last task
 * has ended can neither spawn (-ENXIO) nor call again.
 * -ENOMEM.  -ESHUTDOWN: so it is.
 */
int pen_call_threadsafe(struct pen_loop *loop, void (*fn)(void *arg), void *arg);

PEN_END_DECLS
