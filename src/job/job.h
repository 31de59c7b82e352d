/* A job: what a producer asked for, and what has become of it.
 *
 * A job is one block of memory with counted references. Nothing here touches a store or the clock.
 */
#pragma once

#include <base/list.h>

#define JOB_VERSION 1 /* of the table of fields */
#define JOB_META_MAX 16
#define JOB_META_BYTES_MAX 4096
#define JOB_UNIQUE_MAX 256
#define JOB_DELAY_MAX (365 * PEN_DAY)

enum job_state {
        JOB_SCHEDULED, /* first start in the future */
        JOB_READY,
        JOB_RUNNING,
        JOB_RETRYING, /* waiting after a failure */
        JOB_DONE,
        JOB_DEAD,
        JOB_CANCELLED,
        JOB_EXPIRED,
};

/* How one attempt ended. */
enum outcome {
        OUTCOME_DONE,
        OUTCOME_FAILED,      /* may be retried */
        OUTCOME_REJECTED,    /* the handler says: never again */
        OUTCOME_TIMEOUT,     /* ran past its time */
        OUTCOME_CRASHED,     /* the process that ran it died */
        OUTCOME_RELEASED,    /* shutdown or pause took it back */
        OUTCOME_UNAVAILABLE, /* the handler could not even start */
        OUTCOME_EXPIRED,     /* there was no attempt: too late for the first one */
        OUTCOME_CANCELLED,   /* somebody said so */
        OUTCOME_MAX,
};

const char *job_state_name(enum job_state state);
const char *outcome_name(enum outcome outcome);

struct bytes {
        const char *data;
        size_t size;
};

struct job_meta {
        const char *name, *value;
};

/* What a producer may say; the fields of the contract. Strings end with NUL, NULL is absent. */
struct job_fields {
        const char *id;
        const char *type;
        struct bytes payload;
        uint64_t run_at;       /* epoch ms; 0: none */
        pen_usec delay;        /* of the first start; 0: none */
        pen_usec timeout;      /* 0: the queue's */
        uint64_t expires_at;   /* epoch ms; 0: never */
        unsigned max_attempts; /* 0: the queue's */
        const char *traceparent;
        const struct job_meta *meta;
        size_t n_meta; /* at most JOB_META_MAX */
};

struct job {
        struct job_fields fields; /* point into `block` */
        unsigned attempts;        /* ended as failed or timeout */
        unsigned crashes;
        uint64_t deliveries; /* handed to a handler so often; the TOKEN */
        uint64_t source;     /* the place it came from, for reports: a line of a file; 0: none */
        size_t size;         /* of all this */
        unsigned refs;
        bool tracked; /* the store knows more of it than its fields: each step is told there */
        union {       /* the store's own, while the job is live */
                void *record;
                struct {
                        struct list held;
                        uint64_t ms, seq;
                        bool doubted; /* whether it is still ours */
                } entry;
        };
        char made_id[44]; /* room for a store that makes the id */
        _Alignas(struct job_meta) char block[];
};

/* W3C: version, trace, parent, flags. Handlers put it into headers: nothing may follow. */
bool job_is_traceparent(const char *text);

/* Copies all that `fields` points to; the counts start at 0. The caller has the reference. -ENOMEM. */
int job_create(const struct job_fields *fields, struct job **ret_job);
struct job *job_ref(struct job *job);
void job_unref(struct job *job);
void job_unrefp(struct job **job);

/* Bytes that the job takes in memory, for limits. */
static inline size_t job_size(const struct job *job)
{
        return job->size;
}
