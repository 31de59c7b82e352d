#include <flow/intake.h>

#include <errno.h>
#include <stdio.h>

#include <base/clock.h>

/* What only the moment and the configuration can tell. */
static int check(const struct intake *intake, const struct job_fields *fields,
                 struct receipt *receipt)
{
        if (fields->payload.size > intake->payload_max)
                snprintf(receipt->error, sizeof(receipt->error),
                         "payload of %zu bytes; at most %zu are allowed", fields->payload.size,
                         intake->payload_max);
        else if (fields->run_at > clock_wall_ms() + JOB_DELAY_MAX / PEN_MSEC)
                snprintf(receipt->error, sizeof(receipt->error),
                         "run_at is further ahead than the 365d that are allowed");
        else
                return 0;
        return -EINVAL;
}

int intake_push(struct intake *intake, const struct job_fields *fields, uint64_t source,
                struct receipt *ret_receipt)
{
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        struct push push;
        int r = check(intake, fields, ret_receipt);

        if (r < 0)
                return r;
        r = job_create(fields, &job);
        if (r < 0)
                return r;
        job->source = source;
        push = (struct push){ .job = job };
        r = store_push(intake->store, &push, 1, true);
        if (r < 0)
                return r;
        ret_receipt->result = push.result;
        snprintf(ret_receipt->id, sizeof(ret_receipt->id), "%s", job->fields.id);
        return 0;
}
