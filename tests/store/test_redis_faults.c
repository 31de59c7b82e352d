/* Connections that break at the worst moment, and histories of everything at once: nothing is lost, nothing happens twice that is
 * told to happen once. */
#include "redis_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/random.h>
#include <penstock/timeout.h>

static struct redis_daemon open_as(const char *instance, const char *former, pen_usec lease)
{
        struct redis_daemon d;

        redis_daemon_open(&d, server,
                          &(struct redis_daemon_options){ .instance = instance,
                                                          .former = former,
                                                          .lease = lease,
                                                          .queue = { KEPT } });
        return d;
}

/* --- an answer that gets lost -------------------------------------------------------------------- */

/* Runs fn(arg), a verb, so that the server carries it out and hangs up before it answers. (It stands still while it gets
 * the verb's command and after it the one that kills all connections, and then reads both.) */
static int without_an_answer(int (*fn)(void *), void *arg)
{
        int killer = side_connection(server);
        struct pen_task *task;

        for (int calm = 0; calm < 10;
             calm++) { /* nothing else shall be under way: no lease, no trim */
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
                if (bytes_unread_by_peers() > 0)
                        calm = 0;
        }
        redis_server_pause(server);
        task = spawn(fn, arg);
        UNTIL(bytes_unread_by_peers() > 0);
        side_send(killer, "CLIENT KILL TYPE normal");
        redis_server_resume(server);
        side_end(killer);
        return await_and_unref(task);
}

struct settling {
        struct store_queue *q;
        struct settlement s;
};

static int settle_it(void *arg)
{
        struct settling *settling = arg;

        return store_settle(settling->q, &settling->s, 1);
}

static void expect_settled_once(struct redis_daemon *d, const char *id, enum move move)
{
        struct settling settling = { .q = d->queue };
        struct store_counts before = counts_of(d->queue), after;
        struct job *job;

        ck_assert_int_eq(
                push_fields(d->queue, (struct job_fields){ .id = id, .payload = text("x") }),
                PUSH_STORED);
        job = fetch(d->queue);
        ck_assert_int_eq(store_start(d->queue, job), 0);
        settling.s = (struct settlement){ .job = job,
                                          .verdict = { move, 1 },
                                          .outcome = OUTCOME_FAILED };
        ck_assert_int_eq(without_an_answer(settle_it, &settling), 0);
        ck_assert(!settling.s.stale);
        after = counts_of(d->queue);
        ck_assert_uint_eq(after.running, 0);
        if (move == MOVE_DONE) /* that of a plain job is told later, and best effort */
                ck_assert_uint_le(after.done - before.done, 1);
        if (move == MOVE_DONE && id)
                ck_assert_uint_eq(after.done - before.done, 1);
        ck_assert_uint_eq(after.dead - before.dead, move == MOVE_DEAD);
        ck_assert_uint_eq(after.expired - before.expired, move == MOVE_EXPIRE);
        ck_assert_uint_eq(after.cancelled - before.cancelled, move == MOVE_CANCEL);
        ck_assert_uint_eq(after.ready, move == MOVE_RELEASE);
        ck_assert_uint_eq(after.delayed, move == MOVE_RETRY);
        if (move == MOVE_RETRY)
                promote(d->queue, 1);
        finish_ready(d->queue);
        job_unref(job);
}

PROMISE(a_settle_whose_answer_got_lost_happened_once)
{
        for (enum move move = MOVE_DONE; move <= MOVE_CANCEL; move++) {
                for (int own = 0; own < 2; own++) {
                        struct redis_daemon d = open_as("d", NULL, PEN_SEC);

                        expect_settled_once(&d, own ? "a" : NULL, move);
                        redis_daemon_close(&d);
                        asked(server, "DEL penstock:{q}:job:a");
                }
        }
        ck_assert(logged("closed the connection"));
        return 0;
}

struct pushing {
        struct store_queue *q;
        struct push push;
};

static int push_it(void *arg)
{
        struct pushing *p = arg;

        return store_push(p->q, &p->push, 1, false);
}

PROMISE(a_push_whose_answer_got_lost_is_repeated_if_it_has_an_id)
{
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);
        struct pushing p = { .q = d.queue };

        ck_assert_int_eq(
                job_create(&(struct job_fields){ .id = "a", .payload = text("x") }, &p.push.job),
                0);
        ck_assert_int_eq(without_an_answer(push_it, &p), 0);
        ck_assert_int_eq(p.push.result, PUSH_EXISTS);
        job_unref(p.push.job);
        expect_counts(d.queue, 1, 0, 0);

        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = text("y") }, &p.push.job), 0);
        /* Perhaps it is stored; or it was the question for room that broke off, and then it is. */
        if (without_an_answer(push_it, &p) < 0)
                ck_assert_int_eq(p.push.result, PUSH_PENDING);
        else
                ck_assert_int_eq(p.push.result, PUSH_STORED);
        job_unref(p.push.job);
        expect_counts(d.queue, 2, 0, 0);
        finish_ready(d.queue);
        redis_daemon_close(&d);
        return 0;
}

/* Of one that is not answered nobody knows, and nobody guesses. */
PROMISE(a_push_without_an_id_is_never_stored_twice)
{
        size_t stored = 0, unknown = 0;
        long n;

        for (int moment = 0; moment < 40; moment++) {
                struct redis_daemon d = open_as("d", NULL, PEN_SEC);
                struct pushing p = { .q = d.queue };
                struct pen_task *pusher;
                int r;

                ck_assert_int_eq(
                        job_create(&(struct job_fields){ .payload = text("y") }, &p.push.job), 0);
                pusher = spawn(push_it, &p);
                for (int i = 0; i < moment; i++)
                        ck_assert_int_eq(pen_yield(), 0);
                asked(server, "CLIENT KILL TYPE normal");
                r = await_and_unref(pusher);
                ck_assert(r == 0 || r == -ECONNRESET);
                ck_assert_int_eq(p.push.result, r == 0 ? PUSH_STORED : PUSH_PENDING);
                stored += r == 0;
                unknown += r < 0;
                job_unref(p.push.job);
                redis_daemon_close(&d);
        }
        n = asked_number(server, "XLEN penstock:{q}:ready");
        ck_assert_int_ge(n, (long)stored);
        ck_assert_int_le(n, (long)(stored + unknown));
        return 0;
}

static int fetch_and_finish(void *q)
{
        run_and_finish(q, "x");
        return 0;
}

PROMISE(what_was_fetched_by_an_answer_that_got_lost_is_given_back)
{
        static const char *const ids[] = { NULL, "a" };
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);

        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
                for (int released = 0; released < 2; released++) {
                        ck_assert_int_eq(
                                push_fields(d.queue, (struct job_fields){ .id = ids[i],
                                                                          .payload = text("x") }),
                                PUSH_STORED);
                        if (released) /* then it is claim.lua whose answer is lost */
                                settle(d.queue, fetch(d.queue), MOVE_RELEASE, 0);
                        ck_assert_int_eq(without_an_answer(fetch_and_finish, d.queue), 0);
                        expect_counts(d.queue, 0, 0, 0);
                        asked(server, "DEL penstock:{q}:job:a");
                }
        }
        ck_assert_uint_eq(counts_of(d.queue).done, 4);
        ck_assert(logged("the answer was lost"));
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

struct starting {
        struct store_queue *q;
        struct job *job;
};

static int start_it(void *arg)
{
        struct starting *s = arg;

        return store_start(s->q, s->job);
}

PROMISE(a_start_whose_answer_got_lost_is_a_start)
{
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);
        struct starting s = { .q = d.queue };

        push(d.queue, "x");
        s.job = fetch(d.queue);
        ck_assert_int_eq(store_start(d.queue, s.job), 0);
        settle(d.queue, s.job, MOVE_RELEASE, 0);
        s.job = fetch(d.queue);
        ck_assert_int_eq(without_an_answer(start_it, &s), 0);
        ck_assert_uint_ge(s.job->deliveries, 2);
        settle(d.queue, s.job, MOVE_DONE, 0);
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

static int promote_some(void *q)
{
        return (int)store_promote(q);
}

PROMISE(a_promotion_whose_answer_got_lost_happened_once)
{
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);

        push(d.queue, "x");
        settle(d.queue, fetch(d.queue), MOVE_RETRY, 1);
        ck_assert_int_eq(pen_sleep(5 * PEN_MSEC), 0); /* it is due */
        ck_assert_int_eq(without_an_answer(promote_some, d.queue), 0);
        expect_counts(d.queue, 1, 0, 0);
        run_and_finish(d.queue, "x");
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

static int retry_a_letter(void *q)
{
        struct dead_letter letter;
        int r;

        ck_assert_int_eq(store_dead_list(q, "", &letter, 1), 1);
        r = store_dead_retry(q, letter.place);
        dead_letter_deinit(&letter);
        return r;
}

PROMISE(a_looked_for_letter_survives_a_hang_up)
{
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);

        push(d.queue, "x");
        settle_dead(d.queue, fetch(d.queue), OUTCOME_FAILED, "no");
        ck_assert_int_eq(without_an_answer(retry_a_letter, d.queue), 0); /* of the listing */
        expect_counts(d.queue, 1, 0, 0);
        run_and_finish(d.queue, "x");
        redis_daemon_close(&d);
        return 0;
}

/* --- what a daemon holds without knowing --------------------------------------------------------- */

static void steal(struct redis_daemon *d)
{
        asked(server, "XREADGROUP GROUP penstock %s STREAMS penstock:{q}:ready >",
              redis_store_consumer(d->store));
}

static void finish_in_order(struct redis_daemon *d, int n)
{
        char payload[16];

        for (int i = 0; i < n; i++) {
                snprintf(payload, sizeof(payload), "%d", i);
                run_and_finish(d->queue, payload);
        }
}

static void push_numbers(int n)
{
        for (int i = 0; i < n; i++)
                asked(server, "XADD penstock:{q}:ready * payload %d", i);
}

PROMISE(after_a_break_all_that_is_unknown_is_given_back_in_order)
{
        struct redis_daemon d = open_as("d", NULL, PEN_MINUTE);

        for (int i = 0; i < 2; i++) { /* both connections are there, and all is reconciled */
                struct pen_task *fetcher = spawn(fetch_and_finish, d.queue);

                expect_waiting(fetcher);
                push(d.queue, "x");
                ck_assert_int_eq(await_and_unref(fetcher), 0);
        }
        push_numbers(100);
        steal(&d);
        asked(server, "CLIENT KILL TYPE normal");
        finish_in_order(&d, 100);
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

/* A server that stood still may read an old connection's command after it has answered the new one. */
PROMISE(what_an_old_connection_fetches_late_is_given_back_too)
{
        struct redis_daemon d = open_as("d", NULL, 300 * PEN_MSEC);

        push(d.queue, "before");
        run_and_finish(d.queue, "before");
        asked(server, "CLIENT KILL TYPE normal");
        asked(server, "XADD penstock:{q}:ready * payload between");
        run_and_finish(d.queue, "between");
        push_numbers(3);
        steal(&d);
        finish_in_order(&d, 3);
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(what_is_known_is_not_given_back)
{
        struct redis_daemon d = open_as("d", NULL, 300 * PEN_MSEC);
        struct job *job;

        push(d.queue, "x");
        job = fetch(d.queue);
        for (int i = 0; i < 3; i++) {
                asked(server, "CLIENT KILL TYPE normal");
                ck_assert_int_eq(pen_sleep(50 * PEN_MSEC), 0);
                expect_counts(d.queue, 0, 0, 1);
        }
        ck_assert_int_eq(store_start(d.queue, job), 0);
        settle(d.queue, job, MOVE_DONE, 0);
        redis_daemon_close(&d);
        return 0;
}

static int close_daemon(void *d)
{
        redis_daemon_close(d);
        return 0;
}

PROMISE(a_server_that_stands_still_does_not_keep_a_daemon_from_closing)
{
        struct redis_daemon d = open_as("d", NULL, PEN_SEC);
        struct pen_task *closing;

        redis_server_pause(server);
        closing = spawn(close_daemon, &d);
        UNTIL(pen_task_done(closing));
        ck_assert_int_eq(await_and_unref(closing), 0);
        redis_server_resume(server);
        return 0;
}

/* --- everything at once -------------------------------------------------------------------------- */

#define DAEMONS 2
#define JOBS 600

struct storm {
        struct redis_daemon daemons[DAEMONS];
        struct pen_task *workers[DAEMONS][3];
        struct random random;
        unsigned runs[JOBS], done[JOBS];
};

struct worker {
        struct storm *storm;
        struct store_queue *q;
};

static enum move judge(struct storm *s, struct job *job)
{
        switch (random_below(&s->random, 8)) {
        case 0:
                return MOVE_RELEASE;
        case 1:
                job->attempts++;
                return MOVE_RETRY;
        default:
                return MOVE_DONE;
        }
}

static int number_of(const struct job *job)
{
        char digits[8];

        ck_assert_uint_lt(job->fields.payload.size, sizeof(digits));
        snprintf(digits, sizeof(digits), "%.*s", (int)job->fields.payload.size,
                 job->fields.payload.data);
        return atoi(digits);
}

static int run_jobs(struct storm *s, struct store_queue *q, struct job **jobs, size_t n)
{
        struct settlement settlements[8];
        size_t m = 0;
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                enum move move = MOVE_RELEASE;

                if (r == 0)
                        r = store_start(q, jobs[i]);
                if (r == 0) {
                        s->runs[number_of(jobs[i])]++;
                        move = judge(s, jobs[i]);
                }
                r = r == -ESTALE ? 0 : r;
                settlements[m++] = (struct settlement){ .job = jobs[i], .verdict = { move, 1000 } };
        }
        if (r == 0)
                r = pen_sleep(random_below(&s->random, 3) * PEN_MSEC);
        if (r == 0)
                r = store_settle(q, settlements, m);
        for (size_t i = 0; i < m; i++) {
                if (r == 0 && settlements[i].verdict.move == MOVE_DONE)
                        s->done[number_of(jobs[i])]++;
                job_unref(jobs[i]);
        }
        return r;
}

static int work_on(void *arg)
{
        struct worker w = *(struct worker *)arg;
        struct job *jobs[8];
        ssize_t n;
        int r = 0;

        free(arg);
        while (r == 0) {
                n = store_fetch(w.q, jobs, 1 + random_below(&w.storm->random, 8));
                r = n < 0 ? (int)n : run_jobs(w.storm, w.q, jobs, (size_t)n);
        }
        return r;
}

static void hire(struct storm *s, size_t i)
{
        for (size_t k = 0; k < 2; k++) {
                struct worker *w = malloc(sizeof(*w));

                *w = (struct worker){ s, s->daemons[i].queue };
                s->workers[i][k] = spawn(work_on, w);
        }
        s->workers[i][2] = spawn(promote_for_ever, s->daemons[i].queue);
}

static void dismiss(struct storm *s, size_t i)
{
        for (size_t k = 0; k < 3; k++) {
                pen_task_cancel(s->workers[i][k]);
                (void)await_and_unref(s->workers[i][k]);
        }
}

static void start_again(struct storm *s, size_t i, bool kill)
{
        static const char *const names[DAEMONS] = { "a", "b" };
        char former[128];

        snprintf(former, sizeof(former), "%s", redis_store_consumer(s->daemons[i].store));
        dismiss(s, i);
        if (kill)
                redis_daemon_kill(&s->daemons[i]);
        else
                redis_daemon_close(&s->daemons[i]);
        s->daemons[i] = open_as(names[i], former, PEN_SEC);
        hire(s, i);
}

static void disturb(struct storm *s)
{
        size_t i = random_below(&s->random, DAEMONS);

        switch (random_below(&s->random, 8)) {
        case 0:
                start_again(s, i, true);
                break;
        case 1:
                start_again(s, i, false);
                break;
        case 2:
                redis_server_pause(server);
                ck_assert_int_eq(pen_sleep(random_below(&s->random, 20) * PEN_MSEC), 0);
                redis_server_resume(server);
                break;
        case 3:
                asked(server, "SCRIPT FLUSH");
                break;
        default:
                asked(server, "CLIENT KILL TYPE normal");
        }
}

static void weather_a_storm(uint64_t seed)
{
        struct storm *s = calloc(1, sizeof(*s));
        struct store_counts c;

        random_seed(&s->random, seed);
        for (size_t i = 0; i < DAEMONS; i++) {
                s->daemons[i] = open_as(i ? "b" : "a", NULL, PEN_SEC);
                hire(s, i);
        }
        for (int i = 0; i < JOBS; i++) {
                if (i % 3)
                        asked(server, "XADD penstock:{q}:ready * payload %d", i);
                else
                        asked(server, "XADD penstock:{q}:ready * payload %d id id-%d", i, i);
                if (i % 20 == 0) {
                        disturb(s);
                        ck_assert_int_eq(pen_sleep(random_below(&s->random, 10) * PEN_MSEC), 0);
                }
        }
        ck_assert_int_eq(pen_within(60 * PEN_SEC, join, s->daemons[0].queue), 0);
        for (size_t i = 0; i < DAEMONS; i++) {
                dismiss(s, i);
                c = counts_of(s->daemons[i].queue);
                ck_assert_uint_eq(c.ready + c.delayed + c.running, 0);
                redis_daemon_close(&s->daemons[i]);
        }
        for (int i = 0; i < JOBS; i++)
                ck_assert_msg(s->runs[i] > 0, "job %d never ran (seed %llu)", i,
                              (unsigned long long)seed);
        free(s);
}

PROMISE(no_storm_loses_a_job)
{
        for (uint64_t seed = 1; seed <= 3; seed++) {
                weather_a_storm(seed);
                ck_assert_int_eq(asked_number(server, "ZCARD penstock:{q}:delayed"), 0);
                asked(server, "FLUSHALL");
        }
        return 0;
}

/* --- against a model ----------------------------------------------------------------------------- */

struct model {
        struct redis_daemon daemons[DAEMONS];
        struct random random;
        struct job *held[DAEMONS][40];
        size_t n_held[DAEMONS];
        uint64_t stored, ended;
};

static int fetch_into(void *arg)
{
        struct worker *w = arg;
        struct model *m = (struct model *)w->storm;
        size_t i = w->q == m->daemons[1].queue;
        ssize_t n =
                store_fetch(w->q, m->held[i] + m->n_held[i],
                            1 + random_below(&m->random, ARRAY_SIZE(m->held[i]) - m->n_held[i]));

        m->n_held[i] += n > 0 ? (size_t)n : 0;
        return (int)n;
}

static void settle_some(struct model *m, size_t i)
{
        struct settlement s[40];
        size_t n = 0, left = 0;

        for (size_t k = 0; k < m->n_held[i]; k++) {
                struct job *job = m->held[i][k];
                enum move move = random_below(&m->random, 2)
                                         ? MOVE_DONE
                                         : (enum move)random_below(&m->random, 6);

                if (random_below(&m->random, 3) == 0) {
                        m->held[i][left++] = job;
                        continue;
                }
                s[n++] = (struct settlement){ .job = job, .verdict = { move, 1 } };
                m->ended += move != MOVE_RETRY && move != MOVE_RELEASE;
        }
        m->n_held[i] = left;
        ck_assert_int_eq(store_settle(m->daemons[i].queue, s, n), 0);
        for (size_t k = 0; k < n; k++) {
                ck_assert(!s[k].stale);
                job_unref(s[k].job);
        }
}

static void model_step(struct model *m)
{
        size_t i = random_below(&m->random, DAEMONS);
        struct worker w = { (struct storm *)m, m->daemons[i].queue };

        switch (random_below(&m->random, 4)) {
        case 0:
        case 1:
                if (random_below(&m->random, 3))
                        asked(server, "XADD penstock:{q}:ready * payload x");
                else
                        asked(server, "XADD penstock:{q}:ready * payload x id id-%llu",
                              (unsigned long long)m->stored);
                m->stored++;
                break;
        case 2:
                if (m->n_held[i] < ARRAY_SIZE(m->held[i]) && counts_of(w.q).ready > 0)
                        (void)!pen_within(5 * PEN_MSEC, fetch_into, &w);
                break;
        case 3:
                settle_some(m, i);
                if (counts_of(w.q).delayed > 0)
                        (void)!pen_within(5 * PEN_MSEC, promote_some, w.q);
                break;
        }
}

static void check_model(struct model *m)
{
        struct store_counts c;

        UNTIL(counts_of(m->daemons[0].queue).running == m->n_held[0] + m->n_held[1]);
        c = counts_of(m->daemons[0].queue);
        ck_assert_uint_eq(c.ready + c.delayed + c.running, m->stored - m->ended);
        /* No entry that is pending has lost its body. */
        ck_assert_int_eq(
                asked_number(server,
                             "EVAL \"local gone = 0 for _, p in ipairs(redis.call('XPENDING', "
                             "KEYS[1], 'penstock', '-', '+', 1000)) do if not "
                             "redis.call('XRANGE', KEYS[1], p[1], p[1])[1] then gone = gone + "
                             "1 end end return gone\" 1 penstock:{q}:ready"),
                0);
}

PROMISE(trimming_takes_what_has_ended_and_nothing_else)
{
        struct model m = { .stored = 0 };
        struct store_queue_options forgetful = { .name = "q", .dead_keep = PEN_FOREVER };

        random_seed(&m.random, 7);
        for (size_t i = 0; i < DAEMONS; i++) {
                m.daemons[i] = open_as(i ? "b" : "a", NULL, PEN_SEC);
                store_configure(m.daemons[i].queue, &forgetful);
        }
        for (int step = 0; step < 3000; step++) {
                model_step(&m);
                if (step % 10 == 0)
                        check_model(&m);
        }
        while (m.ended < m.stored) {
                struct worker w = { (struct storm *)&m, m.daemons[0].queue };

                settle_some(&m, 0);
                settle_some(&m, 1);
                (void)!pen_within(20 * PEN_MSEC, fetch_into, &w);
                (void)!pen_within(5 * PEN_MSEC, promote_some, w.q);
        }
        expect_clean(server);
        for (size_t i = 0; i < DAEMONS; i++)
                redis_daemon_close(&m.daemons[i]);
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis faults", a_settle_whose_answer_got_lost_happened_once,
                         a_push_whose_answer_got_lost_is_repeated_if_it_has_an_id,
                         a_push_without_an_id_is_never_stored_twice,
                         what_was_fetched_by_an_answer_that_got_lost_is_given_back,
                         a_start_whose_answer_got_lost_is_a_start,
                         a_promotion_whose_answer_got_lost_happened_once,
                         a_looked_for_letter_survives_a_hang_up,
                         after_a_break_all_that_is_unknown_is_given_back_in_order,
                         what_an_old_connection_fetches_late_is_given_back_too,
                         what_is_known_is_not_given_back,
                         a_server_that_stands_still_does_not_keep_a_daemon_from_closing,
                         no_storm_loses_a_job, trimming_takes_what_has_ended_and_nothing_else);
}
