/* What the log says of a queue's jobs: an event for each attempt that was settled, and sums of them now and then.
 *
 * job.done job.retry job.dead job.expired job.cancelled job.released, each at its own level; queue.backoff when
 * the handler goes away and when it is back, for the attempts that found it away say nothing above debug;
 * queue.stats. docs/logs.md has their fields.
 */
#pragma once

#include <base/histogram.h>
#include <base/log.h>
#include <config/config.h>
#include <flow/settler.h>

struct job_log {
        const char *queue;
        enum log_level least; /* of the events about jobs; above LOG_ERROR: none */
        bool away;            /* the handler was, */
        pen_usec away_at;     /* on the loop's clock, when somebody tried last */

        /* Since the last queue.stats. */
        pen_usec since;
        uint64_t outcomes[OUTCOME_MAX];
        uint64_t stale; /* of those: the job was another daemon's by then */
        struct histogram run_us, wait_us;
};

/* The queue's name outlives it. LOG_JOBS_FAILURES: what has level warn or error. */
void job_log_init(struct job_log *l, const char *queue, enum config_log_jobs jobs);

/* From now on this holds; the sums go on. */
void job_log_set(struct job_log *l, enum config_log_jobs jobs);

/* An observer's function; `data` is a struct job_log. Does not suspend. */
void job_log_settled(void *data, const struct flight *flight);

/* Says queue.stats, with up to JOB_LOG_GAUGES_MAX fields of the caller's behind (what is ready, running …), and
 * begins new sums. */
#define JOB_LOG_GAUGES_MAX 8
void job_log_stats(struct job_log *l, const struct log_field *gauges, size_t n_gauges);
