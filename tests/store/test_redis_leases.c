/* Several daemons at one Redis: the dead ones' jobs, the stale ones' words. */
#include "redis_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEASE (600 * PEN_MSEC)
#define SHORT_LEASE (90 * PEN_MSEC)
#define SLACK (300 * PEN_MSEC) /* of a busy machine */

static struct redis_daemon open_as(const char *instance, const char *former, pen_usec lease)
{
        struct redis_daemon d;

        redis_daemon_open(&d, server,
                          &(struct redis_daemon_options){ .instance = instance,
                                                          .former = former,
                                                          .lease = lease,
                                                          .queue = { KEPT, .max_crashes = 3 } });
        return d;
}

static const char *name_of(const struct redis_daemon *d)
{
        static char name[128];

        snprintf(name, sizeof(name), "%s", redis_store_consumer(d->store));
        return name;
}

/* Another one takes over what `d` holds, at once: `d` still lives, and does not know. */
static struct redis_daemon open_heir(struct redis_daemon *d)
{
        redis_daemon_stall(d);
        return open_as("heir", name_of(d), PEN_MINUTE);
}

static long pending_of(const char *consumer)
{
        return asked_number(
                server,
                "EVAL \"for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], "
                "'penstock')) do if c[2] == ARGV[1] then return c[4] end end return -1\" "
                "1 penstock:{q}:ready %s",
                consumer);
}

/* --- the dead ------------------------------------------------------------------------------------ */

PROMISE(what_the_dead_held_is_taken_over_after_its_lease_and_soon)
{
        for (int i = 0; i < 3; i++) {
                struct redis_daemon dead = open_as("dead", NULL, LEASE);
                struct redis_daemon other = open_as("other", NULL, LEASE);
                pen_usec killed, passed;
                char name[128];

                push(dead.queue, "x");
                job_unref(fetch(dead.queue));
                ck_assert_int_eq(pen_sleep((pen_usec)i * LEASE / 5),
                                 0); /* at any moment of the beat */
                snprintf(name, sizeof(name), "%s", name_of(&dead));
                redis_daemon_kill(&dead);
                killed = pen_now();
                run_and_finish(other.queue, "x");
                passed = pen_now() - killed;
                ck_assert_uint_ge(passed,
                                  LEASE - LEASE / 3 - 20 * PEN_MSEC); /* since its last beat */
                ck_assert_uint_le(passed, LEASE * 3 / 2 + SLACK);
                ck_assert_int_eq(pending_of(name), -1);
                ck_assert_int_eq(asked_number(server, "HLEN penstock:{q}:leases"), 1);
                redis_daemon_close(&other);
        }
        expect_clean(server);
        return 0;
}

PROMISE(the_living_keep_what_they_hold_however_long)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        struct job *job;

        push(a.queue, "x");
        job = fetch(a.queue);
        for (pen_usec end = pen_now() + 3 * LEASE; pen_now() < end;) {
                ck_assert_int_eq(pending_of(redis_store_consumer(a.store)), 1);
                ck_assert_int_eq(pen_sleep(20 * PEN_MSEC), 0);
        }
        settle(a.queue, job, MOVE_DONE, 0);
        redis_daemon_close(&a);
        redis_daemon_close(&b);
        expect_clean(server);
        return 0;
}

PROMISE(an_outage_of_redis_makes_nobody_look_dead)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        struct job *job;

        push(a.queue, "x");
        job = fetch(a.queue);
        for (int i = 0; i < 3; i++) {
                redis_server_pause(server);
                ck_assert_int_eq(pen_sleep(LEASE * 2), 0);
                redis_server_resume(server);
                ck_assert_int_eq(pending_of(redis_store_consumer(a.store)), 1);
                ck_assert_int_eq(pen_sleep(LEASE / 2), 0);
                ck_assert_int_eq(pending_of(redis_store_consumer(a.store)), 1);
        }
        ck_assert_int_eq(store_start(a.queue, job), 0);
        settle(a.queue, job, MOVE_DONE, 0);
        redis_daemon_close(&a);
        redis_daemon_close(&b);
        return 0;
}

/* Whose beat the outage has cost more time than ours. */
PROMISE(an_outage_counts_for_no_more_than_one_beat)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        pen_usec resumed;
        struct job *job;

        push(b.queue, "x");
        job = fetch(b.queue);
        for (int i = 0; i < 3; i++) {
                redis_daemon_stall(&b);
                ck_assert_int_eq(pen_sleep(LEASE / 3 + 20 * PEN_MSEC), 0); /* the other sees it */
                redis_server_pause(server);
                ck_assert_int_eq(pen_sleep(LEASE * 2), 0);
                redis_server_resume(server);
                for (resumed = pen_now(); pen_now() < resumed + LEASE / 8;) {
                        ck_assert_int_eq(pending_of(redis_store_consumer(b.store)), 1);
                        ck_assert_int_eq(pen_sleep(5 * PEN_MSEC), 0);
                }
                redis_daemon_go_on(&b);
                ck_assert_int_eq(pen_sleep(LEASE / 2), 0);
        }
        settle(b.queue, job, MOVE_DONE, 0);
        redis_daemon_close(&a);
        redis_daemon_close(&b);
        return 0;
}

PROMISE(what_was_seen_over_another_connection_does_not_count)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        pen_usec began;

        push(a.queue, "x");
        job_unref(fetch(a.queue));
        redis_daemon_stall(&a);
        began = pen_now();
        while (pen_now() < began + 3 * LEASE) {
                asked(server, "CLIENT KILL TYPE normal");
                ck_assert_int_eq(pen_sleep(LEASE / 2), 0);
                ck_assert_int_eq(pending_of(redis_store_consumer(a.store)), 1);
        }
        run_and_finish(b.queue, "x");
        redis_daemon_kill(&a);
        redis_daemon_close(&b);
        expect_clean(server);
        return 0;
}

PROMISE(a_consumer_without_a_lease_is_taken_over_too)
{
        struct redis_daemon d = open_as("d", NULL, LEASE);
        pen_usec began;

        push(d.queue, "x");
        began = pen_now();
        asked(server, "XREADGROUP GROUP penstock stranger STREAMS penstock:{q}:ready >");
        run_and_finish(d.queue, "x");
        ck_assert_uint_ge(pen_now() - began, LEASE - 20 * PEN_MSEC);
        ck_assert_uint_le(pen_now() - began, LEASE * 3 / 2 + SLACK);
        UNTIL(pending_of("stranger") == -1);
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(a_former_process_of_this_instance_is_taken_over_at_once)
{
        struct redis_daemon dead = open_as("d", NULL, PEN_MINUTE), next;
        pen_usec began = pen_now();
        char name[128];

        for (int i = 0; i < 200; i++)
                push(dead.queue, "x");
        for (int n = 0; n < 200;) {
                struct job *jobs[128];
                ssize_t some = store_fetch(dead.queue, jobs, 128);

                for (ssize_t i = 0; i < some; i++)
                        job_unref(jobs[i]);
                n += (int)some;
        }
        snprintf(name, sizeof(name), "%s", name_of(&dead));
        redis_daemon_kill(&dead);
        next = open_as("d", name, PEN_MINUTE);
        ck_assert_str_ne(name_of(&next), name);
        for (int i = 0; i < 200; i++)
                run_and_finish(next.queue, "x");
        ck_assert_uint_le(pen_now() - began, 5 * PEN_SEC);
        redis_daemon_close(&next);
        expect_clean(server);
        return 0;
}

/* As a daemon may die between the fetch and the script that puts it aside. */
PROMISE(what_the_dead_had_not_yet_put_aside_does_not_run_early)
{
        struct redis_daemon d;

        asked(server, "XGROUP CREATE penstock:{q}:ready penstock 0 MKSTREAM");
        asked(server, "XADD penstock:{q}:ready * payload later delay 1h");
        asked(server, "XADD penstock:{q}:ready * payload later id a delay 1h");
        asked(server, "XADD penstock:{q}:ready * payload newer v 2");
        asked(server, "XADD penstock:{q}:ready * nonsense x");
        asked(server, "XREADGROUP GROUP penstock stranger STREAMS penstock:{q}:ready >");
        d = open_as("d", "stranger", PEN_MINUTE);
        UNTIL(pending_of("stranger") == -1);
        sweep(d.queue, 0);
        expect_counts(d.queue, 0, 3, 0);
        ck_assert_uint_eq(counts_of(d.queue).dead, 1);
        redis_daemon_close(&d);
        return 0;
}

/* --- crashes ------------------------------------------------------------------------------------- */

struct life {
        struct redis_daemon d;
        char former[128];
};

static void die_and_be_reborn(struct life *l)
{
        snprintf(l->former, sizeof(l->former), "%s", name_of(&l->d));
        redis_daemon_kill(&l->d);
        l->d = open_as("d", l->former, PEN_MINUTE);
}

PROMISE(only_a_recorded_start_without_an_end_is_a_crash)
{
        struct life l = { .d = open_as("d", NULL, PEN_MINUTE) };
        struct dead_letter letter;
        struct job *jobs[2];

        ck_assert_int_eq(push_id(l.d.queue, "poison", "poison"), PUSH_STORED);
        push(l.d.queue, "innocent");
        for (unsigned death = 0; death < 4; death++) {
                ssize_t n = 0;

                while (n < 2)
                        n += store_fetch(l.d.queue, jobs + n, (size_t)(2 - n));
                ck_assert(has_payload(jobs[0], "poison"));
                ck_assert_uint_eq(jobs[0]->crashes, death < 1 ? 0 : death - 1);
                ck_assert_uint_eq(jobs[0]->deliveries, death);
                ck_assert_uint_eq(jobs[1]->crashes, 0);
                ck_assert_int_eq(store_start(l.d.queue, jobs[0]), 0);
                if (death == 0) /* of a first delivery nobody knows */
                        ck_assert_int_eq(store_start(l.d.queue, jobs[1]), 0);
                job_unref(jobs[0]);
                job_unref(jobs[1]);
                die_and_be_reborn(&l);
        }
        run_and_finish(l.d.queue, "innocent");
        ck_assert_int_eq(store_dead_list(l.d.queue, "", &letter, 1), 1);
        ck_assert_str_eq(letter.job->fields.id, "poison");
        ck_assert_int_eq(letter.outcome, OUTCOME_CRASHED);
        ck_assert_ptr_nonnull(strstr(letter.error, "3 times"));
        dead_letter_deinit(&letter);
        ck_assert_uint_eq(counts_of(l.d.queue).dead, 1);
        ck_assert_int_eq(push_id(l.d.queue, "poison", "poison"), PUSH_EXISTS); /* remembered */
        asked(server, "DEL penstock:{q}:job:poison");
        redis_daemon_close(&l.d);
        expect_clean(server);
        return 0;
}

PROMISE(a_start_that_ended_is_no_crash_afterwards)
{
        static const enum move moves[] = { MOVE_RELEASE, MOVE_RETRY };

        for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
                struct life l = { .d = open_as("d", NULL, PEN_MINUTE) };
                struct job *job;

                push(l.d.queue, "x");
                for (int k = 0; k < 3; k++) {
                        job = fetch(l.d.queue);
                        ck_assert_int_eq(store_start(l.d.queue, job), 0);
                        settle(l.d.queue, job, moves[i], 1);
                        if (moves[i] == MOVE_RETRY)
                                promote(l.d.queue, 1);
                }
                job_unref(fetch(l.d.queue)); /* not started, */
                die_and_be_reborn(&l);
                job = fetch(l.d.queue); /* and so no crash */
                ck_assert_uint_eq(job->crashes, 0);
                ck_assert_int_eq(store_start(l.d.queue, job), 0);
                ck_assert_uint_eq(job->deliveries, 4);
                settle(l.d.queue, job, MOVE_DONE, 0);
                redis_daemon_close(&l.d);
        }
        expect_clean(server);
        return 0;
}

/* --- the stale ----------------------------------------------------------------------------------- */

enum where {
        RELEASED,
        HELD,
        DELAYED,
        PROMOTED,
        HELD_AGAIN,
        ENDED,
        WHERES
};

/* Brings the job, which `heir` may fetch now, somewhere. Answers it if it is held. */
static struct job *bring(struct redis_daemon *heir, enum where where)
{
        struct job *job;

        UNTIL(counts_of(heir->queue).ready == 1);
        if (where == RELEASED)
                return NULL;
        job = fetch(heir->queue);
        ck_assert_int_eq(store_start(heir->queue, job), 0);
        if (where == HELD)
                return job;
        settle(heir->queue, job, where == ENDED ? MOVE_DONE : MOVE_RETRY,
               where == DELAYED ? PEN_HOUR : 1);
        if (where == PROMOTED || where == HELD_AGAIN)
                promote(heir->queue, 1);
        return where == HELD_AGAIN ? fetch(heir->queue) : NULL;
}

static bool settle_stale(struct redis_daemon *d, struct job *job, enum move move)
{
        struct settlement s = { .job = job, .verdict = { move, 1 }, .outcome = OUTCOME_FAILED };

        ck_assert_int_eq(store_settle(d->queue, &s, 1), 0);
        return s.stale;
}

static void expect_stale_word(const char *id, enum where where, enum move move)
{
        struct redis_daemon stale = open_as("stale", NULL, SHORT_LEASE), heir;
        struct store_counts before, after;
        struct job *job, *held;
        bool was_stale;

        asked(server, "FLUSHALL");
        ck_assert_int_eq(
                push_fields(stale.queue, (struct job_fields){ .id = id, .payload = text("x") }),
                PUSH_STORED);
        job = fetch(stale.queue);
        ck_assert_int_eq(store_start(stale.queue, job), 0);
        heir = open_heir(&stale);
        ck_assert_int_eq(pen_sleep(SHORT_LEASE), 0); /* nobody is taken over before */
        held = bring(&heir, where);
        before = counts_of(heir.queue);
        was_stale = settle_stale(&stale, job, move);
        after = counts_of(heir.queue);
        if (move == MOVE_DONE && where != ENDED) { /* it is accepted, wherever the job is */
                ck_assert(!was_stale);
                ck_assert_uint_eq(after.ready + after.delayed + after.running, 0);
                UNTIL(counts_of(heir.queue).done == before.done + 1);
                if (held)
                        ck_assert(settle_stale(&heir, held, MOVE_RETRY));
                expect_counts(heir.queue, 0, 0, 0);
        } else {
                ck_assert_msg(was_stale, "move %d where %d", move, where);
                ck_assert_msg(!memcmp(&before, &after, sizeof(before)), "move %d where %d", move,
                              where);
                if (held)
                        settle(heir.queue, held, MOVE_DONE, 0);
                if (after.delayed > 0)
                        asked(server, "DEL penstock:{q}:delayed");
                held = NULL;
        }
        job_unref(job);
        job_unref(held);
        finish_ready(heir.queue);
        redis_daemon_kill(&stale);
        redis_daemon_close(&heir);
        if (!id && where != DELAYED)
                expect_clean(server);
}

PROMISE(of_a_stale_owner_only_done_is_accepted_and_that_anywhere)
{
        for (enum where where = RELEASED; where < WHERES; where++)
                for (enum move move = MOVE_DONE; move <= MOVE_CANCEL; move++) {
                        expect_stale_word(NULL, where, move);
                        expect_stale_word("a", where, move);
                }
        return 0;
}

PROMISE(a_stale_done_does_not_end_a_later_job_of_the_same_id)
{
        struct redis_daemon stale = open_as("stale", NULL, PEN_MINUTE), heir;
        struct store_queue_options no_dedupe = { .name = "q", .dead_keep = PEN_FOREVER };
        struct job *job, *again;

        ck_assert_int_eq(push_id(stale.queue, "a", "x"), PUSH_STORED);
        job = fetch(stale.queue);
        heir = open_heir(&stale);
        store_configure(heir.queue, &no_dedupe);
        run_and_finish(heir.queue, "x");
        ck_assert_int_eq(push_id(heir.queue, "a", "later"), PUSH_STORED);
        ck_assert(settle_stale(&stale, job, MOVE_DONE));
        expect_counts(heir.queue, 1, 0, 0);
        again = fetch_expecting(heir.queue, "later");
        settle(heir.queue, again, MOVE_DONE, 0);
        job_unref(job);
        redis_daemon_kill(&stale);
        redis_daemon_close(&heir);
        return 0;
}

PROMISE(a_stale_owner_may_not_start)
{
        struct redis_daemon stale = open_as("stale", NULL, PEN_MINUTE), heir;
        struct job *second;

        push(stale.queue, "x");
        settle(stale.queue, fetch(stale.queue), MOVE_RETRY, 1);
        promote(stale.queue, 1);
        second = fetch(stale.queue);
        second->deliveries = 1;
        heir = open_heir(&stale);
        UNTIL(counts_of(heir.queue).ready == 1);
        ck_assert_int_eq(store_start(stale.queue, second), -ESTALE);
        ck_assert(settle_stale(&stale, second, MOVE_RELEASE));
        job_unref(second);
        run_and_finish(heir.queue, "x");
        redis_daemon_kill(&stale);
        redis_daemon_close(&heir);
        expect_clean(server);
        return 0;
}

/* Not even for the first time: buffered jobs were taken, too. */
PROMISE(who_lost_its_lease_notices_and_starts_nothing_of_before)
{
        struct redis_daemon stale = open_as("stale", NULL, LEASE), heir;
        struct job *before, *after;

        push(stale.queue, "before");
        before = fetch(stale.queue);
        heir = open_heir(&stale);
        UNTIL(counts_of(heir.queue).ready == 1);
        UNTIL(asked_number(server, "HLEN penstock:{q}:leases") == 1);
        ck_assert(!logged("lease was taken over"));
        redis_daemon_go_on(&stale);
        UNTIL(asked_number(server, "HLEN penstock:{q}:leases") == 2);
        UNTIL(logged("lease was taken over"));
        ck_assert_int_eq(store_start(stale.queue, before), -ESTALE);
        ck_assert(settle_stale(&stale, before, MOVE_RETRY));
        job_unref(before);
        run_and_finish(heir.queue, "before");
        asked(server, "XADD penstock:{q}:ready * payload after");
        after = fetch_expecting(stale.queue, "after");
        ck_assert_int_eq(store_start(stale.queue, after), 0);
        ck_assert_uint_eq(after->deliveries, 1);
        settle(stale.queue, after, MOVE_DONE, 0);
        redis_daemon_close(&stale);
        redis_daemon_close(&heir);
        expect_clean(server);
        return 0;
}

/* Its process stood still past its lease and has not beaten again: what it held may be another's. */
PROMISE(with_an_old_lease_a_first_start_asks_and_an_end_leaves_nothing)
{
        struct redis_daemon stale = open_as("stale", NULL, LEASE),
                            other = open_as("o", NULL, LEASE);
        struct job *start, *end;

        push(stale.queue, "1");
        push(stale.queue, "2");
        start = fetch(stale.queue);
        end = fetch(stale.queue);
        ck_assert_int_eq(store_start(stale.queue, end), 0);
        redis_daemon_stall(&stale);
        UNTIL(counts_of(other.queue).ready == 2);
        ck_assert_int_eq(store_start(stale.queue, start), -ESTALE);
        ck_assert(settle_stale(&stale, start, MOVE_RELEASE));
        ck_assert(!settle_stale(&stale, end, MOVE_DONE));
        job_unref(start);
        job_unref(end);
        run_and_finish(other.queue, "1");
        expect_counts(other.queue, 0, 0, 0);
        redis_daemon_kill(&stale);
        redis_daemon_close(&other);
        expect_clean(server);
        return 0;
}

/* --- the orderly --------------------------------------------------------------------------------- */

PROMISE(close_gives_all_back_and_takes_its_consumer_and_lease_with_it)
{
        struct redis_daemon d = open_as("d", NULL, PEN_MINUTE);
        char name[128];
        struct job *job;

        for (const char *p = "12345"; *p; p++)
                push(d.queue, (char[]){ *p, '\0' });
        for (int i = 0; i < 4; i++) {
                job = fetch(d.queue);
                if (i == 1)
                        ck_assert_int_eq(store_start(d.queue, job), 0);
                job_unref(job);
        }
        snprintf(name, sizeof(name), "%s", name_of(&d));
        redis_daemon_close(&d);
        ck_assert_int_eq(pending_of(name), -1);
        ck_assert_int_eq(pending_of("released"), 4);
        ck_assert_int_eq(asked_number(server, "EXISTS penstock:{q}:leases"), 0);
        d = open_as("d", NULL, PEN_MINUTE);
        for (const char *p = "12345"; *p; p++)
                run_and_finish(d.queue, (char[]){ *p, '\0' });
        redis_daemon_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(what_one_gives_back_another_gets)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        struct job *job;

        push(a.queue, "1");
        job = fetch(a.queue);
        push(a.queue, "2");
        settle(a.queue, job, MOVE_RELEASE, 0);
        run_and_finish(b.queue, "1");
        run_and_finish(b.queue, "2");
        redis_daemon_close(&a);
        redis_daemon_close(&b);
        expect_clean(server);
        return 0;
}

PROMISE(what_one_puts_aside_another_promotes)
{
        struct redis_daemon a = open_as("a", NULL, LEASE), b = open_as("b", NULL, LEASE);
        struct pen_task *scheduler = spawn(promote_for_ever, b.queue);
        struct job *job;

        push(a.queue, "x");
        job = fetch(a.queue);
        settle(a.queue, job, MOVE_RETRY, LEASE);
        redis_daemon_close(&a);
        run_and_finish(b.queue, "x");
        cancel_and_unref(scheduler);
        redis_daemon_close(&b);
        expect_clean(server);
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis leases", what_the_dead_held_is_taken_over_after_its_lease_and_soon,
                         the_living_keep_what_they_hold_however_long,
                         an_outage_of_redis_makes_nobody_look_dead,
                         an_outage_counts_for_no_more_than_one_beat,
                         what_was_seen_over_another_connection_does_not_count,
                         a_consumer_without_a_lease_is_taken_over_too,
                         a_former_process_of_this_instance_is_taken_over_at_once,
                         what_the_dead_had_not_yet_put_aside_does_not_run_early,
                         only_a_recorded_start_without_an_end_is_a_crash,
                         a_start_that_ended_is_no_crash_afterwards,
                         of_a_stale_owner_only_done_is_accepted_and_that_anywhere,
                         a_stale_done_does_not_end_a_later_job_of_the_same_id,
                         a_stale_owner_may_not_start,
                         who_lost_its_lease_notices_and_starts_nothing_of_before,
                         with_an_old_lease_a_first_start_asks_and_an_end_leaves_nothing,
                         close_gives_all_back_and_takes_its_consumer_and_lease_with_it,
                         what_one_gives_back_another_gets, what_one_puts_aside_another_promotes);
}
