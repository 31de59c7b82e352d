#include <flow/intake.h>

#include <errno.h>
#include <stdio.h>

#include <base/clock.h>

/* What only the moment and the configuration can tell. */
static int check(const struct intake *intake, const struct job_fields *fields,
                 char error[INTAKE_ERROR_SIZE])
{
        pen_usec delay_max = intake->delay_max ? intake->delay_max : JOB_DELAY_MAX;

        if (fields->payload.size > intake->payload_max) {
                snprintf(error, INTAKE_ERROR_SIZE, "payload of %zu bytes; at most %zu are allowed",
                         fields->payload.size, intake->payload_max);
                return -EMSGSIZE;
        }
        if (fields->delay > delay_max || fields->run_at > clock_wall_ms() + delay_max / PEN_MSEC) {
                snprintf(error, INTAKE_ERROR_SIZE,
                         "the start is further ahead than the %llud that are allowed",
                         (unsigned long long)(delay_max / PEN_DAY));
                return -EINVAL;
        }
        if (intake->route && !route_find(intake->route, fields->type, error, INTAKE_ERROR_SIZE))
                return -EINVAL;
        return 0;
}

int intake_make(const struct intake *intake, const struct job_fields *fields, uint64_t source,
                struct job **ret_job, char error[INTAKE_ERROR_SIZE])
{
        int r = check(intake, fields, error);

        if (r == 0)
                r = job_create(fields, ret_job);
        if (r == 0)
                (*ret_job)->source = source;
        return r;
}

int intake_push(struct intake *intake, const struct job_fields *fields, uint64_t source,
                struct receipt *ret_receipt)
{
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        struct push push;
        int r = intake_make(intake, fields, source, &job, ret_receipt->error);

        if (r < 0)
                return r == -EMSGSIZE ? -EINVAL : r;
        push = (struct push){ .job = job };
        r = store_push(intake->store, &push, 1, true);
        if (r < 0)
                return r;
        ret_receipt->result = push.result;
        snprintf(ret_receipt->id, sizeof(ret_receipt->id), "%s", job->fields.id);
        return 0;
}
