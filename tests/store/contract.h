/* What every store promises, as tests: each promise is a function that talks with one store, `under_test`, as the main task of
 * a loop. Run against all stores they fill a table; an empty cell is a failure.
 *
 * A store may keep a clock of its own (Redis does), so time is told in units, `T(3)`: seconds of a virtual clock, or fractions
 * of real ones. Waiting is for a condition: UNTIL(...). */
#pragma once

#include "../runner.h"

#include <base/util.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <store/store.h>

struct store_under_test {
        const char *name;
        enum pen_clock clock;
        pen_usec unit;
        pen_usec clock_error; /* how much too early a moment may seem to have come */
        bool aside_at_fetch; /* a delayed job is put aside when it is fetched, and not when it is pushed */
        int (*open)(const struct store_queue_options *options, struct store_queue **ret_queue);
        void (*close)(struct store_queue *q);
        void (*end)(void); /* of a test; NULL: there is nothing to do */
};

extern const struct store_under_test *under_test;

struct promise {
        const char *name;
        void (*keep)(void);
};

#define P(name)             \
        {                   \
#name, name \
        }

/* Each ends with a promise without a name. */
extern const struct promise push_promises[], time_promises[], settle_promises[], dead_promises[],
        cancel_promises[];

/* Runs all promises against all stores and prints the table; answers an exit code. */
int run_store_contract(const struct store_under_test *stores, size_t n);

/* --- a dialogue with a store --------------------------------------------------------------------- */

#define T(units) ((pen_usec)((units) * (double)under_test->unit))

#define WITHIN(units, condition)                                                    \
        for (int _i = 0; !(condition); _i++) {                                      \
                ck_assert_msg(_i < 20 * (units), "still waiting for: " #condition); \
                ck_assert_int_eq(pen_sleep(T(0.05)), 0);                            \
        }
#define UNTIL(condition) WITHIN(250, condition) /* some day */
#define SOON(condition) WITHIN(10, condition)   /* without any timer's help */

struct store_queue *store_with(struct store_queue_options options);
struct store_queue *any_store(void); /* dedupe T(100), letters are kept for ever */

/* Settles what is ready as done, checks that nothing is left but letters, and closes the store. */
void finish_all(struct store_queue *q);

struct bytes text(const char *payload);
enum push_result push_fields(struct store_queue *q, struct job_fields fields);
enum push_result push_id(struct store_queue *q, const char *id, const char *payload);
void push(struct store_queue *q, const char *payload);
void push_delayed(struct store_queue *q, const char *payload, pen_usec delay);

/* Nothing is ready but what is delayed: sees that it is put aside. */
void put_aside(struct store_queue *q);

bool has_payload(const struct job *job, const char *payload);
struct job *fetch(struct store_queue *q);
struct job *fetch_expecting(struct store_queue *q, const char *payload);

/* These take the caller's reference. */
void settle(struct store_queue *q, struct job *job, enum move move, pen_usec delay);
void settle_dead(struct store_queue *q, struct job *job, enum outcome outcome, const char *error);
void run_and_finish(struct store_queue *q, const char *payload); /* of the next job */

struct store_counts counts_of(struct store_queue *q);
void expect_counts(struct store_queue *q, size_t ready, size_t delayed, size_t running);
void promote(struct store_queue *q, size_t n); /* until so many have been, and not one more */

struct pen_task *spawn(int (*fn)(void *), void *arg);
int await_and_unref(struct pen_task *task);
void cancel_and_unref(struct pen_task *task); /* which answers -ECANCELED */
int promote_for_ever(void *q);
int join(void *q);

/* The task goes on waiting, for all that we can see. */
void expect_waiting(struct pen_task *task);
