#include <flow/supervisor.h>

#include <errno.h>
#include <stdio.h>

#include <flow/consumer.h>
#include <flow/fetcher.h>
#include <flow/scheduler.h>
#include <penstock/group.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

struct supervisor {
        struct supervisor_options options;
        struct inflight *inflight;
        struct pen_queue *queue;
        struct settler *settler;
        struct limits limits;
        struct fetcher fetcher;
        struct consumer consumer;

        /* They end in this order. */
        struct pen_group *feeding, *consuming, *settling;
};

int supervisor_create(const struct supervisor_options *options, struct supervisor **ret_supervisor)
{
        struct supervisor *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->options = *options;
        r = limits_init(&s->limits, options->rate);
        if (r == 0)
                r = inflight_create(options->maxsize + options->concurrency, &s->inflight);
        if (r == 0)
                r = pen_queue_create(options->maxsize, NULL, &s->queue);
        if (r == 0)
                r = settler_create(
                        &(struct settler_options){
                                .store = options->store,
                                .inflight = s->inflight,
                                .queue = s->queue,
                                .retry = &s->options.retry,
                                .observer = &s->options.observer,
                        },
                        &s->settler);
        if (r < 0) {
                supervisor_free(s);
                return r;
        }
        s->fetcher = (struct fetcher){
                .store = options->store,
                .inflight = s->inflight,
                .queue = s->queue,
                .settler = s->settler,
        };
        s->consumer = (struct consumer){
                .queue_name = options->queue_name,
                .queue = s->queue,
                .inflight = s->inflight,
                .settler = s->settler,
                .handler = options->handler,
                .limits = &s->limits,
                .timeout = options->timeout,
                .retry = &s->options.retry,
        };
        *ret_supervisor = s;
        return 0;
}

void supervisor_free(struct supervisor *s)
{
        if (!s)
                return;
        settler_free(s->settler);
        pen_queue_free(s->queue);
        inflight_free(s->inflight);
        limits_deinit(&s->limits);
        free(s);
}

size_t supervisor_count(const struct supervisor *s, enum flight_state state)
{
        return inflight_count(s->inflight, state);
}

static int spawn_consumers(struct supervisor *s)
{
        char name[32];
        int r = 0;

        for (size_t i = 0; i < s->options.concurrency && r == 0; i++) {
                snprintf(name, sizeof(name), "consumer-%zu", i + 1);
                r = pen_group_spawn(s->consuming, name, consumer_run, &s->consumer);
        }
        return r;
}

static void free_groups(struct supervisor *s)
{
        pen_group_free(TAKE(s->feeding));
        pen_group_free(TAKE(s->consuming));
        pen_group_free(TAKE(s->settling));
}

int supervisor_start(struct supervisor *s)
{
        int r;

        r = pen_group_create(&s->settling);
        if (r == 0)
                r = pen_group_create(&s->consuming);
        if (r == 0)
                r = pen_group_create(&s->feeding);
        if (r == 0)
                r = pen_group_spawn(s->settling, "settler", settler_run, s->settler);
        if (r == 0)
                r = spawn_consumers(s);
        if (r == 0)
                r = pen_group_spawn(s->feeding, "scheduler", scheduler_run, s->options.store);
        if (r == 0)
                r = pen_group_spawn(s->feeding, "fetcher", fetcher_run, &s->fetcher);
        if (r < 0)
                free_groups(s);
        return r;
}

/* What no consumer has got yet goes back to the store. */
static void release_buffered(struct supervisor *s)
{
        void *item;

        while (pen_queue_get_nowait(s->queue, &item) == 0) {
                struct flight *flight = item;

                flight->report.outcome = OUTCOME_RELEASED;
                settler_take(s->settler, flight);
        }
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

static int join_queue(void *queue)
{
        return pen_queue_join(queue);
}

int supervisor_stop(struct supervisor *s, pen_usec grace)
{
        int fed, consumed, settled;

        fed = end_group(s->feeding);
        limits_close(&s->limits);
        release_buffered(s);
        pen_queue_shutdown(s->queue, false);
        if (pen_within(grace, join_queue, s->queue) < 0)
                pen_group_cancel(s->consuming);

        /* From here on nothing waits for anybody else's work. */
        consumed = join_uncancellably(s->consuming);
        settler_finish(s->settler);
        settled = join_uncancellably(s->settling);
        free_groups(s);
        return settled < 0 ? settled : consumed < 0 ? consumed : fed;
}
