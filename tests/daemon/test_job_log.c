#include "../in_loop.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <base/random.h>
#include <daemon/job_log.h>
#include <job/json.h>

/* One queue's log, into a file; and a flight, made anew for each event. */
struct ledger {
        int fd;
        struct job_log log;
        struct job *job;
        struct flight flight;
};

static void ledger_open(struct ledger *t, enum log_level level, enum config_log_jobs jobs)
{
        struct job_fields fields = { .id = "1-0", .type = "welcome" };

        t->fd = memfd_create("log", MFD_CLOEXEC);
        ck_assert_int_ge(t->fd, 0);
        log_setup(level, LOG_LOGFMT, t->fd);
        job_log_init(&t->log, "emails", jobs);
        ck_assert_int_eq(job_create(&fields, &t->job), 0);
}

static void ledger_close(struct ledger *t)
{
        job_unref(t->job);
        log_close();
        close(t->fd);
}

/* What was said since the last look, without times. */
static const char *said(struct ledger *t)
{
        static char text[65536], raw[65536];
        char *to = text;
        ssize_t n = pread(t->fd, raw, sizeof(raw) - 1, 0);

        ck_assert_int_ge((int)n, 0);
        raw[n] = '\0';
        ck_assert_int_eq(ftruncate(t->fd, 0), 0);
        lseek(t->fd, 0, SEEK_SET);
        for (char *line = strtok(raw, "\n"); line; line = strtok(NULL, "\n"))
                to += sprintf(to, "%s\n", strchr(line, ' ') + 1);
        *to = '\0';
        return text;
}

/* An attempt that ran from 1.0 s on, for 12.345 ms, fetched half a millisecond before. */
static struct flight *ended(struct ledger *t, enum outcome outcome, enum move move)
{
        t->flight = (struct flight){
                .job = t->job,
                .fetched = PEN_SEC - 500,
                .started = PEN_SEC,
                .ended = PEN_SEC + 12345,
                .report = { .outcome = outcome },
                .verdict = { .move = move },
        };
        return &t->flight;
}

static void settle(struct ledger *t, enum outcome outcome, enum move move)
{
        job_log_settled(&t->log, ended(t, outcome, move));
}

static void settle_failed(struct ledger *t, enum outcome outcome, enum move move, const char *error)
{
        struct flight *flight = ended(t, outcome, move);

        flight->report.error = (char *)error; /* only read */
        flight->verdict.delay = 1500 * PEN_MSEC;
        job_log_settled(&t->log, flight);
}

#define RAN "run_ms=12.345 wait_ms=0.500"

START_TEST(each_verdict_is_its_event_at_its_level)
{
        struct ledger t;

        ledger_open(&t, LOG_DEBUG, LOG_JOBS_ALL);
        settle(&t, OUTCOME_DONE, MOVE_DONE);
        ck_assert_str_eq(said(&t), "level=info event=job.done queue=emails id=1-0 type=welcome "
                                   "attempt=1 outcome=done " RAN "\n");
        t.job->attempts = 2; /* this one is counted already */
        settle_failed(&t, OUTCOME_FAILED, MOVE_RETRY, "exit 3: no space");
        ck_assert_str_eq(said(&t), "level=warn event=job.retry queue=emails id=1-0 type=welcome "
                                   "attempt=2 outcome=failed " RAN
                                   " error=\"exit 3: no space\" retry_in_ms=1500.000\n");
        settle_failed(&t, OUTCOME_TIMEOUT, MOVE_DEAD, "late");
        ck_assert_str_eq(said(&t), "level=error event=job.dead queue=emails id=1-0 type=welcome "
                                   "attempt=2 outcome=timeout " RAN " error=late\n");
        settle_failed(&t, OUTCOME_REJECTED, MOVE_DEAD, NULL);
        ck_assert_str_eq(said(&t), "level=error event=job.dead queue=emails id=1-0 type=welcome "
                                   "attempt=3 outcome=rejected " RAN "\n");
        settle(&t, OUTCOME_CANCELLED, MOVE_CANCEL);
        ck_assert_str_eq(said(&t),
                         "level=info event=job.cancelled queue=emails id=1-0 type=welcome "
                         "attempt=3 outcome=cancelled " RAN "\n");
        settle(&t, OUTCOME_RELEASED, MOVE_RELEASE);
        ck_assert_str_eq(said(&t), "level=info event=job.released queue=emails id=1-0 type=welcome "
                                   "attempt=3 outcome=released " RAN "\n");
        ledger_close(&t);
}
END_TEST

START_TEST(crash_is_a_warning_with_its_count)
{
        struct ledger t;

        ledger_open(&t, LOG_INFO, LOG_JOBS_FAILURES);
        t.job->crashes = 2;
        settle(&t, OUTCOME_CRASHED, MOVE_RELEASE);
        ck_assert_str_eq(said(&t), "level=warn event=job.released queue=emails id=1-0 type=welcome "
                                   "attempt=1 outcome=crashed " RAN " crashes=2\n");
        ledger_close(&t);
}
END_TEST

START_TEST(what_never_started_has_no_attempt_and_no_times)
{
        struct ledger t;

        ledger_open(&t, LOG_DEBUG, LOG_JOBS_ALL);
        ended(&t, OUTCOME_EXPIRED, MOVE_EXPIRE);
        t.flight.started = t.flight.ended = 0;
        job_log_settled(&t.log, &t.flight);
        ck_assert_str_eq(said(&t), "level=warn event=job.expired queue=emails id=1-0 type=welcome "
                                   "outcome=expired\n");
        ended(&t, OUTCOME_RELEASED, MOVE_RELEASE);
        t.flight.started = t.flight.ended = 0;
        job_log_settled(&t.log, &t.flight);
        ck_assert_str_eq(said(&t),
                         "level=debug event=job.released queue=emails id=1-0 type=welcome "
                         "outcome=released\n");
        ck_assert_uint_eq(t.log.run_us.n, 0);
        ck_assert_uint_eq(t.log.wait_us.n, 0);
        ledger_close(&t);
}
END_TEST

START_TEST(result_that_came_too_late_is_not_said_to_be_done)
{
        struct ledger t;

        ledger_open(&t, LOG_INFO, LOG_JOBS_FAILURES);
        ended(&t, OUTCOME_FAILED, MOVE_RETRY);
        t.job->attempts = 1;
        t.flight.stale = true;
        job_log_settled(&t.log, &t.flight);
        ended(&t, OUTCOME_DONE, MOVE_DONE);
        t.flight.stale = true;
        job_log_settled(&t.log, &t.flight);
        ck_assert_str_eq(said(&t), "level=warn event=job.released queue=emails id=1-0 type=welcome "
                                   "attempt=1 outcome=failed " RAN " stale=true\n"
                                   "level=warn event=job.released queue=emails id=1-0 type=welcome "
                                   "attempt=2 outcome=done " RAN " stale=true\n");
        ledger_close(&t);
}
END_TEST

static void one_of_each(struct ledger *t)
{
        settle(t, OUTCOME_DONE, MOVE_DONE);
        settle(t, OUTCOME_FAILED, MOVE_RETRY);
        settle(t, OUTCOME_FAILED, MOVE_DEAD);
        settle(t, OUTCOME_EXPIRED, MOVE_EXPIRE);
        settle(t, OUTCOME_CANCELLED, MOVE_CANCEL);
        settle(t, OUTCOME_RELEASED, MOVE_RELEASE);
}

static unsigned count_lines(const char *text)
{
        unsigned n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

START_TEST(log_jobs_chooses_all_failures_or_none)
{
        const char *text;
        struct ledger t;

        ledger_open(&t, LOG_DEBUG, LOG_JOBS_ALL);
        one_of_each(&t);
        ck_assert_uint_eq(count_lines(said(&t)), 6);
        job_log_set(&t.log, LOG_JOBS_FAILURES);
        one_of_each(&t);
        text = said(&t);
        ck_assert_uint_eq(count_lines(text), 3);
        ck_assert_ptr_nonnull(strstr(text, "job.retry"));
        ck_assert_ptr_nonnull(strstr(text, "job.dead"));
        ck_assert_ptr_nonnull(strstr(text, "job.expired"));
        job_log_set(&t.log, LOG_JOBS_NONE);
        one_of_each(&t);
        ck_assert_str_eq(said(&t), "");
        job_log_set(&t.log, LOG_JOBS_ALL);
        log_set_level(LOG_ERROR);
        one_of_each(&t);
        ck_assert_uint_eq(count_lines(said(&t)), 1);
        ck_assert_uint_eq(t.log.outcomes[OUTCOME_DONE], 4); /* counted in any case */
        ledger_close(&t);
}
END_TEST

/* An attempt at such a moment, which takes a second. */
static void attempt_at(struct ledger *t, pen_usec second, enum outcome outcome)
{
        struct flight *flight =
                ended(t, outcome, outcome == OUTCOME_DONE ? MOVE_DONE : MOVE_RELEASE);
        char error[] = "cannot run /usr/bin/x";

        flight->started = second * PEN_SEC;
        flight->ended = (second + 1) * PEN_SEC;
        flight->report.error = outcome == OUTCOME_UNAVAILABLE ? error : NULL;
        job_log_settled(&t->log, flight);
}

START_TEST(handler_that_goes_and_comes_is_told_once_each)
{
        struct ledger t;

        ledger_open(&t, LOG_INFO, LOG_JOBS_NONE);
        attempt_at(&t, 1, OUTCOME_DONE);
        attempt_at(&t, 10, OUTCOME_UNAVAILABLE);
        ck_assert_str_eq(said(&t), "level=warn event=queue.backoff queue=emails state=began "
                                   "error=\"cannot run /usr/bin/x\"\n");
        attempt_at(&t, 10, OUTCOME_UNAVAILABLE);
        attempt_at(&t, 9, OUTCOME_DONE); /* ran all along */
        attempt_at(&t, 12, OUTCOME_UNAVAILABLE);
        attempt_at(&t, 16, OUTCOME_RELEASED);
        attempt_at(&t, 11, OUTCOME_DONE);
        ck_assert_str_eq(said(&t), "");
        attempt_at(&t, 20, OUTCOME_DONE);
        attempt_at(&t, 20, OUTCOME_DONE);
        ck_assert_str_eq(said(&t), "level=info event=queue.backoff queue=emails state=ended\n");
        attempt_at(&t, 30, OUTCOME_UNAVAILABLE);
        ck_assert_uint_eq(count_lines(said(&t)), 1);
        ledger_close(&t);
}
END_TEST

IN_VIRTUAL_LOOP(stats_are_sums_since_the_last_ones)
{
        const struct log_field gauges[] = { F_UINT("ready", 12), F_UINT("running", 3) };
        struct ledger t;

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ledger_open(&t, LOG_INFO, LOG_JOBS_NONE);
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        for (int i = 0; i < 90; i++)
                settle(&t, OUTCOME_DONE, MOVE_DONE);
        for (int i = 0; i < 10; i++) {
                ended(&t, OUTCOME_FAILED, MOVE_RETRY);
                t.flight.ended = t.flight.started + 5 * PEN_SEC;
                t.flight.fetched = t.flight.started - 7;
                t.flight.stale = i == 0;
                job_log_settled(&t.log, &t.flight);
        }
        job_log_stats(&t.log, gauges, 2);
        /* Percentiles are as good as the histogram's buckets. */
        ck_assert_str_eq(said(&t),
                         "level=info event=queue.stats queue=emails period_ms=60000.000 "
                         "done=90 failed=10 stale=1 done_per_s=1.500 run_p50_ms=13.311 "
                         "run_p99_ms=5000.000 wait_p50_ms=0.500 wait_p99_ms=0.500 ready=12 "
                         "running=3\n");

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        job_log_stats(&t.log, NULL, 0);
        ck_assert_str_eq(said(&t), "level=info event=queue.stats queue=emails period_ms=1000.000 "
                                   "done=0 done_per_s=0.000\n");
        job_log_stats(&t.log, NULL, 0); /* in the same moment */
        ck_assert_uint_eq(count_lines(said(&t)), 1);
        ledger_close(&t);
        return 0;
}

IN_VIRTUAL_LOOP(stats_have_room_for_every_outcome_and_gauge)
{
        struct log_field gauges[JOB_LOG_GAUGES_MAX + 1];
        const char *text;
        struct ledger t;

        ledger_open(&t, LOG_INFO, LOG_JOBS_NONE);
        for (enum outcome i = 0; i < OUTCOME_MAX; i++) {
                ended(&t, i, MOVE_RELEASE);
                t.flight.stale = true;
                job_log_settled(&t.log, &t.flight);
        }
        said(&t);
        for (size_t i = 0; i < JOB_LOG_GAUGES_MAX + 1; i++)
                gauges[i] = F_UINT("gauge", i);
        job_log_stats(&t.log, gauges, JOB_LOG_GAUGES_MAX + 1);
        text = said(&t);
        for (enum outcome i = 0; i < OUTCOME_MAX; i++) {
                char expected[40];

                snprintf(expected, sizeof(expected), " %s=1 ", outcome_name(i));
                ck_assert_msg(strstr(text, expected), "%s", text);
        }
        ck_assert_ptr_nonnull(strstr(text, "gauge=7\n"));
        ledger_close(&t);
        return 0;
}

/* A handler writes what it likes. */
START_TEST(every_line_of_json_is_json)
{
        static char raw[65536];
        struct random random;
        struct ledger t;
        char error[2000];

        random_seed(&random, 3);
        ledger_open(&t, LOG_INFO, LOG_JOBS_ALL);
        log_setup(LOG_INFO, LOG_JSON, t.fd);
        for (int round = 0; round < 2000; round++) {
                size_t size = random_below(&random, sizeof(error));
                struct json_error why;
                enum json_type type;
                struct bytes value;
                ssize_t n;

                for (size_t i = 0; i < size; i++)
                        error[i] = (char)(random_below(&random, 255) + 1);
                error[size] = '\0';
                settle_failed(&t, OUTCOME_FAILED, round & 1 ? MOVE_RETRY : MOVE_DEAD, error);
                n = pread(t.fd, raw, sizeof(raw), 0);
                ck_assert_int_eq(ftruncate(t.fd, 0), 0);
                lseek(t.fd, 0, SEEK_SET);
                ck_assert_msg(json_scan(raw, (size_t)n, &type, &value, &why) == 0, "%s", why.text);
                ck_assert_int_eq(type, JSON_OBJECT);
                ck_assert_uint_eq(value.size, (size_t)n - 1);
        }
        ledger_close(&t);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "job_log", each_verdict_is_its_event_at_its_level,
                crash_is_a_warning_with_its_count, what_never_started_has_no_attempt_and_no_times,
                result_that_came_too_late_is_not_said_to_be_done,
                log_jobs_chooses_all_failures_or_none,
                handler_that_goes_and_comes_is_told_once_each, stats_are_sums_since_the_last_ones,
                stats_have_room_for_every_outcome_and_gauge, every_line_of_json_is_json);
}
