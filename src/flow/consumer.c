#include <flow/consumer.h>

#include <errno.h>
#include <string.h>

#include <base/clock.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

static bool is_too_late(const struct job *job)
{
        return job->fields.expires_at > 0 && job->attempts == 0 && job->deliveries == 0 &&
               clock_wall_ms() >= job->fields.expires_at;
}

static bool is_suspect(const struct consumer *c, const struct job *job)
{
        return job->crashes > 0 && job->crashes + 1 >= c->retry->max_crashes;
}

/* The handler's run within the attempt's time. Less than 0: our own cancellation. */
static int run_within(struct consumer *c, struct handler *handler, struct flight *flight)
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
        r = handler_run(handler, &attempt, &flight->report);
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

/* -ESTALE: it is another's by now, or less than 0: our own cancellation. */
static int start_and_run(struct consumer *c, struct flight *flight)
{
        struct handler *handler;
        char error[256];
        int r;

        handler = route_find(c->route, flight->job->fields.type, error, sizeof(error));
        if (!handler) {
                report_fail(&flight->report, OUTCOME_REJECTED, "%s", error);
                return 0;
        }
        r = store_start(c->store, flight->job);
        if (r < 0)
                return r;
        inflight_move(c->inflight, flight, FLIGHT_RUNNING);
        flight->started = pen_now();
        r = run_within(c, handler, flight);
        flight->ended = pen_now();
        return r;
}

static int enter(struct share_member *member)
{
        return member ? share_enter(member) : 0;
}

static void leave(struct share_member *member)
{
        if (member)
                share_leave(member);
}

static int start_among_others(struct consumer *c, struct flight *flight)
{
        int r = enter(c->slots);

        if (r < 0)
                return r;
        r = enter(c->share);
        if (r == 0) {
                r = start_and_run(c, flight);
                leave(c->share);
        }
        leave(c->slots);
        return r;
}

static int start_alone(struct consumer *c, struct flight *flight)
{
        int r = pen_lock_acquire(c->alone);

        if (r < 0)
                return r;
        r = start_among_others(c, flight);
        (void)pen_lock_release(c->alone); /* it is ours */
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
        if (r == 0)
                r = c->alone ? start_alone(c, flight) : start_among_others(c, flight);
        if (r < 0)
                flight->report.outcome =
                        OUTCOME_RELEASED; /* which does nothing to one that is stale */
        return r == -ESTALE ? 0 : r;
}

int consumer_run(void *arg)
{
        struct consumer *c = arg;
        struct flight *flight;
        void *item;
        int r;

        for (;;) {
                r = pen_queue_get(c->queue, &item);
                if (r < 0)
                        return r == -EPIPE ? 0 : r;
                flight = item;
                if (c->suspects && is_suspect(c, flight->job)) {
                        (void)pen_queue_put_nowait(c->suspects,
                                                   flight); /* has room for all flights */
                        continue;
                }
                /* Any failure of a handler is an outcome; r < 0 is our own cancellation. */
                r = attempt(c, flight);
                limits_learn(c->limits, flight->report.outcome);
                settler_take(c->settler, flight);
                if (r < 0)
                        return r == -ESHUTDOWN ? 0 : r;
        }
}
