#include <flow/supervisor.h>

#include <errno.h>
#include <stdio.h>

#include <flow/consumer.h>
#include <flow/fetcher.h>
#include <flow/leases.h>
#include <flow/scheduler.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

struct supervisor {
        struct supervisor_options options;
        struct inflight *inflight;
        struct pen_queue *queue, *suspects;
        struct settler *settler;
        struct limits limits;
        struct share_member slots, share;
        struct fetcher fetcher;
        struct consumer consumer, suspect_consumer;

        struct pen_timeout grace; /* of supervisor_stop, while it waits, */
        pen_usec grace_ends;      /* until then; 0: it does not */

        /* They end in this order. */
        struct pen_group *feeding, *consuming, *settling, *holding;
};

static int create_rooms(struct supervisor *s)
{
        const struct supervisor_options *o = &s->options;
        size_t flights = o->maxsize + o->concurrency;
        int r;

        r = limits_init(&s->limits, o->rate);
        if (r == 0 && o->slots)
                r = share_join(o->slots, 1, 0, &s->slots);
        if (r == 0 && o->share)
                r = share_join(o->share, o->weight, o->priority, &s->share);
        if (r == 0)
                r = inflight_create(flights, &s->inflight);
        if (r == 0)
                r = pen_queue_create(o->maxsize, NULL, &s->queue);
        if (r == 0 && o->alone)
                r = pen_queue_create(flights, NULL, &s->suspects);
        if (r == 0)
                r = settler_create(
                        &(struct settler_options){
                                .store = o->store,
                                .inflight = s->inflight,
                                .queue = s->queue,
                                .retry = &s->options.retry,
                                .observer = &s->options.observer,
                        },
                        &s->settler);
        return r;
}

static void connect_rooms(struct supervisor *s)
{
        const struct supervisor_options *o = &s->options;

        s->fetcher = (struct fetcher){
                .store = o->store,
                .inflight = s->inflight,
                .queue = s->queue,
                .settler = s->settler,
        };
        s->consumer = (struct consumer){
                .queue_name = o->queue_name,
                .queue = s->queue,
                .store = o->store,
                .inflight = s->inflight,
                .settler = s->settler,
                .route = &s->options.route,
                .limits = &s->limits,
                .slots = o->slots ? &s->slots : NULL,
                .share = o->share ? &s->share : NULL,
                .timeout = o->timeout,
                .retry = &s->options.retry,
                .suspects = s->suspects,
        };
        s->suspect_consumer = s->consumer;
        s->suspect_consumer.queue = s->suspects;
        s->suspect_consumer.suspects = NULL;
        s->suspect_consumer.alone = o->alone;
}

int supervisor_create(const struct supervisor_options *options, struct supervisor **ret_supervisor)
{
        struct supervisor *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->options = *options;
        r = create_rooms(s);
        if (r < 0) {
                supervisor_free(s);
                return r;
        }
        connect_rooms(s);
        *ret_supervisor = s;
        return 0;
}

void supervisor_free(struct supervisor *s)
{
        if (!s)
                return;
        settler_free(s->settler);
        pen_queue_free(s->suspects);
        pen_queue_free(s->queue);
        inflight_free(s->inflight);
        share_quit(&s->slots);
        share_quit(&s->share);
        limits_deinit(&s->limits);
        free(s);
}

void supervisor_each_running(const struct supervisor *s,
                             void (*fn)(void *data, const struct flight *flight), void *data)
{
        inflight_each(s->inflight, FLIGHT_RUNNING, fn, data);
}

const struct route *supervisor_route(const struct supervisor *s)
{
        return &s->options.route;
}

size_t supervisor_count(const struct supervisor *s, enum flight_state state)
{
        return inflight_count(s->inflight, state);
}

static int spawn_numbered(struct pen_group *group, const char *what, size_t n, int (*fn)(void *arg),
                          void *arg)
{
        char name[32];
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                snprintf(name, sizeof(name), "%s-%zu", what, i + 1);
                r = pen_group_spawn(group, name, fn, arg, NULL);
        }
        return r;
}

static int spawn_consumers(struct supervisor *s)
{
        int r = spawn_numbered(s->consuming, "consumer", s->options.concurrency, consumer_run,
                               &s->consumer);

        if (r == 0 && s->suspects)
                r = pen_group_spawn(s->consuming, "suspects", consumer_run, &s->suspect_consumer,
                                    NULL);
        return r;
}

static void free_groups(struct supervisor *s)
{
        pen_group_free(TAKE(s->feeding));
        pen_group_free(TAKE(s->consuming));
        pen_group_free(TAKE(s->settling));
        pen_group_free(TAKE(s->holding));
}

int supervisor_resume(struct supervisor *s)
{
        struct store_queue *store = s->options.store;
        int r = s->feeding ? 0 : pen_group_create(&s->feeding);

        if (r == 0)
                r = pen_group_spawn(s->feeding, "scheduler", scheduler_run, store, NULL);
        if (r == 0)
                r = spawn_numbered(s->feeding, "fetcher", store->class->fetches, fetcher_run,
                                   &s->fetcher);
        if (r < 0)
                pen_group_free(TAKE(s->feeding));
        return r;
}

int supervisor_start(struct supervisor *s)
{
        int r;

        r = pen_group_create(&s->holding);
        if (r == 0)
                r = pen_group_create(&s->settling);
        if (r == 0)
                r = pen_group_create(&s->consuming);
        if (r == 0)
                r = pen_group_spawn(s->holding, "leases", leases_run, s->options.store, NULL);
        if (r == 0)
                r = spawn_numbered(s->settling, "settler", s->options.store->class->settles,
                                   settler_run, s->settler);
        if (r == 0)
                r = spawn_consumers(s);
        if (r == 0)
                r = supervisor_resume(s);
        if (r < 0)
                free_groups(s);
        return r;
}

/* What no consumer has got yet goes back to the store. */
static void release_buffered(struct supervisor *s, struct pen_queue *queue)
{
        void *item;

        while (pen_queue_get_nowait(queue, &item) == 0) {
                struct flight *flight = item;

                flight->report.outcome = OUTCOME_RELEASED;
                settler_take(s->settler, flight);
        }
        pen_queue_shutdown(queue, false);
}

static int join_uncancellably(struct pen_group *group)
{
        int r;

        pen_uncancellable_begin();
        r = pen_group_join(group);
        pen_uncancellable_end();
        return r;
}

static int end_group(struct pen_group *group)
{
        pen_group_cancel(group);
        return join_uncancellably(group);
}

static pen_usec time_after(pen_usec usec)
{
        return usec > PEN_FOREVER - pen_now() ? PEN_FOREVER : pen_now() + usec;
}

/* -ETIME, -ECANCELED: what runs has had its time. */
static int wait_for_what_runs(struct supervisor *s, pen_usec grace)
{
        int r;

        s->grace_ends = time_after(grace);
        pen_timeout_begin(&s->grace, grace);
        r = pen_queue_join(s->queue);
        r = pen_timeout_end(&s->grace, r);
        s->grace_ends = 0;
        return r;
}

void supervisor_hurry(struct supervisor *s, pen_usec grace)
{
        if (s->grace_ends == 0 || time_after(grace) >= s->grace_ends)
                return;
        s->grace_ends = time_after(grace);
        (void)!pen_timeout_reschedule(&s->grace, grace); /* it may just have expired */
}

void supervisor_quiet(struct supervisor *s)
{
        pen_group_free(TAKE(s->feeding));
}

int supervisor_stop(struct supervisor *s, pen_usec grace)
{
        int fed, consumed, settled, held;

        fed = s->feeding ? end_group(s->feeding) : 0;
        limits_close(&s->limits);
        release_buffered(s, s->queue);
        if (s->suspects)
                release_buffered(s, s->suspects);
        if (wait_for_what_runs(s, grace) < 0)
                pen_group_cancel(s->consuming);

        /* From here on nothing waits for anybody else's work. */
        consumed = join_uncancellably(s->consuming);
        settler_finish(s->settler, s->options.settle_grace ? s->options.settle_grace : PEN_FOREVER);
        settled = join_uncancellably(s->settling);
        held = end_group(s->holding);
        free_groups(s);
        return settled < 0 ? settled : consumed < 0 ? consumed : fed < 0 ? fed : held;
}
