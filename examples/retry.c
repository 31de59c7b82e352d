/* A service that fails twice: again, after growing pauses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

struct service {
        int attempts;
};

static int call(void *arg)
{
        struct service *service = arg;
        int r;

        service->attempts++;
        r = pen_sleep(100 * PEN_MSEC);
        if (r < 0)
                return r;
        if (service->attempts < 3) {
                printf("attempt %d: %s\n", service->attempts, strerror(ECONNRESET));
                return -ECONNRESET;
        }
        return 42;
}

static int run(void *arg)
{
        struct pen_retry_policy policy = PEN_RETRY_DEFAULT;
        struct service service = { 0 };
        pen_usec began = pen_now();
        int r;

        (void)arg;
        policy.attempts = 5;
        policy.delay = 500 * PEN_MSEC;
        policy.jitter = 0;
        r = pen_retry(&policy, call, &service);
        if (r >= 0)
                printf("the answer is %d, after %.1fs\n", r, (double)(pen_now() - began) / PEN_SEC);
        return r;
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "retry: %s\n", strerror(-r));
        return r < 0;
}
