/* What the rooms of the Redis store share. Inside Redis a job's life is this:
 *
 *                    XADD                      XREADGROUP                     XACK + trim
 *     producer ─────────────► undelivered ─────────────────► held by a daemon ────────────► gone
 *                                  ▲                          │    ▲      │
 *                          promote │       release, take_over ▼    │ claim│ retry        bury
 *                               delayed ◄──────────────────── released    ▼       ─────► dead
 *
 * `held by X` is the pending list of the group's consumer X; `released` is a consumer too, whom nobody is: what it holds is
 * ready, and goes before all that is undelivered. So ready = undelivered + released, running = the rest of
 * the pending. A hash `job:ID` exists only for jobs of which more is to be known than their entry.
 */
#pragma once

#include <base/list.h>
#include <store/redis/entry.h>
#include <store/redis/script.h>
#include <store/redis/store.h>

#define GROUP "penstock"
#define REPLY_TIMEOUT (10 * PEN_SEC)
#define REPLY_MAX ((size_t)512 << 20)
#define CONSUMER_MAX 128
#define KEY_MAX 512
#define QUEUE_BATCH 128 /* jobs in one command at most */

struct redis_store {
        struct redis_store_options options; /* strings are copies */
        char *url_block, *strings;
        struct redis_target target;
        struct redis *redis; /* for all but what blocks */
        struct scripts scripts;
        bool scripts_loaded;
        struct pen_lock *loading;
        struct list queues; /* of redis_queue */

        /* Where large commands are put together: nothing suspends between that and the sending. */
        struct redis_arg args[8 + 4 * QUEUE_BATCH];
        char text[(3 * QUEUE_BATCH + 4) * ENTRY_TEXT];
        char consumer[CONSUMER_MAX];
        char trouble[256];
};

struct place {
        uint64_t ms, seq;
};

/* A consumer as its lease was seen. */
struct observed {
        char name[CONSUMER_MAX];
        char lease[24]; /* "" if it has none */
        pen_usec unmoved;
        bool seen; /* at this beat */
};

struct redis_queue {
        struct store_queue head;
        struct store_queue_options options; /* the name is a copy */
        struct list link;
        struct redis_store *store;
        char *ready; /* the key; the scripts know the others by it */
        char trouble[256];
        bool named; /* its name is among all, for people to find */

        /* What we hold, by our own account; what Redis says beyond that was fetched unknowingly. */
        struct list held; /* jobs */
        size_t n_held, held_bytes;
        struct pen_event *dropped;

        struct redis *reader; /* for what blocks */
        struct pen_task *reading;
        struct pen_lock *blocker; /* one fetch waits for all */
        bool blocked;
        bool look_for_released;
        size_t n_reads;
        bool reconcile, reconciling;
        bool more_pending; /* than we hold, at the last beat */
        uint64_t epochs;   /* of both connections, when they were reconciled */
        struct pen_event *reads_changed;

        /* Acknowledged, and behind a job that still runs: not yet removed from the stream. */
        struct place *behind;
        size_t n_behind, behind_room;
        uint64_t uncounted; /* of what was done */
        struct pen_event *trim_wanted;
        struct pen_task *trimmer;

        pen_usec next_beat, last_beat;
        pen_usec renewed;     /* our lease is not older than that */
        pen_usec doubt_until; /* what an old connection asked for may be carried out late */
        uint64_t own_count, beat_epoch;
        struct observed *observed;
        size_t n_observed, observed_room;
        struct pen_event *leased, *beat_now;

        pen_usec next_due; /* of the delayed, as far as we know; PEN_FOREVER */
        struct pen_event *earlier;
};

static inline struct redis_queue *redis_queue(struct store_queue *q)
{
        return container_of(q, struct redis_queue, head);
}

static inline struct command queue_command(struct redis_queue *q)
{
        struct redis_store *s = q->store;

        return (struct command){ s->args, 0, ARRAY_SIZE(s->args), s->text, 0, sizeof(s->text) };
}

/* --- store.c -------------------------------------------------------------------------------------- */

/* Suspends until the server answers and knows the scripts. */
PEN_ASYNC int redis_store_ready(struct redis_store *store);

/* --- queue.c -------------------------------------------------------------------------------------- */

/* Sends a command until it is carried out; only for those that may be repeated. An error of the server is logged once,
 * mended where that can be done (scripts, the group), and the command repeated with backoff. */
PEN_ASYNC int queue_call(struct redis_queue *q, const struct command *command,
                         struct answer **ret_answer);

/* What to do about an error of the server before a repetition: mends, or waits. */
PEN_ASYNC int queue_recover(struct redis_queue *q, const struct answer *error, unsigned repetition);
void queue_is_well(struct redis_queue *q);

/* The connection is there (again): what push.lua goes by is written, and the lease moved at once. */
void queue_came_up(struct redis_queue *q);

/* Adds the queue's name to the registry; as far as the connection is there. */
void queue_publish_name(struct redis_queue *q);

/* A delayed job is due in so long: who promotes shall know. */
void queue_due_in(struct redis_queue *q, pen_usec usec);

/* Released jobs wait: a fetch that blocks shall look. */
void queue_unblock(struct redis_queue *q);

/* PREFIX:{NAME}:name, as the scripts make it of the key of what is ready. */
void queue_key(const struct redis_queue *q, const char *name, char key[KEY_MAX]);

uint64_t queue_epochs(const struct redis_queue *q);

/* A job is ours from now on, or no longer: a reference. */
void queue_hold(struct redis_queue *q, struct job *job);
void queue_drop(struct redis_queue *q, struct job *job);

/* Arguments that several scripts take: `daemon keep max` of dead letters, and dedupe. */
void queue_add_letter_options(const struct redis_queue *q, struct command *c);
void queue_add_dedupe(const struct redis_queue *q, struct command *c);

/* --- one verb or several each ------------------------------------------------------------------- */
PEN_ASYNC int redis_push(struct store_queue *q, struct push *pushes, size_t n, bool wait);
PEN_ASYNC ssize_t redis_fetch(struct store_queue *q, struct job **ret_jobs, size_t max);
PEN_ASYNC int redis_start(struct store_queue *q, struct job *job);
PEN_ASYNC int redis_settle(struct store_queue *q, struct settlement *settlements, size_t n);
PEN_ASYNC ssize_t redis_promote(struct store_queue *q);
PEN_ASYNC ssize_t redis_keep_lease(struct store_queue *q);
PEN_ASYNC ssize_t redis_dead_list(struct store_queue *q, const char *after,
                                  struct dead_letter *ret_letters, size_t max);
PEN_ASYNC int redis_dead_retry(struct store_queue *q, const char *place);

/* admit.c: makes jobs of entries as the answers to XREADGROUP and claim.lua have them. Puts them into
 * `ret_jobs`, oldest first, answers how many; what is no job (malformed, a duplicate, not due yet) is dealt with. What could
 * not be dealt with because the connection broke is left to reconcile. -ECANCELED: all are. */
PEN_ASYNC ssize_t redis_admit(struct redis_queue *q, const struct reply *entries,
                              struct job **ret_jobs);

/* Gives back what Redis says we hold and we know nothing of, if a connection broke or an answer could not be dealt
 * with since the last time. The second one is its core: no read is under way. */
PEN_ASYNC int queue_reconcile(struct redis_queue *q);
PEN_ASYNC int redis_reconcile(struct redis_queue *q);

/* Ends the consumer and its lease, if all it holds can be given back by then. For the dead, and for us at the end. */
PEN_ASYNC ssize_t redis_take_over(struct redis_queue *q, const char *consumer, const char *lease,
                                  pen_usec until);

/* Removes what has ended from the stream, and counts it. Best effort: what one does not do the next one does, and only a
 * cancellation is an error. The trimmer, a task for each queue, does it for all who settle meanwhile. */
PEN_ASYNC int redis_trim(struct redis_queue *q);
PEN_ASYNC int redis_trimmer_run(void *arg);
