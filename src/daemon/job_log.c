#include <daemon/job_log.h>

#include <string.h>

#include <penstock/loop.h>

#define LOG_NOTHING ((enum log_level)(LOG_ERROR + 1))

struct kind {
        const char *event;
        enum log_level level;
};

/* --- one attempt -------------------------------------------------------------------------------- */

/* `released` is what somebody wanted, or else a failure with no verdict of its own. What never started, or found
 * no handler, happens by the hundred and says little: queue.backoff and daemon.stop tell why. */
static struct kind kind_of_release(const struct flight *flight)
{
        const char *event = LOG_EVENT("job.released");

        if (flight->stale || flight->report.outcome == OUTCOME_CRASHED)
                return (struct kind){ event, LOG_WARN };
        if (flight->started == 0 || flight->report.outcome == OUTCOME_UNAVAILABLE)
                return (struct kind){ event, LOG_DEBUG };
        return (struct kind){ event, LOG_INFO };
}

static struct kind kind_of(const struct flight *flight)
{
        static const struct kind kinds[] = {
                [MOVE_DONE] = { LOG_EVENT("job.done"), LOG_INFO },
                [MOVE_RETRY] = { LOG_EVENT("job.retry"), LOG_WARN },
                [MOVE_DEAD] = { LOG_EVENT("job.dead"), LOG_ERROR },
                [MOVE_EXPIRE] = { LOG_EVENT("job.expired"), LOG_WARN },
                [MOVE_CANCEL] = { LOG_EVENT("job.cancelled"), LOG_INFO },
        };

        if (flight->stale || flight->verdict.move == MOVE_RELEASE)
                return kind_of_release(flight);
        return kinds[flight->verdict.move];
}

/* The verdict has counted the attempt if it failed. */
static unsigned attempt_of(const struct flight *flight)
{
        enum outcome outcome = flight->report.outcome;
        bool counted = outcome == OUTCOME_FAILED || outcome == OUTCOME_TIMEOUT;

        return flight->job->attempts + !counted;
}

static bool has_waited(const struct flight *flight)
{
        return flight->started > 0 && flight->fetched > 0;
}

static void say(const struct job_log *l, const struct flight *flight, struct kind kind)
{
        const struct job *job = flight->job;
        bool ran = flight->started > 0;

        LOG(kind.level, kind.event, F_STR("queue", l->queue), F_STR("id", job->fields.id),
            F_STR("type", job->fields.type), ran ? F_UINT("attempt", attempt_of(flight)) : F_NONE,
            F_STR("outcome", outcome_name(flight->report.outcome)),
            ran ? F_MS("run_ms", flight->ended - flight->started) : F_NONE,
            has_waited(flight) ? F_MS("wait_ms", flight->started - flight->fetched) : F_NONE,
            F_STR("error", flight->report.error),
            flight->verdict.move == MOVE_RETRY && !flight->stale
                    ? F_MS("retry_in_ms", flight->verdict.delay)
                    : F_NONE,
            job->crashes > 0 ? F_UINT("crashes", job->crashes) : F_NONE,
            flight->stale ? F_STR("stale", "true") : F_NONE);
}

/* Once when it goes away and once when it is back: that is shown by what began after the last try that found it
 * away, and not by what was running all along. */
static void watch_handler(struct job_log *l, const struct flight *flight)
{
        if (flight->report.outcome == OUTCOME_UNAVAILABLE) {
                l->away_at = flight->ended;
                if (l->away)
                        return;
                l->away = true;
                LOG(LOG_WARN, "queue.backoff", F_STR("queue", l->queue), F_STR("state", "began"),
                    F_STR("error", flight->report.error));
        } else if (l->away && flight->started > l->away_at &&
                   flight->report.outcome != OUTCOME_RELEASED) {
                l->away = false;
                LOG(LOG_INFO, "queue.backoff", F_STR("queue", l->queue), F_STR("state", "ended"));
        }
}

static void count(struct job_log *l, const struct flight *flight)
{
        l->outcomes[flight->report.outcome]++;
        l->stale += flight->stale;
        if (flight->started > 0)
                histogram_add(&l->run_us, flight->ended - flight->started);
        if (has_waited(flight))
                histogram_add(&l->wait_us, flight->started - flight->fetched);
}

void job_log_settled(void *data, const struct flight *flight)
{
        struct kind kind = kind_of(flight);
        struct job_log *l = data;

        count(l, flight);
        watch_handler(l, flight);
        if (kind.level >= l->least)
                say(l, flight, kind);
}

/* --- sums --------------------------------------------------------------------------------------- */

static void begin_sums(struct job_log *l)
{
        l->since = pen_now();
        memset(l->outcomes, 0, sizeof(l->outcomes));
        l->stale = 0;
        memset(&l->run_us, 0, sizeof(l->run_us));
        memset(&l->wait_us, 0, sizeof(l->wait_us));
}

void job_log_init(struct job_log *l, const char *queue, enum config_log_jobs jobs)
{
        l->queue = queue;
        l->away = false;
        job_log_set(l, jobs);
        begin_sums(l);
}

void job_log_set(struct job_log *l, enum config_log_jobs jobs)
{
        l->least = jobs == LOG_JOBS_ALL        ? LOG_DEBUG
                   : jobs == LOG_JOBS_FAILURES ? LOG_WARN
                                               : LOG_NOTHING;
}

static size_t add_outcomes(struct log_field *to, const struct job_log *l)
{
        size_t n = 0;

        for (enum outcome i = 0; i < OUTCOME_MAX; i++)
                if (i == OUTCOME_DONE || l->outcomes[i] > 0)
                        to[n++] = F_UINT(outcome_name(i), l->outcomes[i]);
        if (l->stale > 0)
                to[n++] = F_UINT("stale", l->stale);
        return n;
}

static size_t add_percentiles(struct log_field *to, const struct histogram *h, const char *p50,
                              const char *p99)
{
        if (h->n == 0)
                return 0;
        to[0] = F_MS(p50, histogram_percentile(h, 50));
        to[1] = F_MS(p99, histogram_percentile(h, 99));
        return 2;
}

static uint64_t thousandths_per_second(uint64_t n, pen_usec passed)
{
        return passed > 0 ? n * 1000 * PEN_SEC / passed : 0;
}

void job_log_stats(struct job_log *l, const struct log_field *gauges, size_t n_gauges)
{
        struct log_field fields[3 + OUTCOME_MAX + 1 + 4 + JOB_LOG_GAUGES_MAX];
        pen_usec passed = pen_now() - l->since;
        size_t n = 0;

        fields[n++] = F_STR("queue", l->queue);
        fields[n++] = F_MS("period_ms", passed);
        n += add_outcomes(fields + n, l);
        fields[n++] = F_THOUSANDTHS("done_per_s",
                                    thousandths_per_second(l->outcomes[OUTCOME_DONE], passed));
        n += add_percentiles(fields + n, &l->run_us, "run_p50_ms", "run_p99_ms");
        n += add_percentiles(fields + n, &l->wait_us, "wait_p50_ms", "wait_p99_ms");
        for (size_t i = 0; i < MIN(n_gauges, (size_t)JOB_LOG_GAUGES_MAX); i++)
                fields[n++] = gauges[i];
        if (log_enabled(LOG_INFO))
                log_event(LOG_INFO, LOG_EVENT("queue.stats"), fields, n);
        begin_sums(l);
}
