/* Promises about verbs that are cut short, at any moment; and about any history. */
#include "contract.h"

#include <errno.h>
#include <stdio.h>

#include <base/random.h>
#include <penstock/timeout.h>

#define MOMENTS 40

static bool is_virtual(void)
{
        return under_test->clock == PEN_CLOCK_VIRTUAL;
}

/* Lets others run until the verb is somewhere: so many turns, or up to 3 ms. */
static void let_run(int moment)
{
        if (!is_virtual())
                ck_assert_int_eq(pen_sleep((pen_usec)(moment * moment * 2)), 0);
        for (int i = 0; i < moment; i++)
                ck_assert_int_eq(pen_yield(), 0);
}

/* Answers what it did. */
static int cut_short(int (*fn)(void *), void *arg, int moment)
{
        struct pen_task *task = spawn(fn, arg);

        let_run(moment);
        pen_task_cancel(task);
        return await_and_unref(task);
}

/* --- push ---------------------------------------------------------------------------------------- */

struct some_pushes {
        struct store_queue *q;
        struct push pushes[20];
};

static int push_some(void *arg)
{
        struct some_pushes *s = arg;

        return store_push(s->q, s->pushes, ARRAY_SIZE(s->pushes), false);
}

static void a_push_cut_short_tells_what_it_stored(void)
{
        struct some_pushes s = { .q = any_store() };
        size_t stored = 0;

        for (int moment = 0; moment < MOMENTS; moment++) {
                for (size_t i = 0; i < ARRAY_SIZE(s.pushes); i++) {
                        struct job_fields fields = { .payload = text("x") };

                        ck_assert_int_eq(job_create(&fields, &s.pushes[i].job), 0);
                        s.pushes[i].result = PUSH_PENDING;
                }
                (void)cut_short(push_some, &s, moment);
                for (size_t i = 0; i < ARRAY_SIZE(s.pushes); i++) {
                        stored += s.pushes[i].result == PUSH_STORED;
                        job_unref(s.pushes[i].job);
                }
                expect_counts(s.q, stored, 0, 0);
        }
        finish_all(s.q);
}

/* --- fetch --------------------------------------------------------------------------------------- */

static int fetch_one(void *q)
{
        struct job *job;
        int r = (int)store_fetch(q, &job, 1);

        if (r < 0)
                return r;
        settle(q, job, MOVE_RELEASE, 0);
        return r;
}

static void a_fetch_cut_short_loses_nothing(void)
{
        struct store_queue *q = any_store();

        push(q, "plain");
        ck_assert_int_eq(push_id(q, "a", "with an id"), PUSH_STORED);
        for (int moment = 0; moment < MOMENTS; moment++) {
                (void)cut_short(fetch_one, q, moment);
                SOON(counts_of(q).running == 0);
                expect_counts(q, 2, 0, 0);
        }
        run_and_finish(q, "plain");
        run_and_finish(q, "with an id");
        finish_all(q);
}

static void a_fetch_that_waits_is_cut_short_as_a_job_comes(void)
{
        struct store_queue *q = any_store();

        for (int moment = 0; moment < MOMENTS; moment++) {
                struct pen_task *fetcher = spawn(fetch_one, q);

                ck_assert_int_eq(pen_sleep(is_virtual() ? 1 : 3 * PEN_MSEC), 0);
                push(q, "kept");
                let_run(moment);
                pen_task_cancel(fetcher);
                (void)await_and_unref(fetcher);
                SOON(counts_of(q).running == 0);
                expect_counts(q, 1, 0, 0);
                run_and_finish(q, "kept");
        }
        finish_all(q);
}

/* A cancellation that is not heard would leave its task running for ever. */
static int fetch_for_ever(void *q)
{
        struct job *jobs[8];
        ssize_t n;
        int r = 0;

        while (r == 0 && (n = store_fetch(q, jobs, ARRAY_SIZE(jobs))) > 0) {
                for (ssize_t i = 0; i < n; i++)
                        settle(q, jobs[i], MOVE_RELEASE, 0);
                r = pen_yield();
        }
        return r;
}

static void no_verb_swallows_a_cancellation(void)
{
        struct store_queue *q = any_store();
        char id[] = "a";

        for (; *id < 'k'; ++*id)
                ck_assert_int_eq(push_id(q, id, "x"), PUSH_STORED);
        for (int moment = 0; moment < MOMENTS; moment++) {
                struct pen_task *fetcher = spawn(fetch_for_ever, q);

                let_run(moment);
                pen_task_cancel(fetcher);
                UNTIL(pen_task_done(fetcher));
                pen_task_unref(fetcher);
        }
        SOON(counts_of(q).running == 0);
        expect_counts(q, 10, 0, 0);
        finish_all(q);
}

/* --- the others ---------------------------------------------------------------------------------- */

struct one_job {
        struct store_queue *q;
        struct job *job;
        struct verdict verdict;
};

static int settle_one(void *arg)
{
        struct one_job *o = arg;

        return store_settle(o->q,
                            &(struct settlement){ .job = o->job,
                                                  .verdict = o->verdict,
                                                  .outcome = OUTCOME_FAILED },
                            1);
}

static void a_settle_cut_short_and_repeated_happens_once(void)
{
        struct one_job o = { .q = any_store() };
        struct store_counts before, after;

        for (int moment = 0; moment < MOMENTS; moment++) {
                before = counts_of(o.q);
                o.verdict = (struct verdict){ (enum move)(moment % 6), 1 };
                ck_assert_int_eq(
                        push_fields(o.q, (struct job_fields){ .id = moment / 6 % 2 ? "a" : NULL,
                                                              .payload = text("x") }),
                        PUSH_STORED);
                o.job = fetch(o.q);
                if (cut_short(settle_one, &o, moment / 2) < 0 && o.job->refs > 1)
                        ck_assert_int_eq(settle_one(&o), 0);
                job_unref(o.job);
                after = counts_of(o.q);
                ck_assert_uint_eq(after.running, 0);
                ck_assert_uint_eq(after.done - before.done, o.verdict.move == MOVE_DONE);
                ck_assert_uint_eq(after.dead - before.dead, o.verdict.move == MOVE_DEAD);
                ck_assert_uint_eq(after.ready, o.verdict.move == MOVE_RELEASE);
                ck_assert_uint_eq(after.delayed, o.verdict.move == MOVE_RETRY);
                if (after.delayed > 0)
                        promote(o.q, 1);
                if (after.delayed + after.ready > 0)
                        run_and_finish(o.q, "x");
                store_configure(o.q, &(struct store_queue_options){ .name = "any" });
        }
        finish_all(o.q);
}

static int start_one(void *arg)
{
        struct one_job *o = arg;

        return store_start(o->q, o->job);
}

static void a_start_cut_short_leaves_the_job_ours(void)
{
        struct one_job o = { .q = any_store() };

        push(o.q, "x");
        for (int moment = 0; moment < MOMENTS; moment++) {
                uint64_t had;

                o.job = fetch(o.q);
                had = o.job->deliveries;
                (void)cut_short(start_one, &o, moment % 8);
                ck_assert_uint_le(o.job->deliveries, had + 2);
                settle(o.q, o.job, MOVE_RELEASE, 0);
                expect_counts(o.q, 1, 0, 0);
        }
        run_and_finish(o.q, "x");
        finish_all(o.q);
}

static int promote_once(void *q)
{
        return (int)store_promote(q);
}

static void a_promote_cut_short_loses_nothing(void)
{
        struct store_queue *q = any_store();

        for (int moment = 0; moment < MOMENTS; moment++) {
                push(q, "x");
                settle(q, fetch(q), MOVE_RETRY, 1);
                (void)cut_short(promote_once, q, moment);
                ck_assert_uint_eq(counts_of(q).ready + counts_of(q).delayed, 1);
                if (counts_of(q).delayed > 0)
                        promote(q, 1);
                run_and_finish(q, "x");
        }
        finish_all(q);
}

static int count(void *q)
{
        struct store_counts counts;

        return store_count(q, &counts);
}

static int list_letters(void *q)
{
        struct dead_letter letters[4];
        ssize_t n = store_dead_list(q, "", letters, ARRAY_SIZE(letters));

        for (ssize_t i = 0; i < n; i++)
                dead_letter_deinit(&letters[i]);
        return (int)n;
}

static void looking_may_be_cut_short_too(void)
{
        struct store_queue *q = any_store();

        push(q, "x");
        settle_dead(q, fetch(q), OUTCOME_FAILED, "no");
        push(q, "y");
        for (int moment = 0; moment < MOMENTS; moment++) {
                (void)cut_short(count, q, moment);
                (void)cut_short(list_letters, q, moment);
                ck_assert_int_eq(cut_short(join, q, moment), -ECANCELED);
        }
        ck_assert_uint_eq(counts_of(q).dead_letters, 1);
        run_and_finish(q, "y");
        finish_all(q);
}

static int retry_first_letter(void *q)
{
        struct dead_letter letter;
        int r = (int)store_dead_list(q, "", &letter, 1);

        if (r < 1)
                return r;
        r = store_dead_retry(q, letter.place);
        dead_letter_deinit(&letter);
        return r;
}

static void a_dead_retry_cut_short_leaves_a_letter_or_a_job(void)
{
        struct store_queue *q = any_store();

        for (int moment = 0; moment < MOMENTS; moment++) {
                struct store_counts c;

                push(q, "x");
                settle_dead(q, fetch(q), OUTCOME_FAILED, "no");
                (void)cut_short(retry_first_letter, q, moment / 2);
                c = counts_of(q);
                ck_assert_uint_eq(c.ready + c.dead_letters, 1);
                if (c.dead_letters > 0)
                        ck_assert_int_eq(retry_first_letter(q), 0);
                run_and_finish(q, "x");
        }
        finish_all(q);
}

/* --- any history --------------------------------------------------------------------------------- */

struct history {
        struct store_queue *q;
        struct random random;
        struct job *running[64];
        size_t n;
        uint64_t stored, ended, made;
};

static int fetch_into(void *arg)
{
        struct history *h = arg;
        ssize_t n = store_fetch(h->q, h->running + h->n,
                                1 + random_below(&h->random, ARRAY_SIZE(h->running) - h->n));

        h->n += n > 0 ? (size_t)n : 0;
        return (int)n;
}

static void push_any(struct history *h, pen_usec delay)
{
        char id[32];
        struct job_fields fields = { .payload = text("x"), .delay = delay };

        if (random_below(&h->random, 2)) {
                snprintf(id, sizeof(id), "id-%llu", (unsigned long long)h->made++);
                fields.id = id;
        }
        ck_assert_int_eq(push_fields(h->q, fields), PUSH_STORED);
        h->stored++;
}

static void settle_any(struct history *h)
{
        enum move move = (enum move)random_below(&h->random, 6);

        if (random_below(&h->random, 2))
                ck_assert_int_eq(store_start(h->q, h->running[h->n - 1]), 0);
        settle(h->q, h->running[--h->n], move, 1);
        h->ended += move != MOVE_RETRY && move != MOVE_RELEASE;
}

static void take_step(struct history *h)
{
        struct store_counts c = counts_of(h->q);

        switch (random_below(&h->random, 5)) {
        case 0:
                push_any(h, 0);
                break;
        case 1:
                push_any(h, 1 + random_below(&h->random, T(1)));
                break;
        case 2: /* where delayed jobs are put aside at the fetch, this may wait for nothing */
                if (c.ready > 0 && h->n < ARRAY_SIZE(h->running))
                        (void)!pen_within(T(0.1), fetch_into, h);
                break;
        case 3:
                if (c.delayed > 0)
                        ck_assert_int_ge(store_promote(h->q), 0);
                break;
        case 4:
                if (h->n > 0)
                        settle_any(h);
                break;
        }
}

/* Every job that was stored is, at each moment, in exactly one place. */
static void check_history(struct history *h)
{
        struct store_counts c;

        UNTIL(counts_of(h->q).running ==
              h->n); /* what a fetch that was cut short had is given back */
        c = counts_of(h->q);
        ck_assert_uint_eq(c.done + c.dead + c.expired + c.cancelled, h->ended);
        ck_assert_uint_eq(c.ready + c.delayed + c.running, h->stored - h->ended);
}

static void no_history_loses_or_invents_a_job(void)
{
        for (uint64_t seed = 1; seed <= (is_virtual() ? 50 : 4); seed++) {
                struct history h = { .q = any_store() };
                struct pen_task *scheduler;

                random_seed(&h.random, seed);
                for (int step = 0; step < 400; step++) {
                        take_step(&h);
                        check_history(&h);
                }
                while (h.n > 0)
                        settle(h.q, h.running[--h.n], MOVE_DONE, 0);
                scheduler = spawn(promote_for_ever, h.q);
                while (counts_of(h.q).ready + counts_of(h.q).delayed > 0) {
                        settle(h.q, fetch(h.q), MOVE_DONE, 0);
                        h.ended++;
                }
                cancel_and_unref(scheduler);
                finish_all(h.q);
        }
}

const struct promise cancel_promises[] = {
        P(a_push_cut_short_tells_what_it_stored),
        P(a_fetch_cut_short_loses_nothing),
        P(a_fetch_that_waits_is_cut_short_as_a_job_comes),
        P(no_verb_swallows_a_cancellation),
        P(a_settle_cut_short_and_repeated_happens_once),
        P(a_start_cut_short_leaves_the_job_ours),
        P(a_promote_cut_short_loses_nothing),
        P(looking_may_be_cut_short_too),
        P(a_dead_retry_cut_short_leaves_a_letter_or_a_job),
        P(no_history_loses_or_invents_a_job),
        { NULL, NULL },
};
