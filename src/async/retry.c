#include <penstock/retry.h>

#include <errno.h>

#include <async/loop.h>
#include <base/backoff.h>

static bool is_valid(const struct pen_retry_policy *policy)
{
        return policy->factor >= 1 && policy->jitter >= 0 && policy->jitter <= 1;
}

static bool is_worth_another(const struct pen_retry_policy *policy, int r, unsigned n)
{
        if (r >= 0 || r == -ECANCELED || n >= policy->attempts)
                return false;
        return !policy->again || policy->again(r, policy->data);
}

static int pause_after(const struct pen_retry_policy *policy, unsigned n)
{
        pen_usec delay = backoff_exponential(policy->delay, policy->factor, policy->max_delay, n);

        return pen_sleep(backoff_jitter(delay, policy->jitter, &current_loop->random));
}

int pen_retry(const struct pen_retry_policy *policy, int (*fn)(void *arg), void *arg)
{
        struct pen_task *task = pen_task_current();
        int r;

        if (!task)
                return -EDEADLK;
        if (!is_valid(policy))
                return -EINVAL;
        r = task_checkpoint(task);
        for (unsigned n = 1; r == 0; n++) {
                int result = fn(arg);

                if (!is_worth_another(policy, result, n))
                        return result;
                r = pause_after(policy, n);
        }
        return r;
}
