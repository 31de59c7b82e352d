/* What becomes of a job after an attempt: pure functions of the policy and the counts. */
#pragma once

#include <base/random.h>
#include <job/job.h>

enum backoff {
        BACKOFF_EXPONENTIAL, /* min(max_delay, delay * factor^(n-1)) */
        BACKOFF_LINEAR,      /* min(max_delay, delay * n) */
        BACKOFF_CONSTANT,    /* delay */
        BACKOFF_LIST,        /* list[n-1], and its last one for all further */
};

enum jitter {
        JITTER_NONE,
        JITTER_FULL,  /* uniform in 0..d */
        JITTER_EQUAL, /* d/2 + uniform in 0..d/2 */
};

struct retry_policy {
        unsigned max_attempts; /* failures and timeouts together, first run included; not 0 */
        unsigned max_crashes;  /* a job dies with this crash; not 0 */
        enum backoff backoff;
        enum jitter jitter;
        pen_usec delay, max_delay;
        double factor; /* 1 or more */
        const pen_usec *list;
        size_t n_list; /* not 0 with BACKOFF_LIST */
};

#define RETRY_POLICY_DEFAULT                                                               \
        {                                                                                  \
                .max_attempts = 8, .max_crashes = 3, .backoff = BACKOFF_EXPONENTIAL,       \
                .jitter = JITTER_FULL, .delay = 1 * PEN_SEC, .max_delay = 10 * PEN_MINUTE, \
                .factor = 2,                                                               \
        }

/* The wait after the n-th failure (n is 1 or more), before jitter. Never overflows: saturates at
 * max_delay, which BACKOFF_CONSTANT and BACKOFF_LIST do not look at. */
pen_usec retry_base_delay(const struct retry_policy *policy, unsigned n);

/* The same with jitter. */
pen_usec retry_delay(const struct retry_policy *policy, unsigned n, struct random *random);

enum move {
        MOVE_DONE,    /* it ends well */
        MOVE_RETRY,   /* to the delayed ones, for `delay` */
        MOVE_DEAD,    /* to the dead letters */
        MOVE_RELEASE, /* ready again, before newer jobs */
        MOVE_EXPIRE,  /* it ends unstarted: too late */
        MOVE_CANCEL,  /* it ends because somebody said so */
};

struct verdict {
        enum move move;
        pen_usec delay;
};

/* Counts the attempt in the job and says what is next. `named_delay`: the handler's own wish, or
 * PEN_FOREVER for none; it is cut to max_delay and gets no jitter. */
struct verdict retry_judge(const struct retry_policy *policy, struct job *job, enum outcome outcome,
                           pen_usec named_delay, struct random *random);
