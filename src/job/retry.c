#include <job/retry.h>

#include <limits.h>

#include <base/backoff.h>

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
                return backoff_exponential(policy->delay, policy->factor, policy->max_delay, n);
        case BACKOFF_LINEAR:
                return linear(policy, n);
        case BACKOFF_LIST:
                return policy->list[MIN(n, policy->n_list) - 1];
        case BACKOFF_CONSTANT:
                break;
        }
        return policy->delay;
}

pen_usec retry_delay(const struct retry_policy *policy, unsigned n, struct random *random)
{
        static const double shares[] = {
                [JITTER_NONE] = 0,
                [JITTER_FULL] = 1,
                [JITTER_EQUAL] = 0.5,
        };

        return backoff_jitter(retry_base_delay(policy, n), shares[policy->jitter], random);
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
