/* Where jobs live between a push that was acknowledged and their end: the table of verbs that every
 * store fulfils, and their contract. No store's own types appear here.
 *
 * A queue of a store is used by one daemon's rooms: intake pushes, fetchers fetch, the settler
 * settles, the scheduler promotes, leases keep what was fetched. A verb that cannot reach the store
 * waits, and goes on when it is back; it answers less than 0 only if it was cancelled, or as said
 * here. A verb that was cancelled may have been carried out.
 *
 * Jobs are counted references: a verb never takes the caller's, and `fetch` gives one.
 */
#pragma once

#include <job/job.h>
#include <job/retry.h>

struct store_queue_options {
        const char *name;
        size_t capacity; /* ready and delayed jobs; 0: no limit */
        size_t max_bytes; /* of jobs in our memory: of all live ones, or of those fetched; 0: no limit */
        pen_usec dedupe;      /* how long an id is remembered after the end of its job, */
        size_t dedupe_max;    /* and how many are, where they are kept in our memory; 0: no limit */
        size_t payload_max;   /* what came past intake and is larger is dead; 0: no limit */
        pen_usec delay_max;   /* the same of a start further in the future; 0: no limit */
        unsigned max_crashes; /* with so many a job is dead; 0: no limit */
        pen_usec dead_keep;   /* how long dead letters are kept; 0: none are, PEN_FOREVER */
        size_t dead_max;      /* and how many; 0: no limit */
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
        enum outcome outcome;
        const char *error; /* for the dead letter; NULL: none */
        bool stale; /* set by the store: the job is another's by now, and nothing was changed */
};

struct store_counts {
        uint64_t ready, delayed, running; /* running: whatever was fetched, by whomever */
        uint64_t dead_letters;
        uint64_t done, dead, expired, cancelled; /* as long as the store keeps count */
        uint64_t duplicates, conflicts;          /* pushes that stored nothing, found at fetch */
};

/* A job that ended dead, as it is kept for people. */
struct dead_letter {
        char place[48];  /* where it stands among the letters: what dead_list goes on from */
        struct job *job; /* with id and attempts; a reference */
        enum outcome outcome;
        uint64_t failed_at;   /* epoch ms */
        char *error, *daemon; /* malloc'ed; NULL: none */
};

void dead_letter_deinit(struct dead_letter *letter);

struct store_queue;

struct store_class {
        const char *name;

        /* With so many fetches and so many settlements under way at once it gives the most. */
        unsigned fetches, settles;

        /* Stores the jobs, in their order. `wait`: suspends while there is no room; otherwise such
         * jobs are PUSH_FULL. 0: every push has a result.  -ECANCELED, -ENOMEM: those that are still
         * PUSH_PENDING are not stored.  -ECONNRESET: of those that are PUSH_PENDING and have no id that
         * is not known; only a job with an id can be pushed again without fear. */
        PEN_ASYNC int (*push)(struct store_queue *q, struct push *pushes, size_t n, bool wait);

        /* Suspends until a job is ready; takes up to `max`, oldest first, released ones before all.
         * They are running now. Answers how many. */
        PEN_ASYNC ssize_t (*fetch)(struct store_queue *q, struct job **ret_jobs, size_t max);

        /* A handler is about to run the job: counts the delivery in it. From the second one on that
         * is recorded durably first: who dies now is counted as a crash of this job.
         * -ESTALE: the job is another's by now and must not be run. */
        PEN_ASYNC int (*start)(struct store_queue *q, struct job *job);

        /* Carries out the verdicts, each in one durable step. */
        PEN_ASYNC int (*settle)(struct store_queue *q, struct settlement *settlements, size_t n);

        /* Suspends until a delayed job is due, makes those that are due ready (a bounded number at once: the others
         * at the next call), answers how many; 0 if another daemon was first. */
        PEN_ASYNC ssize_t (*promote)(struct store_queue *q);

        /* Suspends until our claim on what we have fetched must be renewed; renews it, and makes
         * ready what daemons held that have stopped renewing theirs: answers how many jobs.
         * A store that no two daemons share suspends for ever. */
        PEN_ASYNC ssize_t (*keep_lease)(struct store_queue *q);

        /* Suspends until nothing is ready, delayed or running. */
        PEN_ASYNC int (*join)(struct store_queue *q);

        PEN_ASYNC int (*count)(struct store_queue *q, struct store_counts *ret_counts);

        /* Up to `max` letters, oldest first, after the one at `after` ("" for the start). Answers
         * how many; each is to be deinited. -EINVAL: `after` is no place. */
        PEN_ASYNC ssize_t (*dead_list)(struct store_queue *q, const char *after,
                                       struct dead_letter *ret_letters, size_t max);

        /* Makes the job ready again, with all budgets new; the letter is gone.
         * -ENOENT: there is none at that place.  -EEXIST: a live job has its id; the letter stays. */
        PEN_ASYNC int (*dead_retry)(struct store_queue *q, const char *place);

        /* From now on these hold. The name is the same. */
        void (*configure)(struct store_queue *q, const struct store_queue_options *options);

        /* No verb is under way. What was fetched and not settled is lost where the store keeps it in our
         * memory, and another's after the lease elsewhere. */
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

PEN_ASYNC static inline int store_start(struct store_queue *q, struct job *job)
{
        return q->class->start(q, job);
}

PEN_ASYNC static inline int store_settle(struct store_queue *q, struct settlement *settlements,
                                         size_t n)
{
        return q->class->settle(q, settlements, n);
}

PEN_ASYNC static inline ssize_t store_promote(struct store_queue *q)
{
        return q->class->promote(q);
}

PEN_ASYNC static inline ssize_t store_keep_lease(struct store_queue *q)
{
        return q->class->keep_lease(q);
}

PEN_ASYNC static inline int store_join(struct store_queue *q)
{
        return q->class->join(q);
}

PEN_ASYNC static inline int store_count(struct store_queue *q, struct store_counts *ret_counts)
{
        return q->class->count(q, ret_counts);
}

PEN_ASYNC static inline ssize_t store_dead_list(struct store_queue *q, const char *after,
                                                struct dead_letter *ret_letters, size_t max)
{
        return q->class->dead_list(q, after, ret_letters, max);
}

PEN_ASYNC static inline int store_dead_retry(struct store_queue *q, const char *place)
{
        return q->class->dead_retry(q, place);
}

static inline void store_configure(struct store_queue *q, const struct store_queue_options *options)
{
        q->class->configure(q, options);
}

static inline void store_close(struct store_queue *q)
{
        if (q)
                q->class->close(q);
}
