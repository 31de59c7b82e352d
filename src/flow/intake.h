/* Where jobs come in, whoever the producer is: checks what a store need not know about, and pushes. */
#pragma once

#include <flow/route.h>
#include <store/store.h>

struct intake {
        struct store_queue *store;
        const struct route
                *route; /* a type that it does not know is refused; NULL: any is accepted */
        size_t payload_max;
        pen_usec delay_max; /* how far ahead a start may be; 0: JOB_DELAY_MAX */
};

#define INTAKE_ERROR_SIZE 256

/* Makes a job of what a producer sent, for one who pushes many at once; `source` goes with it into reports.
 * -EINVAL: it is not acceptable: `error` says what was found and what is allowed.  -EMSGSIZE: the same, of the
 * payload's size.  -ENOMEM. */
int intake_make(const struct intake *intake, const struct job_fields *fields, uint64_t source,
                struct job **ret_job, char error[INTAKE_ERROR_SIZE]);

/* What came of one job, for the producer's ears. */
struct receipt {
        enum push_result result;
        char id[129];
        char error[INTAKE_ERROR_SIZE]; /* with -EINVAL: what was found and what is allowed */
};

/* Pushes a job; `source` goes with it into reports. Suspends while the store is full.
 * -EINVAL: it is not acceptable, see the receipt.  -ECANCELED, -ENOMEM: it was not pushed.
 */
PEN_ASYNC int intake_push(struct intake *intake, const struct job_fields *fields, uint64_t source,
                          struct receipt *ret_receipt);
