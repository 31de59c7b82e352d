/* Settles attempts: judges what comes next, writes that to the store in batches, and only then gives
 * the credit back, calls task_done and tells the observer.
 */
#pragma once

#include <flow/inflight.h>
#include <penstock/queue.h>
#include <store/store.h>

/* Who wants to know of each attempt that was durably settled. If it suspends it holds back the credit,
 * and so the whole queue. */
struct observer {
        void (*settled)(void *data, const struct flight *flight);
        void *data;
};

struct settler_options {
        struct store_queue *store;
        struct inflight *inflight;
        struct pen_queue *queue;
        const struct retry_policy *retry;
        const struct observer *observer;
};

struct settler;

/* What `options` points to outlives the settler. -ENXIO, -ENOMEM. */
int settler_create(const struct settler_options *options, struct settler **ret_settler);
void settler_free(struct settler *s); /* everything has been settled */

/* Takes a flight whose attempt has ended as flight->report says. Neither suspends nor fails. */
void settler_take(struct settler *s, struct flight *flight);

/* A task's function; `arg` is a struct settler. Runs until settler_finish and all is settled. Several may run: while one
 * waits for the store's answer another one settles what has ended since. */
PEN_ASYNC int settler_run(void *arg);

/* Nothing more will come. What the store has not taken within `grace` stays unsettled: settler_run answers -ETIME. */
void settler_finish(struct settler *s, pen_usec grace);
