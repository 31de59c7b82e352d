#include <flow/limits.h>

#include <errno.h>

#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

#define BACKOFF_MIN PEN_SEC
#define BACKOFF_MAX (30 * PEN_SEC)

int limits_init(struct limits *limits, double per_second)
{
        *limits = (struct limits){ .interval = per_second > 0 ? (double)PEN_SEC / per_second : 0 };
        return pen_event_create(&limits->closed);
}

void limits_deinit(struct limits *limits)
{
        pen_event_free(limits->closed);
}

static int wait_until(struct limits *limits, pen_usec moment)
{
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, moment - pen_now());
        r = pen_event_wait(limits->closed);
        r = pen_timeout_end(&scope, r);
        return r == -ETIME ? 0 : r < 0 ? r : -ESHUTDOWN;
}

/* The start that is this caller's; it is lost if the caller does not come back for it. */
static pen_usec reserve_start(struct limits *limits)
{
        double start = (double)pen_now();

        if (limits->interval > 0) {
                start = MAX(limits->next, start);
                limits->next = start + limits->interval;
        }
        return (pen_usec)start;
}

int limits_admit(struct limits *limits)
{
        bool reserved = false;
        pen_usec start = 0;
        int r;

        while (!pen_event_is_set(limits->closed)) {
                pen_usec moment = MAX(start, limits->open_until);

                if (moment > pen_now()) {
                        r = wait_until(limits, moment);
                        if (r < 0)
                                return r;
                } else if (!reserved) {
                        start = reserve_start(limits);
                        reserved = true;
                } else {
                        return 0;
                }
        }
        return -ESHUTDOWN;
}

void limits_close(struct limits *limits)
{
        pen_event_set(limits->closed);
}

/* Tells nothing of whether the handler is there: it may not have been asked. */
static bool is_silent(enum outcome outcome)
{
        return outcome == OUTCOME_RELEASED || outcome == OUTCOME_EXPIRED ||
               outcome == OUTCOME_CANCELLED || outcome == OUTCOME_REJECTED;
}

void limits_learn(struct limits *limits, enum outcome outcome)
{
        if (is_silent(outcome))
                return;
        if (outcome != OUTCOME_UNAVAILABLE) {
                limits->backoff = limits->open_until = 0;
                return;
        }
        /* Those that started together fail together: they count once. */
        if (limits->open_until > pen_now())
                return;
        limits->backoff = MIN(MAX(limits->backoff * 2, BACKOFF_MIN), BACKOFF_MAX);
        limits->open_until = pen_now() + limits->backoff;
}
