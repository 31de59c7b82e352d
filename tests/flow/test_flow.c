/* All rooms of src/flow together, around a memory store, on the virtual clock. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../async/world.h"

#include <base/clock.h>
#include <flow/intake.h>
#include <flow/supervisor.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/memory.h>

#define GRACE (25 * PEN_SEC)

/* A handler that does what the payload says: "sleep USEC", "fail", "reject", "away", "hang", "done",
 * "late": fails once, and meanwhile its expires_at has passed. */
struct scripted {
        struct handler handler;
        size_t running, most;
        uint64_t runs, cancelled;
        unsigned last_number;
        bool away; /* "away" is unavailable */
};

struct flow {
        struct scripted scripted;
        struct store_queue *store;
        struct supervisor *supervisor;
        struct intake intake;
        uint64_t settled[OUTCOME_MAX];
        uint64_t ended;
        pen_usec last_ended;
        char error[256]; /* of the last attempt */
};

static int play(struct scripted *s, const char *script, struct report *report)
{
        unsigned long long usec;

        if (sscanf(script, "sleep %llu", &usec) == 1) {
                report->outcome = OUTCOME_DONE;
                return pen_sleep(usec);
        }
        if (!strcmp(script, "hang"))
                return pen_sleep(PEN_FOREVER);
        report->outcome = !strcmp(script, "reject")            ? OUTCOME_REJECTED
                          : !strcmp(script, "done")            ? OUTCOME_DONE
                          : !strcmp(script, "away") && s->away ? OUTCOME_UNAVAILABLE
                          : !strcmp(script, "away")            ? OUTCOME_DONE
                                                               : OUTCOME_FAILED;
        return !strcmp(script, "break") ? -EIO : 0;
}

/* The wall's clock cannot be moved; the job's moment can. */
static int play_late(const struct attempt *attempt, struct report *report)
{
        report->outcome = attempt->number == 1 ? OUTCOME_FAILED : OUTCOME_DONE;
        ((struct job *)attempt->job)->fields.expires_at = clock_wall_ms() - 1;
        return 0;
}

static int run_scripted(struct handler *handler, const struct attempt *attempt,
                        struct report *report)
{
        struct scripted *s = container_of(handler, struct scripted, handler);
        struct bytes payload = attempt->job->fields.payload;
        char script[64];
        int r;

        snprintf(script, sizeof(script), "%.*s", (int)payload.size, payload.data);
        s->runs++;
        s->last_number = attempt->number;
        s->running++;
        s->most = MAX(s->most, s->running);
        r = !strcmp(script, "late") ? play_late(attempt, report) : play(s, script, report);
        s->running--;
        s->cancelled += r == -ECANCELED;
        return r;
}

static void on_settled(void *data, const struct flight *flight)
{
        struct flow *f = data;

        f->settled[flight->report.outcome]++;
        f->ended += flight->verdict.move != MOVE_RETRY && flight->verdict.move != MOVE_RELEASE;
        f->last_ended = pen_now();
        snprintf(f->error, sizeof(f->error), "%s",
                 flight->report.error ? flight->report.error : "");
}

static struct store_queue *open_memory(void)
{
        struct store_queue *store;

        ck_assert_int_eq(memory_queue_open(&(struct store_queue_options){ 0 }, &store), 0);
        return store;
}

/* `o.store`: NULL is one in memory. The flow closes it. */
static void flow_open(struct flow *f, struct supervisor_options o)
{
        static const struct handler_class class = { "scripted", run_scripted, NULL };

        *f = (struct flow){ .scripted.handler.class = &class };
        f->store = o.store ? o.store : open_memory();
        f->intake = (struct intake){ .store = f->store, .payload_max = 100 };
        o.queue_name = "q";
        o.store = f->store;
        o.route = (struct route){ .handler = &f->scripted.handler };
        o.concurrency = o.concurrency ? o.concurrency : 4;
        o.maxsize = o.maxsize ? o.maxsize : 8;
        o.timeout = o.timeout ? o.timeout : PEN_FOREVER;
        o.observer = (struct observer){ on_settled, f };
        if (o.retry.max_attempts == 0)
                o.retry = (struct retry_policy){ .max_attempts = 3,
                                                 .max_crashes = 3,
                                                 .factor = 2,
                                                 .delay = PEN_SEC,
                                                 .max_delay = PEN_HOUR };
        ck_assert_int_eq(supervisor_create(&o, &f->supervisor), 0);
        ck_assert_int_eq(supervisor_start(f->supervisor), 0);
}

static void flow_close(struct flow *f, pen_usec grace)
{
        struct store_counts counts;

        ck_assert_int_eq(supervisor_stop(f->supervisor, grace), 0);
        for (enum flight_state i = FLIGHT_FETCHING; i < FLIGHT_STATES; i++)
                ck_assert_uint_eq(supervisor_count(f->supervisor, i), 0);
        ck_assert_int_eq(store_count(f->store, &counts), 0);
        ck_assert_uint_eq(counts.running, 0);
        supervisor_free(f->supervisor);
        store_close(f->store);
}

static void push_fields(struct flow *f, struct job_fields fields)
{
        struct receipt receipt;

        ck_assert_int_eq(intake_push(&f->intake, &fields, 0, &receipt), 0);
        ck_assert_int_eq(receipt.result, PUSH_STORED);
}

static void push(struct flow *f, const char *script)
{
        push_fields(f, (struct job_fields){ .payload = { script, strlen(script) } });
}

static void join(struct flow *f)
{
        ck_assert_int_eq(store_join(f->store), 0);
}

#define PROMISE(name)                                                \
        static int name##_body(void *arg);                           \
        START_TEST(name)                                             \
        {                                                            \
                ck_assert_int_eq(run_virtual(name##_body, NULL), 0); \
        }                                                            \
        END_TEST                                                     \
        static int name##_body(__attribute__((unused)) void *arg)

/* --- running ------------------------------------------------------------------------------------- */

PROMISE(never_more_than_the_consumers_run_at_once)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ .concurrency = 7 });
        for (int i = 0; i < 500; i++)
                push(&f, "sleep 1000");
        join(&f);
        ck_assert_uint_eq(f.ended, 500);
        ck_assert_uint_eq(f.scripted.runs, 500);
        ck_assert_uint_eq(f.scripted.most, 7);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_failure_is_retried_with_backoff_until_its_budget_is_spent)
{
        struct flow f;
        pen_usec began = pen_now();

        flow_open(&f, (struct supervisor_options){ 0 });
        push(&f, "fail");
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 3);
        ck_assert_uint_eq(f.scripted.last_number, 3);
        ck_assert_uint_eq(f.settled[OUTCOME_FAILED], 3);
        ck_assert_uint_eq(f.ended, 1);
        ck_assert_uint_eq(f.last_ended - began, 3 * PEN_SEC); /* 1 + 2 */
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_jobs_own_max_attempts_goes_before_the_queues)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        push_fields(&f, (struct job_fields){ .payload = { "fail", 4 }, .max_attempts = 1 });
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_rejected_job_is_never_tried_again)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        push(&f, "reject");
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 1);
        ck_assert_uint_eq(f.settled[OUTCOME_REJECTED], 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(an_attempt_ends_at_its_time_limit)
{
        struct flow f;
        pen_usec began = pen_now();

        flow_open(&f, (struct supervisor_options){ .timeout = 5 * PEN_SEC });
        push_fields(&f, (struct job_fields){ .payload = { "hang", 4 }, .max_attempts = 1 });
        push_fields(&f, (struct job_fields){ .payload = { "hang", 4 },
                                             .max_attempts = 1,
                                             .timeout = 2 * PEN_SEC });
        join(&f);
        ck_assert_uint_eq(f.settled[OUTCOME_TIMEOUT], 2);
        ck_assert_uint_eq(f.last_ended - began, 5 * PEN_SEC);
        ck_assert_str_eq(f.error, "ran past its time of 5 s");
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_job_past_its_expires_at_is_not_started)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        push_fields(&f, (struct job_fields){ .payload = { "done", 4 },
                                             .expires_at = clock_wall_ms() - 1 });
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 0);
        ck_assert_uint_eq(f.settled[OUTCOME_EXPIRED], 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_retry_after_the_jobs_expires_at_still_runs)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        push_fields(&f, (struct job_fields){ .payload = { "late", 4 },
                                             .expires_at = clock_wall_ms() + 3600 * 1000 });
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 2);
        ck_assert_uint_eq(f.settled[OUTCOME_FAILED], 1);
        ck_assert_uint_eq(f.settled[OUTCOME_DONE], 1);
        ck_assert_uint_eq(f.settled[OUTCOME_EXPIRED], 0);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_handler_that_breaks_is_a_failure_and_the_consumers_live_on)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        for (int i = 0; i < 20; i++)
                push_fields(&f,
                            (struct job_fields){ .payload = { "break", 5 }, .max_attempts = 1 });
        push(&f, "done");
        join(&f);
        ck_assert_uint_eq(f.settled[OUTCOME_FAILED], 20);
        ck_assert_uint_eq(f.settled[OUTCOME_DONE], 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(an_unavailable_handler_spends_no_attempt_and_is_tried_until_it_is_there)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        f.scripted.away = true;
        for (int i = 0; i < 10; i++)
                push(&f, "away");
        ck_assert_int_eq(pen_sleep(10 * PEN_MINUTE), 0);
        ck_assert_uint_eq(f.ended, 0);
        ck_assert_uint_gt(f.scripted.runs, 20);  /* tried every 30 s at the latest, */
        ck_assert_uint_lt(f.scripted.runs, 200); /* and not in a loop */
        f.scripted.away = false;
        join(&f);
        ck_assert_uint_eq(f.settled[OUTCOME_DONE], 10);
        ck_assert_uint_eq(f.scripted.last_number, 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(the_rate_bounds_the_starts)
{
        struct flow f;
        pen_usec began = pen_now();

        flow_open(&f, (struct supervisor_options){ .rate = 10 });
        for (int i = 0; i < 101; i++)
                push(&f, "done");
        join(&f);
        ck_assert_uint_eq(f.last_ended - began, 10 * PEN_SEC);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_payload_over_the_limit_is_refused_with_both_numbers)
{
        static const char big[101];
        struct job_fields fields = { .payload = { big, sizeof(big) } };
        struct receipt receipt;
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        ck_assert_int_eq(intake_push(&f.intake, &fields, 0, &receipt), -EINVAL);
        ck_assert_str_eq(receipt.error, "payload of 101 bytes; at most 100 are allowed");
        fields.payload.size = 100;
        push_fields(&f, fields);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(a_run_at_more_than_a_year_ahead_is_refused)
{
        static const uint64_t minute = 60 * 1000, year = 365 * 24 * 60 * minute;
        struct job_fields fields = { .payload = { "done", 4 },
                                     .run_at = clock_wall_ms() + year + minute };
        struct store_counts counts;
        struct receipt receipt;
        struct flow f;

        flow_open(&f, (struct supervisor_options){ 0 });
        ck_assert_int_eq(intake_push(&f.intake, &fields, 0, &receipt), -EINVAL);
        ck_assert_str_eq(receipt.error,
                         "the start is further ahead than the 365d that are allowed");
        fields.run_at -= 2 * minute;
        push_fields(&f, fields);
        ck_assert_int_eq(store_count(f.store, &counts), 0);
        ck_assert_uint_eq(counts.delayed, 1);
        flow_close(&f, GRACE);
        return 0;
}

/* --- a store that takes no results ---------------------------------------------------------------- */

/* The memory store behind a gate: while that is closed no settle returns. */
struct gated {
        struct store_queue head;
        struct store_queue *inner;
        struct pen_event *gate;
        size_t fetches, fetched;
        size_t settling; /* calls that wait at the gate */
};

static struct gated *gated(const struct store_queue *q)
{
        return container_of(q, struct gated, head);
}

static int gated_push(struct store_queue *q, struct push *pushes, size_t n, bool wait)
{
        return store_push(gated(q)->inner, pushes, n, wait);
}

static ssize_t gated_fetch(struct store_queue *q, struct job **ret_jobs, size_t max)
{
        ssize_t n = store_fetch(gated(q)->inner, ret_jobs, max);

        gated(q)->fetches += n > 0;
        gated(q)->fetched += n > 0 ? (size_t)n : 0;
        return n;
}

static int gated_start(struct store_queue *q, struct job *job)
{
        return store_start(gated(q)->inner, job);
}

static int gated_settle(struct store_queue *q, struct settlement *settlements, size_t n)
{
        int r;

        gated(q)->settling++;
        r = pen_event_wait(gated(q)->gate);
        gated(q)->settling--;
        return r < 0 ? r : store_settle(gated(q)->inner, settlements, n);
}

static ssize_t gated_promote(struct store_queue *q)
{
        return store_promote(gated(q)->inner);
}

static int gated_join(struct store_queue *q)
{
        return store_join(gated(q)->inner);
}

static ssize_t gated_keep_lease(struct store_queue *q)
{
        return store_keep_lease(gated(q)->inner);
}

static int gated_count(struct store_queue *q, struct store_counts *ret_counts)
{
        return store_count(gated(q)->inner, ret_counts);
}

static void gated_close(struct store_queue *q)
{
        store_close(gated(q)->inner);
        pen_event_free(gated(q)->gate);
}

static void gated_open(struct gated *g)
{
        static const struct store_class class = {
                .name = "gated",
                .fetches = 3,
                .settles = 2,
                .push = gated_push,
                .fetch = gated_fetch,
                .start = gated_start,
                .settle = gated_settle,
                .promote = gated_promote,
                .keep_lease = gated_keep_lease,
                .join = gated_join,
                .count = gated_count,
                .close = gated_close,
        };

        *g = (struct gated){ .head.class = &class, .inner = open_memory() };
        ck_assert_int_eq(pen_event_create(&g->gate), 0);
}

PROMISE(a_store_that_takes_no_results_hands_out_no_more_than_the_credit)
{
        struct gated g;
        struct flow f;

        gated_open(&g);
        flow_open(&f,
                  (struct supervisor_options){ .store = &g.head, .concurrency = 3, .maxsize = 5 });
        for (int i = 0; i < 200; i++)
                push(&f, "done");
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_uint_eq(g.fetched, 5 + 3);
        ck_assert_uint_eq(f.scripted.runs, 5 + 3);
        ck_assert_uint_eq(f.ended, 0);

        pen_event_set(g.gate);
        join(&f);
        ck_assert_uint_eq(g.fetched, 200);
        ck_assert_uint_eq(f.settled[OUTCOME_DONE], 200);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(results_go_to_the_store_while_it_is_at_earlier_ones)
{
        struct gated g;
        struct flow f;

        gated_open(&g);
        flow_open(&f, (struct supervisor_options){ .store = &g.head });
        for (size_t i = 1; i <= 3; i++) {
                push(&f, "done");
                ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
                ck_assert_uint_eq(g.settling, MIN(i, 2u));
        }
        pen_event_set(g.gate);
        join(&f);
        ck_assert_uint_eq(f.settled[OUTCOME_DONE], 3);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(credit_that_comes_back_as_one_is_used_by_one_fetch)
{
        struct gated g;
        struct flow f;

        gated_open(&g);
        pen_event_set(g.gate);
        flow_open(&f,
                  (struct supervisor_options){ .store = &g.head, .concurrency = 3, .maxsize = 5 });
        for (int i = 0; i < 800; i++)
                push(&f, "done");
        join(&f);
        ck_assert_uint_eq(g.fetched, 800);
        ck_assert_uint_le(g.fetches, 2 * 800 / (3 + 5));
        flow_close(&f, GRACE);
        return 0;
}

/* --- stopping ------------------------------------------------------------------------------------ */

PROMISE(a_stop_lets_the_running_finish_and_gives_the_rest_back)
{
        struct store_counts counts;
        struct flow f;

        flow_open(&f, (struct supervisor_options){ .concurrency = 4, .maxsize = 8 });
        for (int i = 0; i < 30; i++)
                push(&f, "sleep 1000000");
        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        ck_assert_int_eq(supervisor_stop(f.supervisor, GRACE), 0);
        ck_assert_int_eq(store_count(f.store, &counts), 0);
        ck_assert_uint_eq(counts.done, 4);
        ck_assert_uint_eq(counts.ready, 26);
        ck_assert_uint_eq(f.scripted.runs, 4);
        ck_assert_uint_eq(f.scripted.cancelled, 0);
        supervisor_free(f.supervisor);
        store_close(f.store);
        return 0;
}

PROMISE(a_stop_starts_nothing_that_waits_for_its_rate)
{
        struct store_counts counts;
        struct flow f;
        pen_usec began = pen_now();

        flow_open(&f, (struct supervisor_options){ .rate = 1 });
        for (int i = 0; i < 10; i++)
                push(&f, "done");
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_int_eq(supervisor_stop(f.supervisor, GRACE), 0);
        ck_assert_uint_lt(pen_now() - began, PEN_SEC);
        ck_assert_uint_eq(f.scripted.runs, 1);
        ck_assert_int_eq(store_count(f.store, &counts), 0);
        ck_assert_uint_eq(counts.ready, 9);
        supervisor_free(f.supervisor);
        store_close(f.store);
        return 0;
}

PROMISE(a_job_that_waits_for_its_rate_past_its_expires_at_is_not_started)
{
        struct flow f;

        flow_open(&f, (struct supervisor_options){ .rate = 0.001 });
        push(&f, "done");
        push_fields(&f, (struct job_fields){ .payload = { "done", 4 },
                                             .expires_at = clock_wall_ms() + 50 });
        for (uint64_t end = clock_wall_ms() + 51; clock_wall_ms() < end;) /* the wall's time */
                ck_assert_int_eq(pen_yield(), 0);
        join(&f);
        ck_assert_uint_eq(f.scripted.runs, 1);
        ck_assert_uint_eq(f.settled[OUTCOME_EXPIRED], 1);
        flow_close(&f, GRACE);
        return 0;
}

PROMISE(after_the_grace_the_running_are_released_unspent)
{
        struct store_counts counts;
        struct job *job;
        struct flow f;
        pen_usec began;

        flow_open(&f, (struct supervisor_options){ 0 });
        push(&f, "hang");
        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        began = pen_now();
        ck_assert_int_eq(supervisor_stop(f.supervisor, GRACE), 0);
        ck_assert_uint_eq(pen_now() - began, GRACE);
        ck_assert_int_eq(store_count(f.store, &counts), 0);
        ck_assert_uint_eq(counts.ready, 1);
        ck_assert_uint_eq(f.settled[OUTCOME_RELEASED], 1);
        ck_assert_int_eq(store_fetch(f.store, &job, 1), 1);
        ck_assert_uint_eq(job->attempts, 0);
        ck_assert_int_eq(
                store_settle(f.store,
                             &(struct settlement){ .job = job, .verdict = { MOVE_DONE, 0 } }, 1),
                0);
        job_unref(job);
        supervisor_free(f.supervisor);
        store_close(f.store);
        return 0;
}

static int open_and_stop(void *arg)
{
        struct flow *f = arg;

        flow_open(f, (struct supervisor_options){ 0 });
        push(f, "hang");
        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        flow_close(f, GRACE);
        return pen_sleep(0); /* a request that came during the stop is still there */
}

PROMISE(a_cancellation_during_the_stop_ends_the_grace)
{
        struct pen_task *stopper;
        struct flow f;
        int result;

        ck_assert_int_eq(pen_spawn(open_and_stop, &f, &stopper), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert(!pen_task_done(stopper));
        pen_task_cancel(stopper);
        ck_assert_int_eq(pen_await(stopper, &result), 0);
        ck_assert_uint_lt(pen_now(), 2 * PEN_SEC);
        ck_assert_uint_eq(f.settled[OUTCOME_RELEASED], 1);
        pen_task_unref(stopper);
        return 0;
}

/* Whenever the stop comes, every job is either ended or back in the store. */
PROMISE(no_moment_of_stopping_loses_a_job)
{
        for (pen_usec moment = 0; moment < 60; moment++) {
                static const char *const scripts[] = { "done", "fail", "sleep 7", "reject",
                                                       "sleep 20" };
                struct store_counts counts;
                struct flow f;

                flow_open(&f, (struct supervisor_options){ .concurrency = 3, .maxsize = 2 });
                for (size_t i = 0; i < 40; i++)
                        push(&f, scripts[i % ARRAY_SIZE(scripts)]);
                for (pen_usec i = 0; i < moment % 4; i++)
                        ck_assert_int_eq(pen_yield(), 0);
                if (moment >= 4)
                        ck_assert_int_eq(pen_sleep(moment), 0);
                ck_assert_int_eq(supervisor_stop(f.supervisor, moment % 3 ? GRACE : 0), 0);
                ck_assert_int_eq(store_count(f.store, &counts), 0);
                ck_assert_uint_eq(counts.running, 0);
                ck_assert_uint_eq(counts.done + counts.dead, f.ended);
                ck_assert_uint_eq(counts.ready + counts.delayed + f.ended, 40);
                supervisor_free(f.supervisor);
                store_close(f.store);
        }
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "flow", never_more_than_the_consumers_run_at_once,
                a_failure_is_retried_with_backoff_until_its_budget_is_spent,
                a_jobs_own_max_attempts_goes_before_the_queues, a_rejected_job_is_never_tried_again,
                an_attempt_ends_at_its_time_limit, a_job_past_its_expires_at_is_not_started,
                a_retry_after_the_jobs_expires_at_still_runs,
                a_handler_that_breaks_is_a_failure_and_the_consumers_live_on,
                an_unavailable_handler_spends_no_attempt_and_is_tried_until_it_is_there,
                the_rate_bounds_the_starts, a_payload_over_the_limit_is_refused_with_both_numbers,
                a_run_at_more_than_a_year_ahead_is_refused,
                a_store_that_takes_no_results_hands_out_no_more_than_the_credit,
                results_go_to_the_store_while_it_is_at_earlier_ones,
                credit_that_comes_back_as_one_is_used_by_one_fetch,
                a_stop_lets_the_running_finish_and_gives_the_rest_back,
                a_stop_starts_nothing_that_waits_for_its_rate,
                a_job_that_waits_for_its_rate_past_its_expires_at_is_not_started,
                after_the_grace_the_running_are_released_unspent,
                a_cancellation_during_the_stop_ends_the_grace, no_moment_of_stopping_loses_a_job);
}
