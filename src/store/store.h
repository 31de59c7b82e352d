/* Where jobs live between a push that was acknowledged and their end: the table of verbs that every
 * store fulfils, and their contract. No store's own types appear here.
 *
 * A queue of a store is used by one daemon's rooms: intake pushes, a fetcher fetches, the settler
 * settles, the scheduler promotes. A verb that cannot reach the store waits, and goes on when it
 * is back; it answers less than 0 only if it was cancelled, or as said here.
 *
 * Jobs are counted references: a verb never takes the caller's, and `fetch` gives one.
 */
#pragma once

#include <job/job.h>
#include <job/retry.h>

struct store_queue_options {
        size_t capacity;   /* ready and delayed jobs; 0: no limit */
        size_t max_bytes;  /* of all live jobs, where the store keeps them in our memory; 0: none */
        pen_usec dedupe;   /* how long an id is remembered after the end of its job, */
        size_t dedupe_max; /* and how many are, where they are kept in our memory; 0: no limit */
};

enum push_result {
        PUSH_PENDING, /* not looked at: the push was cut short */
        PUSH_STORED,
        PUSH_EXISTS,   /* the id is live or ended a short time ago: nothing was stored */
        PUSH_CONFLICT, /* the same, but payload or type differ */
        PUSH_FULL,     /* nothing was stored */
};

struct push {
        struct job *job; /* once it is stored, its fields.id is set, made if it had none */
        enum push_result result;
};

struct settlement {
        struct job *job;
        struct verdict verdict;
};

struct store_counts {
        size_t ready, delayed, running;
        uint64_t done, dead, expired, cancelled; /* since the queue was opened */
};

struct store_queue;

struct store_class {
        const char *name;

        /* Stores the jobs, in their order. `wait`: suspends while there is no room; otherwise such
         * jobs are PUSH_FULL. 0: every push has a result.  -ECANCELED, -ENOMEM: those that are still
         * PUSH_PENDING are not stored. */
        PEN_ASYNC int (*push)(struct store_queue *q, struct push *pushes, size_t n, bool wait);

        /* Suspends until a job is ready; takes up to `max`, oldest first, released ones before all.
         * They are running now. Answers how many. */
        PEN_ASYNC ssize_t (*fetch)(struct store_queue *q, struct job **ret_jobs, size_t max);

        /* Carries out the verdicts, each in one durable step. */
        PEN_ASYNC int (*settle)(struct store_queue *q, const struct settlement *settlements,
                                size_t n);

        /* Suspends until a delayed job is due, makes all that are due ready, answers how many. */
        PEN_ASYNC ssize_t (*promote)(struct store_queue *q);

        /* Suspends until nothing is ready, delayed or running. */
        PEN_ASYNC int (*join)(struct store_queue *q);

        void (*count)(const struct store_queue *q, struct store_counts *ret_counts);

        /* No verb is under way. */
        void (*close)(struct store_queue *q);
};

/* The head of every store's own structure of a queue. */
struct store_queue {
        const struct store_class *class;
};

PEN_ASYNC static inline int store_push(struct store_queue *q, struct push *pushes, size_t n,
                                       bool wait)
{
        return q->class->push(q, pushes, n, wait);
}

PEN_ASYNC static inline ssize_t store_fetch(struct store_queue *q, struct job **ret_jobs,
                                            size_t max)
{
        return q->class->fetch(q, ret_jobs, max);
}

PEN_ASYNC static inline int store_settle(struct store_queue *q,
                                         const struct settlement *settlements, size_t n)
{
        return q->class->settle(q, settlements, n);
}

PEN_ASYNC static inline ssize_t store_promote(struct store_queue *q)
{
        return q->class->promote(q);
}

PEN_ASYNC static inline int store_join(struct store_queue *q)
{
        return q->class->join(q);
}

static inline void store_count(const struct store_queue *q, struct store_counts *ret_counts)
{
        q->class->count(q, ret_counts);
}

static inline void store_close(struct store_queue *q)
{
        if (q)
                q->class->close(q);
}
