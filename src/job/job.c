#include <job/job.h>

#include <errno.h>
#include <string.h>

const char *job_state_name(enum job_state state)
{
        static const char *const names[] = {
                [JOB_SCHEDULED] = "scheduled", [JOB_READY] = "ready",     [JOB_RUNNING] = "running",
                [JOB_RETRYING] = "retrying",   [JOB_DONE] = "done",       [JOB_DEAD] = "dead",
                [JOB_CANCELLED] = "cancelled", [JOB_EXPIRED] = "expired",
        };

        return names[state];
}

/* n digits, and not all of them `but`. */
static bool is_hex(const char *text, size_t n, const char *but)
{
        return strspn(text, "0123456789abcdef") >= n && strspn(text, but) < n;
}

bool job_is_traceparent(const char *text)
{
        return strlen(text) == 55 && is_hex(text, 2, "f") && text[2] == '-' &&
               is_hex(text + 3, 32, "0") && text[35] == '-' && is_hex(text + 36, 16, "0") &&
               text[52] == '-' && is_hex(text + 53, 2, "");
}

const char *outcome_name(enum outcome outcome)
{
        static const char *const names[OUTCOME_MAX] = {
                [OUTCOME_DONE] = "done",
                [OUTCOME_FAILED] = "failed",
                [OUTCOME_REJECTED] = "rejected",
                [OUTCOME_TIMEOUT] = "timeout",
                [OUTCOME_CRASHED] = "crashed",
                [OUTCOME_RELEASED] = "released",
                [OUTCOME_UNAVAILABLE] = "unavailable",
                [OUTCOME_EXPIRED] = "expired",
                [OUTCOME_CANCELLED] = "cancelled",
        };

        return names[outcome];
}

static size_t text_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

static size_t fields_size(const struct job_fields *f)
{
        size_t size = text_size(f->id) + text_size(f->type) + text_size(f->traceparent) +
                      f->payload.size + f->n_meta * sizeof(*f->meta);

        for (size_t i = 0; i < f->n_meta; i++)
                size += text_size(f->meta[i].name) + text_size(f->meta[i].value);
        return size;
}

/* Copies to *to and leaves that behind the copy. */
static char *put(char **to, const void *data, size_t size)
{
        char *at = *to;

        if (size > 0)
                memcpy(at, data, size);
        *to += size;
        return at;
}

static const char *put_text(char **to, const char *text)
{
        return text ? put(to, text, strlen(text) + 1) : NULL;
}

int job_create(const struct job_fields *fields, struct job **ret_job)
{
        size_t size = sizeof(struct job) + fields_size(fields);
        struct job *job = malloc(size);
        struct job_meta *meta;
        char *to;

        if (!job)
                return -ENOMEM;
        *job = (struct job){ .fields = *fields, .size = size, .refs = 1 };
        to = job->block;
        /* First, for its alignment. */
        meta = (struct job_meta *)put(&to, fields->meta, fields->n_meta * sizeof(*meta));
        for (size_t i = 0; i < fields->n_meta; i++) {
                meta[i].name = put_text(&to, fields->meta[i].name);
                meta[i].value = put_text(&to, fields->meta[i].value);
        }
        job->fields.meta = meta;
        job->fields.id = put_text(&to, fields->id);
        job->fields.type = put_text(&to, fields->type);
        job->fields.traceparent = put_text(&to, fields->traceparent);
        job->fields.payload.data = put(&to, fields->payload.data, fields->payload.size);
        *ret_job = job;
        return 0;
}

struct job *job_ref(struct job *job)
{
        job->refs++;
        return job;
}

void job_unref(struct job *job)
{
        if (job && --job->refs == 0)
                free(job);
}

void job_unrefp(struct job **job)
{
        job_unref(*job);
}
