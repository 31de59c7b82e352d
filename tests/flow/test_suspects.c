/* Jobs that one more crash would bury run one at a time in a daemon, so that no innocent is beside them; all others as ever. And
 * jobs that are another's by the time they would start do not run. */
#include "../async/world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <flow/supervisor.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <store/memory.h>

#define PROMISE(name)                                                \
        static int name##_body(void *arg);                           \
        START_TEST(name)                                             \
        {                                                            \
                ck_assert_int_eq(run_virtual(name##_body, NULL), 0); \
        }                                                            \
        END_TEST                                                     \
        static int name##_body(__attribute__((unused)) void *arg)

/* Every job takes a second. */
struct watch {
        struct handler handler;
        size_t suspects, others, most_suspects, most_others;
        uint64_t runs;
        bool beside; /* a suspect and another at once */
};

static int run_watched(struct handler *handler, const struct attempt *attempt,
                       struct report *report)
{
        struct watch *w = container_of(handler, struct watch, handler);
        size_t *count = attempt->job->crashes > 0 ? &w->suspects : &w->others;
        int r;

        ++*count;
        w->runs++;
        w->most_suspects = MAX(w->most_suspects, w->suspects);
        w->most_others = MAX(w->most_others, w->others);
        w->beside |= w->suspects > 0 && w->others > 0;
        r = pen_sleep(PEN_SEC);
        --*count;
        report->outcome = OUTCOME_DONE;
        return r;
}

static const struct handler_class watched = { "watched", run_watched, NULL };

/* A daemon of two queues. */
struct daemon {
        struct watch watch;
        struct pen_lock *alone;
        struct store_queue *stores[2];
        struct supervisor *supervisors[2];
};

static void on_settled(void *data, const struct flight *flight)
{
        (void)data, (void)flight;
}

static void push(struct store_queue *q, unsigned crashes)
{
        struct push push;

        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = { "x", 1 } }, &push.job), 0);
        push.job->crashes = crashes; /* this store keeps the job itself */
        ck_assert_int_eq(store_push(q, &push, 1, false), 0);
        job_unref(push.job);
}

static void daemon_init(struct daemon *d)
{
        *d = (struct daemon){ .watch.handler.class = &watched };
        ck_assert_int_eq(pen_lock_create(&d->alone), 0);
        for (size_t i = 0; i < 2; i++)
                ck_assert_int_eq(memory_queue_open(&(struct store_queue_options){ .name = "q" },
                                                   &d->stores[i]),
                                 0);
}

static void daemon_start(struct daemon *d)
{
        for (size_t i = 0; i < 2; i++) {
                struct supervisor_options o = {
                        .queue_name = "q",
                        .store = d->stores[i],
                        .route = { .handler = &d->watch.handler },
                        .alone = d->alone,
                        .concurrency = 4,
                        .maxsize = 8,
                        .timeout = PEN_FOREVER,
                        .retry = RETRY_POLICY_DEFAULT,
                        .observer = { on_settled, NULL },
                };

                ck_assert_int_eq(supervisor_create(&o, &d->supervisors[i]), 0);
                ck_assert_int_eq(supervisor_start(d->supervisors[i]), 0);
        }
}

static void daemon_stop(struct daemon *d, uint64_t ready)
{
        struct store_counts counts;

        for (size_t i = 0; i < 2; i++) {
                ck_assert_int_eq(supervisor_stop(d->supervisors[i], 0), 0);
                supervisor_free(d->supervisors[i]);
                ck_assert_int_eq(store_count(d->stores[i], &counts), 0);
                ck_assert_uint_eq(counts.running, 0);
                ready -= counts.ready;
                store_close(d->stores[i]);
        }
        ck_assert_uint_eq(ready, 0);
        pen_lock_free(d->alone);
}

static void join(struct daemon *d)
{
        for (size_t i = 0; i < 2; i++)
                ck_assert_int_eq(store_join(d->stores[i]), 0);
}

PROMISE(suspects_run_one_at_a_time_in_the_whole_daemon)
{
        struct daemon d;

        daemon_init(&d);
        for (int i = 0; i < 10; i++) {
                push(d.stores[0], 2);
                push(d.stores[1], 2);
        }
        daemon_start(&d);
        join(&d);
        ck_assert_uint_eq(d.watch.runs, 20);
        ck_assert_uint_eq(d.watch.most_suspects, 1);
        ck_assert_uint_eq(pen_now() / PEN_SEC, 20);
        daemon_stop(&d, 0);
        return 0;
}

PROMISE(others_run_beside_them_as_ever)
{
        struct daemon d;

        daemon_init(&d);
        for (int i = 0; i < 12; i++) /* they fill the buffer, and are in front */
                push(d.stores[0], 2);
        for (int i = 0; i < 40; i++)
                push(d.stores[i % 2], 0);
        daemon_start(&d);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_uint_eq(d.watch.suspects, 1);
        join(&d);
        ck_assert_uint_eq(d.watch.most_suspects, 1);
        ck_assert_uint_eq(d.watch.most_others, 8);
        ck_assert(d.watch.beside);
        ck_assert_uint_eq(d.watch.runs, 52);
        daemon_stop(&d, 0);
        return 0;
}

PROMISE(one_crash_of_three_makes_no_suspect)
{
        struct daemon d;

        daemon_init(&d);
        for (int i = 0; i < 4; i++)
                push(d.stores[0], 1);
        daemon_start(&d);
        join(&d);
        ck_assert_uint_eq(d.watch.most_suspects, 4);
        daemon_stop(&d, 0);
        return 0;
}

PROMISE(suspects_that_wait_are_given_back_at_a_stop)
{
        struct daemon d;

        daemon_init(&d);
        for (int i = 0; i < 6; i++) {
                push(d.stores[0], 2);
                push(d.stores[1], 2);
        }
        daemon_start(&d);
        ck_assert_int_eq(pen_sleep(5 * PEN_SEC / 2), 0);
        ck_assert_uint_eq(d.watch.runs, 3);
        daemon_stop(&d, 12 - 2);
        return 0;
}

/* --- jobs of others ------------------------------------------------------------------------------ */

/* The memory store's verbs, but that every second start is refused. */
static struct {
        struct store_class class;
        const struct store_class *real;
        uint64_t starts;
} thief;

static int start_or_not(struct store_queue *q, struct job *job)
{
        return thief.starts++ % 2 ? -ESTALE : thief.real->start(q, job);
}

PROMISE(what_is_anothers_by_now_does_not_run)
{
        struct daemon d;

        daemon_init(&d);
        thief.real = d.stores[0]->class;
        thief.class = *thief.real;
        thief.class.start = start_or_not;
        thief.starts = 0;
        d.stores[0]->class = &thief.class;
        for (int i = 0; i < 20; i++)
                push(d.stores[0], 0);
        daemon_start(&d);
        join(&d);
        ck_assert_uint_eq(d.watch.runs, 20); /* given back to the one whose it is, which is us */
        ck_assert_uint_ge(thief.starts, 2 * 20 - 1);
        daemon_stop(&d, 0);
        return 0;
}

int main(void)
{
        return RUN_SUITE("suspects", suspects_run_one_at_a_time_in_the_whole_daemon,
                         others_run_beside_them_as_ever, one_crash_of_three_makes_no_suspect,
                         suspects_that_wait_are_given_back_at_a_stop,
                         what_is_anothers_by_now_does_not_run);
}
