#include <job/retry.h>

#include <limits.h>

/* By squaring: 32 steps for any n, and no libm. Ends at infinity. */
static double power(double x, unsigned n)
{
        double result = 1;

        for (; n > 0; n >>= 1, x *= x)
                if (n & 1)
                        result *= x;
        return result;
}

static pen_usec exponential(const struct retry_policy *policy, unsigned n)
{
        double delay;

        if (policy->delay == 0)
                return 0;
        delay = (double)policy->delay * power(policy->factor, n - 1);
        /* The comparison keeps the cast defined; as a double, max_delay may be rounded up. */
        if (!(delay < (double)policy->max_delay))
                return policy->max_delay;
        return MIN((pen_usec)delay, policy->max_delay);
}

static pen_usec linear(const struct retry_policy *policy, unsigned n)
{
        pen_usec delay;

        if (__builtin_mul_overflow(policy->delay, n, &delay))
                return policy->max_delay;
        return MIN(delay, policy->max_delay);
}

pen_usec retry_base_delay(const struct retry_policy *policy, unsigned n)
{
        switch (policy->backoff) {
        case BACKOFF_EXPONENTIAL:
                return exponential(policy, n);
        case BACKOFF_LINEAR:
                return linear(policy, n);
        case BACKOFF_LIST:
                return policy->list[MIN(n, policy->n_list) - 1];
        case BACKOFF_CONSTANT:
                break;
        }
        return policy->delay;
}

/* In 0..max, max included. */
static pen_usec uniform(struct random *random, pen_usec max)
{
        return max == UINT64_MAX ? random_next(random) : random_below(random, max + 1);
}

pen_usec retry_delay(const struct retry_policy *policy, unsigned n, struct random *random)
{
        pen_usec delay = retry_base_delay(policy, n);

        switch (policy->jitter) {
        case JITTER_FULL:
                return uniform(random, delay);
        case JITTER_EQUAL:
                return delay / 2 + uniform(random, delay - delay / 2);
        case JITTER_NONE:
                break;
        }
        return delay;
}

/* Counts one more and says whether the budget is spent. Saturates: a count that wrapped would be a
 * new budget. */
static bool spend(unsigned *count, unsigned budget)
{
        if (*count < UINT_MAX)
                ++*count;
        return *count >= budget;
}

struct verdict retry_judge(const struct retry_policy *policy, struct job *job, enum outcome outcome,
                           pen_usec named_delay, struct random *random)
{
        unsigned own = job->fields.max_attempts;

        switch (outcome) {
        case OUTCOME_DONE:
                return (struct verdict){ .move = MOVE_DONE };
        case OUTCOME_REJECTED:
                return (struct verdict){ .move = MOVE_DEAD };
        case OUTCOME_EXPIRED:
                return (struct verdict){ .move = MOVE_EXPIRE };
        case OUTCOME_CANCELLED:
                return (struct verdict){ .move = MOVE_CANCEL };
        case OUTCOME_FAILED:
        case OUTCOME_TIMEOUT:
                if (spend(&job->attempts, own > 0 ? own : policy->max_attempts))
                        return (struct verdict){ .move = MOVE_DEAD };
                return (struct verdict){
                        .move = MOVE_RETRY,
                        .delay = named_delay == PEN_FOREVER
                                         ? retry_delay(policy, job->attempts, random)
                                         : MIN(named_delay, policy->max_delay),
                };
        case OUTCOME_CRASHED:
                if (spend(&job->crashes, policy->max_crashes))
                        return (struct verdict){ .move = MOVE_DEAD };
                break;
        case OUTCOME_RELEASED:
        case OUTCOME_UNAVAILABLE:
        case OUTCOME_MAX:
                break;
        }
        return (struct verdict){ .move = MOVE_RELEASE };
}
