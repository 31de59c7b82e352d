/* Trying again: a call, several attempts, growing pauses between them. */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Start from PEN_RETRY_DEFAULT. After the n-th failed attempt the pause is delay * factor^(n-1),
 * max_delay at most, and of that a random part: the share `jitter` of it is cut by chance, from none to all.
 * 1 is "full jitter" (the AWS architecture blog's name), best when many fail at the same moment. */
struct pen_retry_policy {
        unsigned attempts; /* in all, the first one included; 0 is 1 */
        pen_usec delay, max_delay;
        double factor; /* 1 or more */
        double jitter; /* 0 to 1 */
        /* Whether an error is worth another attempt; NULL: each is. */
        bool (*again)(int error, void *data);
        void *data;
};

#define PEN_RETRY_DEFAULT                                                                  \
        {                                                                                  \
                .attempts = 3, .delay = 1 * PEN_SEC, .max_delay = PEN_MINUTE, .factor = 2, \
                .jitter = 1                                                                \
        }

/* Calls fn(arg) until it answers 0 or more, in the same task, and answers that, or the last error.
 * -ECANCELED is never tried again, from `fn` or from a pause.  -EINVAL: a factor or jitter out of
 * range.  -EDEADLK: not called from a task. */
PEN_ASYNC int pen_retry(const struct pen_retry_policy *policy, int (*fn)(void *arg), void *arg);

PEN_END_DECLS
