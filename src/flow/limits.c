#include <flow/limits.h>

#include <penstock/loop.h>
#include <penstock/task.h>

#define BACKOFF_MIN PEN_SEC
#define BACKOFF_MAX (30 * PEN_SEC)

void limits_init(struct limits *limits, double per_second)
{
        *limits = (struct limits){ .interval = per_second > 0 ? (double)PEN_SEC / per_second : 0 };
}

int limits_admit(struct limits *limits)
{
        double now, start;
        int r;

        while (limits->open_until > pen_now()) {
                r = pen_sleep(limits->open_until - pen_now());
                if (r < 0)
                        return r;
        }
        if (limits->interval <= 0)
                return 0;
        now = (double)pen_now();
        start = MAX(limits->next, now);
        limits->next = start + limits->interval;
        return start > now ? pen_sleep((pen_usec)(start - now)) : 0;
}

void limits_learn(struct limits *limits, enum outcome outcome)
{
        if (outcome == OUTCOME_RELEASED || outcome == OUTCOME_EXPIRED)
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
