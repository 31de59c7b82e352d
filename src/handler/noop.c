#include <handler/noop.h>

#include <errno.h>

#include <base/random.h>
#include <penstock/task.h>

struct noop {
        struct handler handler;
        pen_usec run;
        uint64_t fail_below; /* a random number that is below fails */
        struct random random;
};

static int noop_run(struct handler *handler, const struct attempt *attempt, struct report *report)
{
        struct noop *noop = container_of(handler, struct noop, handler);
        int r;

        (void)attempt;
        if (noop->run > 0) {
                r = pen_sleep(noop->run);
                if (r < 0)
                        return r;
        }
        if (noop->fail_below > 0 && random_next(&noop->random) <= noop->fail_below)
                report_fail(report, OUTCOME_FAILED, "noop was told to fail");
        else
                report->outcome = OUTCOME_DONE;
        return 0;
}

static void noop_free(struct handler *handler)
{
        free(container_of(handler, struct noop, handler));
}

static const struct handler_class noop_class = { "noop", noop_run, noop_free };

int noop_handler_create(const struct noop_options *options, struct handler **ret_handler)
{
        struct noop *noop = malloc(sizeof(*noop));

        if (!noop)
                return -ENOMEM;
        *noop = (struct noop){
                .handler.class = &noop_class,
                .run = options->run,
                .fail_below = options->fail >= 1 ? UINT64_MAX : (uint64_t)(options->fail * 0x1p64),
        };
        if (options->seed)
                random_seed(&noop->random, options->seed);
        else
                random_seed_from_system(&noop->random);
        *ret_handler = &noop->handler;
        return 0;
}
