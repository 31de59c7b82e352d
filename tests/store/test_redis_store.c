/* What only the Redis store has: entries that others add, and a server that forgets, refuses and runs short of memory. */
#include "redis_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>

static struct redis_daemon open_daemon(struct store_queue_options queue)
{
        struct redis_daemon d;

        redis_daemon_open(
                &d, server,
                &(struct redis_daemon_options){ .lease = 600 * PEN_MSEC, .queue = queue });
        return d;
}

static struct redis_daemon any_daemon(void)
{
        return open_daemon((struct store_queue_options){ KEPT });
}

static void finish_and_close(struct redis_daemon *d)
{
        finish_ready(d->queue);
        expect_counts(d->queue, 0, 0, 0);
        redis_daemon_close(d);
        ck_assert_str_eq(asked_keys(server, "*:leases"), "");
}

static struct dead_letter only_letter(struct store_queue *q)
{
        struct dead_letter letters[2];

        ck_assert_int_eq(store_dead_list(q, "", letters, 2), 1);
        return letters[0];
}

/* --- entries of others --------------------------------------------------------------------------- */

PROMISE(an_xadd_is_a_job_whose_id_is_the_entrys)
{
        struct redis_daemon d;
        struct job *job;
        char id[64];

        snprintf(id, sizeof(id), "%s", asked(server, "XADD penstock:{q}:ready * payload early"));
        d = any_daemon(); /* what came before the first daemon runs, too */
        ck_assert_uint_eq(counts_of(d.queue).ready, 1);
        job = fetch_expecting(d.queue, "early");
        ck_assert_str_eq(job->fields.id, id);
        settle(d.queue, job, MOVE_DONE, 0);

        asked(server, "XADD penstock:{q}:ready * payload \"l\\x00te\" type t timeout 250ms "
                      "expires_at 4102444800000 max_attempts 7 meta.who anna v 1");
        job = fetch(d.queue);
        ck_assert_uint_eq(job->fields.payload.size, 4);
        ck_assert_mem_eq(job->fields.payload.data, "l\0te", 4);
        ck_assert_str_eq(job->fields.type, "t");
        ck_assert_uint_eq(job->fields.timeout, 250 * PEN_MSEC);
        ck_assert_uint_eq(job->fields.expires_at, 4102444800000);
        ck_assert_uint_eq(job->fields.max_attempts, 7);
        ck_assert_str_eq(job->fields.meta[0].name, "who");
        ck_assert_str_eq(asked_keys(server, "*:job:*"), ""); /* no index is paid for */
        settle(d.queue, job, MOVE_DONE, 0);
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(an_id_takes_effect_at_the_fetch_and_repetitions_are_counted)
{
        struct redis_daemon d = any_daemon();
        struct dead_letter letter;
        struct job *job;

        asked(server, "XADD penstock:{q}:ready * payload x id a");
        asked(server, "XADD penstock:{q}:ready * payload x id a");
        asked(server, "XADD penstock:{q}:ready * payload y id a");
        job = fetch_expecting(d.queue, "x");
        ck_assert_str_eq(job->fields.id, "a");
        sweep(d.queue, 1);
        ck_assert_uint_eq(counts_of(d.queue).duplicates, 1);
        ck_assert_uint_eq(counts_of(d.queue).conflicts, 1);
        letter = only_letter(d.queue);
        ck_assert_ptr_nonnull(strstr(letter.error, "conflict"));
        ck_assert(has_payload(letter.job, "y"));
        ck_assert_int_eq(letter.outcome, OUTCOME_REJECTED);
        dead_letter_deinit(&letter);

        settle(d.queue, job, MOVE_DONE, 0); /* and after its end, for as long as it is remembered */
        asked(server, "XADD penstock:{q}:ready * payload x id a");
        sweep(d.queue, 0);
        ck_assert_uint_eq(counts_of(d.queue).duplicates, 2);
        ck_assert_uint_eq(counts_of(d.queue).done, 1);
        ck_assert_int_gt(asked_number(server, "PTTL penstock:{q}:job:a"), 0);
        asked(server, "DEL penstock:{q}:job:a");
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(an_entry_that_is_not_due_is_put_aside)
{
        struct redis_daemon d = any_daemon();
        pen_usec began = pen_now();
        struct job *job;
        char id[64];

        snprintf(id, sizeof(id), "%s",
                 asked(server, "XADD penstock:{q}:ready * payload later delay 300ms"));
        asked(server, "XADD penstock:{q}:ready * payload past run_at 2001-01-01T00:00:00Z");
        asked(server, "XADD penstock:{q}:ready * payload same id a run_at %llu",
              (unsigned long long)clock_wall_ms() + 300);
        run_and_finish(d.queue, "past");
        sweep(d.queue, 0);
        expect_counts(d.queue, 0, 2, 0);
        promote(d.queue, 2);
        ck_assert_uint_ge(pen_now() - began + 10 * PEN_MSEC, 300 * PEN_MSEC);
        job = fetch(d.queue);
        if (has_payload(job, "later"))
                ck_assert_str_eq(job->fields.id, id);
        settle(d.queue, job, MOVE_DONE, 0);
        settle(d.queue, fetch(d.queue), MOVE_DONE, 0);
        asked(server, "DEL penstock:{q}:job:a");
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

/* Again and again, until there is a daemon that knows it: as it came, and without a trace. */
PROMISE(an_entry_of_a_higher_version_is_put_aside_untouched)
{
        struct redis_daemon d = any_daemon();

        asked(server, "XADD penstock:{q}:ready * strange x v 2 delay fortnight");
        asked(server, "XADD penstock:{q}:ready * v 3");
        for (int i = 0; i < 3; i++) {
                sweep(d.queue, 0);
                expect_counts(d.queue, 0, 2, 0);
                ck_assert_int_ge(asked_number(server,
                                              "EVAL \"return redis.call('ZRANGE', KEYS[1], 0, "
                                              "0, 'WITHSCORES')[2] - redis.call('TIME')[1] * "
                                              "1000\" 1 penstock:{q}:delayed"),
                                 55000);
                asked(server, "EVAL \"for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
                              "redis.call('ZADD', KEYS[1], 0, id) end\" 1 penstock:{q}:delayed");
                promote(d.queue, 2);
                ck_assert_str_eq(asked_keys(server, "*:job:*"), "");
                ck_assert_str_eq(
                        asked(server, "EVAL \"local t = {} for _, e in ipairs(redis.call('XRANGE', "
                                      "KEYS[1], '-', '+')) do t[#t + 1] = table.concat(e[2], ' ') "
                                      "end table.sort(t) return table.concat(t, '/')\" 1 "
                                      "penstock:{q}:ready"),
                        "strange x v 2 delay fortnight/v 3");
        }
        asked(server, "DEL penstock:{q}:ready");
        redis_daemon_close(&d);
        return 0;
}

static void expect_refused(struct redis_daemon *d, const char *fields, const char *reason)
{
        struct dead_letter letter;

        asked(server, "XADD penstock:{q}:ready * %s", fields);
        push(d->queue, "next");
        run_and_finish(d->queue, "next"); /* it stops nobody */
        letter = only_letter(d->queue);
        ck_assert_msg(letter.error && strstr(letter.error, reason), "%s: %s", fields,
                      letter.error ? letter.error : "no error");
        ck_assert_int_eq(letter.outcome, OUTCOME_REJECTED);
        ck_assert_str_eq(letter.daemon, "daemon");
        ck_assert_ptr_nonnull(letter.job->fields.id);
        dead_letter_deinit(&letter);
        asked(server, "DEL penstock:{q}:dead");
}

PROMISE(what_is_malformed_is_dead_with_the_reason)
{
        static const struct {
                const char *fields, *reason;
        } bad[] = {
                { "a b", "unknown field `a`" },
                { "payload x colour red", "unknown field `colour`" },
                { "payload x error y", "unknown field `error`" },
                { "payload x payload y", "payload: is there twice" },
                { "payload x timeout 5", "timeout: found `5`" },
                { "payload x timeout 0", "timeout: found `0`" },
                { "payload x timeout \"5s\\x00\"", "timeout: found" },
                { "payload x id \"a b\"", "id: found `a b`" },
                { "payload x id \"\"", "id: found" },
                { "payload x type {}", "type: found `{}`" },
                { "payload x run_at tomorrow", "run_at: found `tomorrow`" },
                { "payload x expires_at -1", "expires_at: found `-1`" },
                { "payload x delay 1s run_at 4102444800000", "run_at and delay" },
                { "payload x delay 40d", "too far in the future" },
                { "payload x run_at 32503680000000", "too far in the future" },
                { "payload x max_attempts 0", "max_attempts: found `0`" },
                { "payload x max_attempts 1.5", "max_attempts: found `1.5`" },
                { "payload x v 0", "v: found `0`" },
                { "v one", "v: found `one`" },
                { "payload x unique k", "unique: not carried out" },
                { "payload x meta. y", "meta: found" },
                { "payload 12345678901", "payload: found 11 bytes, allowed are 10" },
        };
        struct redis_daemon d = open_daemon(
                (struct store_queue_options){ KEPT, .payload_max = 10, .delay_max = 30 * PEN_DAY });

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                expect_refused(&d, bad[i].fields, bad[i].reason);
        ck_assert_uint_eq(counts_of(d.queue).dead, ARRAY_SIZE(bad));
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(an_entry_of_very_many_fields_is_dead_too)
{
        static const char *const extra[] = { "", "f[#f+1] = 'v' f[#f+1] = '2' " };
        struct redis_daemon d = any_daemon();

        for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
                struct dead_letter letter;

                asked(server,
                      "EVAL \"local f = {} %s for i = 1, 3900 do f[#f+1] = 'f' .. i f[#f+1] = i end "
                      "return redis.call('XADD', KEYS[1], '*', unpack(f, 1, 7800))\" 1 "
                      "penstock:{q}:ready",
                      extra[i]);
                ck_assert_int_eq(asked_number(server, "XLEN penstock:{q}:ready"), 1);
                sweep(d.queue, 0);
                letter = only_letter(d.queue);
                ck_assert_ptr_nonnull(strstr(letter.error, "allowed are 1000"));
                dead_letter_deinit(&letter);
                asked(server, "DEL penstock:{q}:dead");
        }
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

/* --- a server that forgets and refuses ----------------------------------------------------------- */

PROMISE(a_key_of_the_wrong_type_stops_its_queue_and_no_other)
{
        struct redis_daemon bad, good;

        asked(server, "SET penstock:{bad}:ready nonsense");
        redis_daemon_open(&good, server, &(struct redis_daemon_options){ .instance = "good" });
        ck_assert_int_eq(redis_queue_open(good.store,
                                          &(struct store_queue_options){ .name = "bad", KEPT },
                                          &bad.queue),
                         0);
        bad.leasing = NULL;
        redis_daemon_go_on(&bad);
        for (int i = 0; i < 20; i++) {
                push(good.queue, "x");
                run_and_finish(good.queue, "x");
        }
        ck_assert_str_eq(asked(server, "GET penstock:{bad}:ready"), "nonsense");
        asked(server, "DEL penstock:{bad}:ready");
        push(bad.queue, "back"); /* it goes on unaided */
        run_and_finish(bad.queue, "back");
        redis_daemon_stall(&bad);
        store_close(bad.queue);
        finish_and_close(&good);
        return 0;
}

struct fetched {
        struct store_queue *q;
        struct job *job;
};

static int fetch_into(void *arg)
{
        struct fetched *f = arg;

        return (int)store_fetch(f->q, &f->job, 1);
}

static void expect_emptying_survived(const char *command)
{
        struct redis_daemon d = open_daemon((struct store_queue_options){ KEPT, .capacity = 7 });
        struct fetched f = { .q = d.queue };
        struct pen_task *fetcher;
        struct job *lost;

        push(d.queue, "lost");
        lost = fetch(d.queue);
        fetcher = spawn(fetch_into, &f); /* blocks */
        expect_waiting(fetcher);
        ck_assert_str_ne(asked(server, "%s", command), "");
        asked(server, "XADD penstock:{q}:ready * payload after");
        ck_assert_int_eq(await_and_unref(fetcher), 1);
        ck_assert(has_payload(f.job, "after"));
        settle(d.queue, f.job, MOVE_DONE, 0);
        ck_assert_int_eq(store_settle(d.queue, &(struct settlement){ .job = lost }, 1), 0);
        job_unref(lost);
        UNTIL(asked_number(server, "HGET penstock:{q}:limits capacity") == 7);
        ck_assert_int_eq(asked_number(server, "SISMEMBER penstock:queues q"), 1);
        finish_and_close(&d);
}

PROMISE(after_flushall_the_group_is_made_again_at_the_start)
{
        expect_emptying_survived("FLUSHALL");
        expect_clean(server);
        return 0;
}

PROMISE(after_the_stream_was_deleted_the_group_is_made_again)
{
        expect_emptying_survived("DEL penstock:{q}:ready");
        return 0;
}

PROMISE(a_destroyed_group_is_made_again_and_what_it_held_runs_again)
{
        struct redis_daemon d = any_daemon();
        struct job *job;

        push(d.queue, "x");
        job = fetch(d.queue);
        asked(server, "XGROUP DESTROY penstock:{q}:ready penstock");
        ck_assert_int_eq(
                store_settle(d.queue,
                             &(struct settlement){ .job = job, .verdict = { MOVE_RETRY, 1 } }, 1),
                0);
        job_unref(job);
        run_and_finish(d.queue, "x");
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(after_script_flush_all_goes_on_and_nothing_is_uncounted)
{
        struct redis_daemon d = any_daemon();

        for (int i = 0; i < 30; i++) {
                push(d.queue, "x");
                ck_assert_int_eq(push_id(d.queue, i % 2 ? "a" : "b", "y"),
                                 i < 2 ? PUSH_STORED : PUSH_EXISTS);
                if (i < 2)
                        settle(d.queue, fetch(d.queue), MOVE_RELEASE, 0);
                asked(server, "SCRIPT FLUSH");
                settle(d.queue, fetch(d.queue), MOVE_DONE, 0);
        }
        finish_ready(d.queue);
        UNTIL(counts_of(d.queue).done == 32);
        finish_and_close(&d);
        return 0;
}

PROMISE(with_memory_full_pushes_are_refused_and_jobs_end)
{
        static const enum move moves[] = { MOVE_DONE,    MOVE_RETRY,  MOVE_DEAD,
                                           MOVE_RELEASE, MOVE_EXPIRE, MOVE_CANCEL };
        struct redis_daemon d = any_daemon();
        struct redis_daemon other;
        struct store_counts c;

        for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
                char id[] = { (char)('a' + i), '\0' };

                push(d.queue, "plain");
                ck_assert_int_eq(push_id(d.queue, id, "with an id"), PUSH_STORED);
        }
        asked(server, "XADD penstock:{q}:ready * payload x delay 1ms");
        asked(server, "XADD penstock:{q}:ready * payload x delay 1h");
        asked(server, "XADD penstock:{q}:ready * nonsense x");
        asked(server, "CONFIG SET maxmemory 1");
        ck_assert_int_eq(strncmp(asked(server, "XADD penstock:{q}:ready * payload x"), "-OOM", 4),
                         0);
        ck_assert_int_eq(push_id(d.queue, "new", "x"), PUSH_FULL);
        ck_assert_int_eq(push_fields(d.queue, (struct job_fields){ .payload = text("x") }),
                         PUSH_FULL);

        for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
                for (int k = 0; k < 2; k++) {
                        struct job *job = fetch(d.queue);

                        ck_assert_int_eq(store_start(d.queue, job), 0);
                        settle(d.queue, job, MOVE_RELEASE, 0);
                        job = fetch(d.queue); /* the same, and now its start is recorded */
                        ck_assert_int_eq(store_start(d.queue, job), 0);
                        ck_assert_uint_eq(job->deliveries, 2);
                        settle(d.queue, job, moves[i] == MOVE_RELEASE ? MOVE_CANCEL : moves[i], 1);
                }
        }
        run_and_finish(d.queue, "x");
        sweep(d.queue, 0);
        c = counts_of(d.queue);
        ck_assert_uint_eq(c.delayed, 3);
        ck_assert_uint_eq(c.dead, 3);
        ck_assert_uint_eq(c.dead_letters, 3);
        promote(d.queue, 2);

        /* Leases are kept, and taken over. */
        redis_daemon_open(
                &other, server,
                &(struct redis_daemon_options){ .instance = "other", .lease = 600 * PEN_MSEC });
        job_unref(fetch(other.queue));
        redis_daemon_kill(&other);
        UNTIL(counts_of(d.queue).running == 0);
        expect_counts(d.queue, 2, 1, 0);
        finish_ready(d.queue);
        asked(server, "CONFIG SET maxmemory 0");
        push(d.queue, "room again");
        run_and_finish(d.queue, "room again");
        redis_daemon_close(&d);
        return 0;
}

/* --- the stream stays small ---------------------------------------------------------------------- */

PROMISE(what_ended_behind_a_long_job_is_removed)
{
        struct redis_daemon d = any_daemon();
        struct job *jobs[100], *long_one;
        long most = 0;

        push(d.queue, "long");
        long_one = fetch(d.queue);
        for (int i = 0; i < 60; i++) {
                ssize_t n = 0;
                struct settlement s[100];

                for (int k = 0; k < 100; k++)
                        asked(server, "XADD penstock:{q}:ready * payload x");
                while (n < 100)
                        n += store_fetch(d.queue, jobs + n, (size_t)(100 - n));
                for (int k = 0; k < 100; k++)
                        s[k] = (struct settlement){ .job = jobs[k] };
                ck_assert_int_eq(store_settle(d.queue, s, 100), 0);
                for (int k = 0; k < 100; k++)
                        job_unref(jobs[k]);
                most = MAX(most, asked_number(server, "XLEN penstock:{q}:ready"));
        }
        ck_assert_int_gt(most, 1000); /* not one by one as they end, */
        ck_assert_int_lt(most, 2500); /* and yet */
        settle(d.queue, long_one, MOVE_DONE, 0);
        UNTIL(counts_of(d.queue).done == 6001);
        finish_and_close(&d);
        expect_clean(server);
        return 0;
}

PROMISE(what_ended_behind_a_long_job_takes_no_room)
{
        struct redis_daemon d = open_daemon((struct store_queue_options){ KEPT, .capacity = 10 });
        struct job *long_one;

        push(d.queue, "long");
        long_one = fetch(d.queue);
        for (int i = 0; i < 50; i++) {
                push(d.queue, "x");
                run_and_finish(d.queue, "x");
        }
        for (int i = 0; i < 10; i++)
                push(d.queue, "x");
        expect_counts(d.queue, 10, 0, 1);
        ck_assert_int_eq(push_id(d.queue, "a", "x"), PUSH_FULL);
        settle(d.queue, fetch(d.queue), MOVE_DONE, 0);
        ck_assert_int_eq(push_id(d.queue, "a", "x"), PUSH_STORED);
        settle(d.queue, long_one, MOVE_RETRY, 1); /* by a script, and yet all behind it goes */
        promote(d.queue, 1);
        finish_ready(d.queue);
        asked(server, "DEL penstock:{q}:job:a");
        expect_clean(server);
        finish_and_close(&d);
        return 0;
}

/* --- besides ------------------------------------------------------------------------------------- */

PROMISE(who_only_pushes_and_looks_leaves_no_trace)
{
        struct redis_store *store;
        struct store_queue *q;
        struct pen_task *running;
        const char **names;
        char *error;

        asked(server, "SADD penstock:queues b a");
        ck_assert_int_eq(
                redis_store_create(&(struct redis_store_options){ .url = redis_server_url(server),
                                                                  .prefix = "penstock",
                                                                  .lease = PEN_SEC },
                                   &store, &error),
                0);
        running = spawn(redis_store_run, store);
        ck_assert_int_eq(
                redis_queue_open(store, &(struct store_queue_options){ .name = "q", KEPT }, &q), 0);
        push(q, "x");
        ck_assert_uint_eq(counts_of(q).ready, 1);
        ck_assert_int_eq(redis_store_queues(store, &names), 3);
        ck_assert_str_eq(names[0], "a");
        ck_assert_str_eq(names[1], "b");
        ck_assert_str_eq(names[2], "q"); /* who pushes makes it known */
        free(names);
        store_close(q);
        cancel_and_unref(running);
        redis_store_free(store);
        ck_assert_str_eq(asked_keys(server, "*"), "penstock:queues penstock:{q}:ready ");
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE(
                "redis store", an_xadd_is_a_job_whose_id_is_the_entrys,
                an_id_takes_effect_at_the_fetch_and_repetitions_are_counted,
                an_entry_that_is_not_due_is_put_aside,
                an_entry_of_a_higher_version_is_put_aside_untouched,
                what_is_malformed_is_dead_with_the_reason, an_entry_of_very_many_fields_is_dead_too,
                a_key_of_the_wrong_type_stops_its_queue_and_no_other,
                after_flushall_the_group_is_made_again_at_the_start,
                after_the_stream_was_deleted_the_group_is_made_again,
                a_destroyed_group_is_made_again_and_what_it_held_runs_again,
                after_script_flush_all_goes_on_and_nothing_is_uncounted,
                with_memory_full_pushes_are_refused_and_jobs_end,
                what_ended_behind_a_long_job_is_removed, what_ended_behind_a_long_job_takes_no_room,
                who_only_pushes_and_looks_leaves_no_trace);
}
