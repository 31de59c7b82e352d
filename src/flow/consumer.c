#include <flow/consumer.h>

#include <errno.h>
#include <string.h>

#include <base/clock.h>
#include <penstock/loop.h>
#include <penstock/timeout.h>

static bool is_too_late(const struct job *job)
{
        return job->fields.expires_at > 0 && job->attempts == 0 &&
               clock_wall_ms() >= job->fields.expires_at;
}

/* The handler's run within the attempt's time. Less than 0: our own cancellation. */
static int run_within(struct consumer *c, struct flight *flight)
{
        const struct job *job = flight->job;
        pen_usec limit = job->fields.timeout > 0 ? job->fields.timeout : c->timeout;
        unsigned max = job->fields.max_attempts;
        struct attempt attempt = {
                .job = job,
                .queue = c->queue_name,
                .number = job->attempts + 1,
                .max_attempts = max > 0 ? max : c->retry->max_attempts,
                .deadline = limit == PEN_FOREVER ? 0 : clock_wall_ms() + limit / PEN_MSEC,
        };
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, limit);
        r = handler_run(c->handler, &attempt, &flight->report);
        r = pen_timeout_end(&scope, r);
        if (r == -ETIME) {
                report_fail(&flight->report, OUTCOME_TIMEOUT, "ran past its time of %g s",
                            (double)limit / (double)PEN_SEC);
                return 0;
        }
        if (r < 0 && r != -ECANCELED) {
                report_fail(&flight->report, OUTCOME_FAILED, "the handler broke: %s", strerror(-r));
                return 0;
        }
        return r;
}

/* -ESHUTDOWN: nothing starts any more. */
static int attempt(struct consumer *c, struct flight *flight)
{
        int r = is_too_late(flight->job) ? 0 : limits_admit(c->limits);

        if (r == 0 && is_too_late(flight->job)) {
                report_fail(&flight->report, OUTCOME_EXPIRED, "not started by its expires_at");
                return 0;
        }
        if (r == 0) {
                inflight_move(c->inflight, flight, FLIGHT_RUNNING);
                flight->started = pen_now();
                r = run_within(c, flight);
                flight->ended = pen_now();
        }
        if (r < 0)
                flight->report.outcome = OUTCOME_RELEASED;
        return r;
}

int consumer_run(void *arg)
{
        struct consumer *c = arg;
        void *item;
        int r;

        for (;;) {
                r = pen_queue_get(c->queue, &item);
                if (r < 0)
                        return r == -EPIPE ? 0 : r;

                /* Any failure of a handler is an outcome; r < 0 is our own cancellation. */
                r = attempt(c, item);
                limits_learn(c->limits, ((struct flight *)item)->report.outcome);
                settler_take(c->settler, item);
                if (r < 0)
                        return r == -ESHUTDOWN ? 0 : r;
        }
}
