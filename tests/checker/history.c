#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/util.h>

#define TOLD_MAX 10 /* of each kind */

/* A start of a run, to find tokens that come twice. */
struct history_start {
        size_t number;
        uint64_t token;
};

static struct history_job *job_of(struct history *h, long number)
{
        size_t n = h->n;
        struct history_job *jobs;

        if (number < 0 || number >= HISTORY_NUMBER_MAX)
                return NULL;
        if ((size_t)number < n)
                return &h->jobs[number];
        while (n <= (size_t)number)
                n = n > 0 ? n * 2 : 1024;
        jobs = realloc(h->jobs, n * sizeof(*jobs));
        if (!jobs)
                return NULL;
        memset(jobs + h->n, 0, (n - h->n) * sizeof(*jobs));
        h->jobs = jobs;
        h->n = n;
        return &h->jobs[number];
}

static int read_lines(struct history *h, const char *path, FILE *to,
                      int (*take)(struct history *h, const char *line, FILE *to))
{
        FILE *file = fopen(path, "re");
        char line[512];
        size_t n = 0;
        int r = file ? 0 : -errno;

        while (r == 0 && fgets(line, sizeof(line), file)) {
                n++;
                /* Half a line is a writer that was killed: no promise, and no proof. */
                r = strchr(line, '\n') ? take(h, line, to) : -EINVAL;
        }
        if (r < 0)
                fprintf(stderr, "%s:%zu: %s\n", path, n, strerror(-r));
        if (file)
                fclose(file);
        return r;
}

/* --- what was promised ---------------------------------------------------------------------------- */

static int take_acknowledged(struct history *h, const char *line, FILE *to)
{
        char what[8], id[129] = "";
        long number;
        int n = sscanf(line, "%7s %ld %128s", what, &number, id);
        bool ok = strcmp(what, "ok") == 0 && n == 3;
        struct history_job *job;

        (void)to;
        if (!ok && (strcmp(what, "maybe") != 0 || n != 2))
                return -EINVAL;
        job = job_of(h, number);
        if (!job)
                return -ENOMEM;
        if (job->push == PUSH_OK)
                return -EINVAL; /* a number is acknowledged once */
        job->push = ok ? PUSH_OK : PUSH_MAYBE;
        snprintf(job->id, sizeof(job->id), "%s", id);
        return 0;
}

int history_read_acknowledged(struct history *h, const char *path)
{
        return read_lines(h, path, NULL, take_acknowledged);
}

/* --- what was done -------------------------------------------------------------------------------- */

static void tell(FILE *to, size_t *count, const char *what, const char *why, const char *line)
{
        if ((*count)++ < TOLD_MAX)
                fprintf(to, "%s: %s: %s", what, why, line);
}

static int add_start(struct history *h, long number, uint64_t token)
{
        if (h->n_starts == h->allocated) {
                size_t n = h->allocated > 0 ? h->allocated * 2 : 1024;
                struct history_start *starts = realloc(h->starts, n * sizeof(*starts));

                if (!starts)
                        return -ENOMEM;
                h->starts = starts;
                h->allocated = n;
        }
        h->starts[h->n_starts++] = (struct history_start){ (size_t)number, token };
        return 0;
}

static int take_run(struct history *h, const char *line, FILE *to)
{
        char what[8], lane[32], id[129];
        unsigned attempt;
        unsigned long long token;
        long number;
        int status = 0;
        int n = sscanf(line, "%7s %31s %ld %128s %u %llu %d", what, lane, &number, id, &attempt,
                       &token, &status);
        struct history_job *job;

        if (n != (strcmp(what, "end") == 0 ? 7 : 6))
                return -EINVAL;
        job = number >= 0 && (size_t)number < h->n ? &h->jobs[number] : NULL;
        if (!job || job->push == PUSH_NEVER) {
                tell(to, &h->n_unexpected, "unexpected", "nobody pushed it", line);
                return 0;
        }
        if (job->id[0] == '\0')
                snprintf(job->id, sizeof(job->id), "%s", id);
        else if (strcmp(job->id, id) != 0)
                tell(to, &h->n_unexpected, "unexpected", "it was pushed as another", line);
        if (strcmp(what, "start") == 0) {
                job->starts++;
                if (attempt > job->failures + 1)
                        tell(to, &h->n_mistaken, "mistaken", "it has not failed so often", line);
                return add_start(h, number, token);
        }
        if (strcmp(what, "end") == 0 && status / 100 == 2)
                job->ends++;
        else if (strcmp(what, "end") == 0)
                job->failures++;
        return 0;
}

int history_read_runs(struct history *h, const char *path, FILE *to)
{
        return read_lines(h, path, to, take_run);
}

void history_dead(struct history *h, const char *id)
{
        for (size_t i = 0; i < h->n; i++) {
                if (h->jobs[i].push != PUSH_NEVER && strcmp(h->jobs[i].id, id) == 0)
                        h->jobs[i].dead = true;
        }
}

/* --- the verdict ---------------------------------------------------------------------------------- */

static int by_number_and_token(const void *a, const void *b)
{
        const struct history_start *x = a, *y = b;

        if (x->number != y->number)
                return x->number < y->number ? -1 : 1;
        return x->token < y->token ? -1 : x->token > y->token;
}

/* Two deliveries with one token could not be told apart by a target. */
static void look_at_tokens(struct history *h, FILE *to)
{
        if (h->n_starts > 0)
                qsort(h->starts, h->n_starts, sizeof(*h->starts), by_number_and_token);
        for (size_t i = 1; i < h->n_starts; i++) {
                const struct history_start *start = &h->starts[i];

                if (by_number_and_token(start, start - 1) == 0 && h->n_mistaken++ < TOLD_MAX)
                        fprintf(to, "mistaken: job %zu ran twice with token %llu\n", start->number,
                                (unsigned long long)start->token);
        }
}

size_t history_judge(struct history *h, FILE *to)
{
        size_t ok = 0, maybe = 0, done = 0, dead = 0, lost = 0, duplicated = 0;
        unsigned most = 0;

        for (size_t i = 0; i < h->n; i++) {
                const struct history_job *job = &h->jobs[i];

                ok += job->push == PUSH_OK;
                maybe += job->push == PUSH_MAYBE;
                done += job->ends > 0;
                dead += job->dead;
                duplicated += job->ends > 1;
                most = MAX(most, job->ends);
                if (job->push == PUSH_OK && job->ends == 0 && !job->dead && lost++ < TOLD_MAX)
                        fprintf(to, "lost: job %zu, id %s, was started %u times\n", i, job->id,
                                job->starts);
        }
        look_at_tokens(h, to);
        fprintf(to, "acknowledged %zu, perhaps pushed %zu, done %zu, dead %zu, runs %zu\n", ok,
                maybe, done, dead, h->n_starts);
        fprintf(to, "duplicated %zu, the most runs of one that succeeded: %u\n", duplicated, most);
        fprintf(to, "lost %zu\nunexpected %zu\nmistaken %zu\n", lost, h->n_unexpected,
                h->n_mistaken);
        return lost + h->n_unexpected + h->n_mistaken;
}

void history_deinit(struct history *h)
{
        free(h->jobs);
        free(h->starts);
        *h = (struct history){ 0 };
}
