#include <flow/settler.h>

#include <errno.h>

#include <penstock/sync.h>
#include <penstock/timeout.h>

#define BATCH 128

struct settler {
        struct settler_options options;
        struct random random; /* of the jitter */
        struct list waiting;  /* flights */
        struct pen_event *changed;
        struct list runs; /* of settler_run */
        bool finishing;
};

struct run {
        struct list link;
        struct pen_timeout grace; /* begins with settler_finish */
};

int settler_create(const struct settler_options *options, struct settler **ret_settler)
{
        struct settler *s = malloc(sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (struct settler){ .options = *options };
        list_init(&s->waiting);
        list_init(&s->runs);
        random_seed_from_system(&s->random);
        r = pen_event_create(&s->changed);
        if (r < 0) {
                free(s);
                return r;
        }
        *ret_settler = s;
        return 0;
}

void settler_free(struct settler *s)
{
        if (!s)
                return;
        pen_event_free(s->changed);
        free(s);
}

void settler_take(struct settler *s, struct flight *flight)
{
        inflight_move(s->options.inflight, flight, FLIGHT_SETTLING);
        list_append(&s->waiting, &flight->link);
        pen_event_set(s->changed);
}

void settler_finish(struct settler *s, pen_usec grace)
{
        s->finishing = true;
        list_for_each(i, &s->runs)
                (void)pen_timeout_reschedule(&list_entry(i, struct run, link)->grace, grace);
        pen_event_set(s->changed);
}

static int settle_batch(struct settler *s)
{
        struct settlement settlements[BATCH];
        struct flight *flights[BATCH];
        size_t n = 0;
        int r;

        for (; n < BATCH && !list_empty(&s->waiting); n++) {
                struct flight *flight = list_first(&s->waiting, struct flight, link);

                list_remove(&flight->link);
                flight->verdict = retry_judge(s->options.retry, flight->job, flight->report.outcome,
                                              flight->report.retry_after, &s->random);
                flights[n] = flight;
                settlements[n] = (struct settlement){
                        .job = flight->job,
                        .verdict = flight->verdict,
                        .outcome = flight->report.outcome,
                        .error = flight->report.error,
                };
        }
        r = store_settle(s->options.store, settlements, n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                flights[i]->stale = settlements[i].stale;
                s->options.observer->settled(s->options.observer->data, flights[i]);
                if (flights[i]->queued) /* once for each that was put: cannot fail */
                        (void)pen_queue_task_done(s->options.queue);
                inflight_give(s->options.inflight, flights[i]);
        }
        return 0;
}

static int settle_all(struct settler *s)
{
        int r;

        for (;;) {
                while (!list_empty(&s->waiting)) {
                        r = settle_batch(s);
                        if (r < 0)
                                return r;
                }
                if (s->finishing)
                        return 0;
                pen_event_clear(s->changed);
                r = pen_event_wait(s->changed);
                if (r < 0)
                        return r;
        }
}

int settler_run(void *arg)
{
        struct settler *s = arg;
        struct run run;
        int r;

        pen_timeout_begin(&run.grace, PEN_FOREVER);
        list_append(&s->runs, &run.link);
        r = settle_all(s);
        list_remove(&run.link);
        return pen_timeout_end(&run.grace, r);
}
