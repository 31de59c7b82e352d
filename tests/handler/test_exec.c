#include "../runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <handler/exec.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

/* One attempt: given the handler's options and the job's fields, what came of it. */
struct trial {
        struct exec_options options;
        struct job_fields fields;
        struct attempt attempt;
        pen_usec timeout;
        struct report report;
        int r; /* what run answered, the scope around it ended */
};

#define TRIAL(...)                                                               \
        {                                                                        \
                .options = { .argv = (const char *const[]){ __VA_ARGS__, NULL }, \
                             .reject_exit = (const int[]){ 65, 66 },             \
                             .n_reject_exit = 2,                                 \
                             .result_max = 100,                                  \
                             .kill_after = 100 * PEN_MSEC },                     \
                .fields = { .id = "job-1" },                                     \
                .attempt = { .queue = "q", .number = 1, .max_attempts = 8 },     \
                .timeout = 60 * PEN_SEC, .report = REPORT_INIT,                  \
        }

#define SHELL(script) TRIAL("/bin/sh", "-c", (script))

static int run_handler(void *arg)
{
        struct trial *t = arg;
        PEN_CLEANUP(handler_freep) struct handler *handler = NULL;
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;
        struct pen_timeout scope;

        ck_assert_int_eq(exec_handler_create(&t->options, &handler), 0);
        ck_assert_int_eq(job_create(&t->fields, &job), 0);
        job->deliveries = 7;
        t->attempt.job = job;
        pen_timeout_begin(&scope, t->timeout);
        t->r = pen_timeout_end(&scope, handler_run(handler, &t->attempt, &t->report));
        return 0;
}

static void run(struct trial *t)
{
        ck_assert_int_eq(pen_run(run_handler, t), 0);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}

static void assert_error(struct trial *t, enum outcome outcome, const char *error)
{
        run(t);
        ck_assert_int_eq(t->r, 0);
        ck_assert_str_eq(outcome_name(t->report.outcome), outcome_name(outcome));
        ck_assert_str_eq(t->report.error, error);
        report_deinit(&t->report);
}

static void assert_result(struct trial *t, const char *result)
{
        run(t);
        ck_assert_int_eq(t->r, 0);
        ck_assert_str_eq(outcome_name(t->report.outcome), "done");
        ck_assert_ptr_null(t->report.error);
        ck_assert_str_eq(t->report.result, result);
        ck_assert_uint_eq(t->report.result_size, strlen(result));
        report_deinit(&t->report);
}

static struct bytes text(const char *data)
{
        return (struct bytes){ data, strlen(data) };
}

/* --- outcomes --------------------------------------------------------------------------------- */

START_TEST(payload_is_stdin_and_stdout_the_result)
{
        struct trial t = TRIAL("/bin/cat");

        t.fields.payload = text("; rm -rf / $(true)\n");
        assert_result(&t, "; rm -rf / $(true)\n");
        t.report = (struct report)REPORT_INIT;
        t.fields.payload = text("");
        assert_result(&t, "");
}
END_TEST

START_TEST(binary_payload_passes_bit_for_bit)
{
        struct trial t = TRIAL("/bin/cat");

        t.fields.payload = (struct bytes){ "\0\xff\r\n\0", 5 };
        run(&t);
        ck_assert_uint_eq(t.report.result_size, 5);
        ck_assert_mem_eq(t.report.result, "\0\xff\r\n\0", 5);
        report_deinit(&t.report);
}
END_TEST

START_TEST(long_result_is_cut_and_says_so)
{
        struct trial t = SHELL("seq 100000; echo not an error >&2");

        run(&t);
        ck_assert_int_eq(t.report.outcome, OUTCOME_DONE);
        ck_assert(t.report.result_cut);
        ck_assert_uint_eq(t.report.result_size, 100);
        ck_assert_int_eq(strncmp(t.report.result, "1\n2\n3\n", 6), 0);
        ck_assert_ptr_null(t.report.error);
        report_deinit(&t.report);
}
END_TEST

START_TEST(each_end_is_told_by_its_cause)
{
        struct trial failed = SHELL("exit 1"), last = SHELL("exit 255"),
                     killed = SHELL("kill -9 $$"), term = SHELL("kill -TERM $$"),
                     real_time = SHELL("kill -40 $$"), first = SHELL("exit 65"),
                     second = SHELL("echo bad mail >&2; exit 66");

        assert_error(&failed, OUTCOME_FAILED, "exit 1");
        assert_error(&last, OUTCOME_FAILED, "exit 255");
        assert_error(&killed, OUTCOME_FAILED, "killed by SIGKILL");
        assert_error(&term, OUTCOME_FAILED, "killed by SIGTERM");
        assert_error(&real_time, OUTCOME_FAILED, "killed by signal 40");
        assert_error(&first, OUTCOME_REJECTED, "exit 65");
        assert_error(&second, OUTCOME_REJECTED, "exit 66: bad mail");
}
END_TEST

START_TEST(core_dump_is_told)
{
        struct trial t = SHELL("cd $(mktemp -d) && pwd && ulimit -c unlimited && kill -SEGV $$");
        char command[64] = "";

        run(&t);
        ck_assert_int_eq(t.report.outcome, OUTCOME_FAILED);
        /* Whether there is one is the machine's to say; test_process looks closer. */
        ck_assert(strcmp(t.report.error, "killed by SIGSEGV") == 0 ||
                  strcmp(t.report.error, "killed by SIGSEGV (core dumped)") == 0);
        snprintf(command, sizeof(command), "rm -r %.40s", t.report.result);
        ck_assert_int_eq(system(command), 0);
        report_deinit(&t.report);
}
END_TEST

START_TEST(error_is_the_end_of_stderr)
{
        struct trial lines = SHELL("echo first >&2; printf 'last\\n\\n' >&2; exit 2"),
                     binary = SHELL("printf 'a\\000b' >&2; exit 2"),
                     much = SHELL("seq 1000000 2000000 >&2; exit 2");

        assert_error(&lines, OUTCOME_FAILED, "exit 2: first\nlast");
        assert_error(&binary, OUTCOME_FAILED, "exit 2: a?b");
        run(&much);
        ck_assert_uint_eq(strlen(much.report.error), strlen("exit 2: ") + EXEC_ERROR_MAX - 1);
        ck_assert_str_eq(much.report.error + strlen(much.report.error) - 7, "2000000");
        report_deinit(&much.report);
}
END_TEST

START_TEST(program_that_cannot_run_is_unavailable)
{
        struct trial missing = TRIAL("/nonexistent/program"), data = TRIAL("/etc/passwd");

        assert_error(&missing, OUTCOME_UNAVAILABLE,
                     "/nonexistent/program cannot be run: No such file or directory");
        assert_error(&data, OUTCOME_UNAVAILABLE, "/etc/passwd cannot be run: Permission denied");
}
END_TEST

static int run_without_descriptors(void *trial)
{
        struct rlimit before, none = { 0 };
        int r;

        getrlimit(RLIMIT_NOFILE, &before);
        none.rlim_max = before.rlim_max;
        setrlimit(RLIMIT_NOFILE, &none);
        r = run_handler(trial);
        setrlimit(RLIMIT_NOFILE, &before);
        return r;
}

START_TEST(lack_of_descriptors_is_unavailable)
{
        struct trial t = TRIAL("/bin/true");

        ck_assert_int_eq(pen_run(run_without_descriptors, &t), 0);
        ck_assert_int_eq(t.report.outcome, OUTCOME_UNAVAILABLE);
        ck_assert_str_eq(t.report.error, "/bin/true cannot be run: Too many open files");
        report_deinit(&t.report);
}
END_TEST

/* --- the placeholder -------------------------------------------------------------------------- */

START_TEST(placeholder_becomes_the_payload_wherever_it_stands)
{
        struct trial t = TRIAL("/usr/bin/printf", "%s|", "{}", "a{}b{}", "{", "--{}");

        t.options.placeholder = "{}";
        t.fields.payload = text("x {} $y");
        assert_result(&t, "x {} $y|ax {} $ybx {} $y|{|--x {} $y|");
}
END_TEST

START_TEST(placeholder_leaves_stdin_empty_and_its_absence_does_not)
{
        struct trial with = TRIAL("/bin/sh", "-c", "cat; echo $1", "sh", "{}"),
                     without = TRIAL("/bin/cat");

        with.options.placeholder = without.options.placeholder = "{}";
        with.fields.payload = without.fields.payload = text("data");
        assert_result(&with, "data\n");
        assert_result(&without, "data");
}
END_TEST

/* Valgrind does not survive an execution that fails so late. */
static bool under_valgrind(void)
{
        const char *preload = getenv("LD_PRELOAD");

        return preload && strstr(preload, "vgpreload");
}

START_TEST(payload_that_is_no_argument_is_rejected)
{
        static char long_payload[1 << 20];
        struct trial binary = TRIAL("/bin/echo", "{}"), large = TRIAL("/bin/echo", "{}");

        memset(long_payload, 'x', sizeof(long_payload));
        binary.options.placeholder = large.options.placeholder = "{}";
        binary.fields.payload = (struct bytes){ "a\0b", 3 };
        large.fields.payload = (struct bytes){ long_payload, sizeof(long_payload) };
        assert_error(&binary, OUTCOME_REJECTED,
                     "the payload has a NUL byte, which no argument can have");
        if (!under_valgrind())
                assert_error(&large, OUTCOME_REJECTED,
                             "/bin/echo cannot be run: the payload is too long for an argument");
}
END_TEST

/* --- environment ------------------------------------------------------------------------------ */

START_TEST(environment_is_reduced_and_the_attempt_added)
{
        static const struct job_meta meta[] = { { "tenant-id", "a=b" }, { "x1", "" } };
        struct trial t = TRIAL("/usr/bin/env");

        ck_assert_int_eq(clearenv(), 0);
        setenv("PATH", "/bin", 1);
        setenv("HOME", "/root", 1);
        setenv("SECRET", "no", 1);
        setenv("LANGUAGE", "no", 1);
        t.options.env = (const char *const[]){ "HOME=/srv", "PENSTOCK_TOKEN=0", "EMPTY=", NULL };
        t.options.result_max = 4096;
        t.fields.type = "mail";
        t.fields.traceparent = "00-1-2-03";
        t.fields.meta = meta;
        t.fields.n_meta = 2;
        t.attempt.number = 2;
        t.attempt.deadline = 1795000000123;
        assert_result(&t, "PENSTOCK_ID=job-1\nPENSTOCK_TYPE=mail\nTRACEPARENT=00-1-2-03\n"
                          "PENSTOCK_DEADLINE=1795000000123\nPENSTOCK_QUEUE=q\nPENSTOCK_ATTEMPT=2\n"
                          "PENSTOCK_MAX_ATTEMPTS=8\nPENSTOCK_TOKEN=7\n"
                          "PENSTOCK_META_TENANT_ID=a=b\nPENSTOCK_META_X1=\n"
                          "HOME=/srv\nEMPTY=\nPATH=/bin\n");
}
END_TEST

START_TEST(inherited_environment_has_no_other_attempts_words)
{
        struct trial t = TRIAL("/usr/bin/env");

        ck_assert_int_eq(clearenv(), 0);
        setenv("SECRET", "yes", 1);
        setenv("PENSTOCK_DEADLINE", "1", 1);
        setenv("PENSTOCK_META_X", "1", 1);
        setenv("TRACEPARENT", "1", 1);
        setenv("PENSTOCK_CONFIG", "kept", 1);
        t.options.inherit_environment = true;
        t.options.result_max = 4096;
        assert_result(&t, "PENSTOCK_ID=job-1\nPENSTOCK_QUEUE=q\nPENSTOCK_ATTEMPT=1\n"
                          "PENSTOCK_MAX_ATTEMPTS=8\nPENSTOCK_TOKEN=7\n"
                          "SECRET=yes\nPENSTOCK_CONFIG=kept\n");
}
END_TEST

/* --- ending it -------------------------------------------------------------------------------- */

START_TEST(time_out_ends_the_group_though_it_ignores_term)
{
        struct trial t = SHELL("trap '' TERM; sleep 100 & echo $!; wait");

        t.timeout = 50 * PEN_MSEC;
        run(&t);
        ck_assert_int_eq(t.r, -ETIME);
        ck_assert_ptr_null(t.report.result);
        ck_assert_ptr_null(t.report.error);
}
END_TEST

static int run_and_cancel(void *trial)
{
        struct pen_task *task;
        int result;

        ck_assert_int_eq(pen_spawn(run_handler, trial, &task), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(task);
        ck_assert_int_eq(pen_await(task, &result), 0);
        pen_task_unref(task);
        return result;
}

START_TEST(cancellation_is_answered_and_nothing_left_behind)
{
        struct trial t = SHELL("sleep 100");

        ck_assert_int_eq(pen_run(run_and_cancel, &t), 0);
        ck_assert_int_eq(t.r, -ECANCELED);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        report_deinit(&t.report);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(options_that_cannot_work_are_refused)
{
        struct handler *handler;
        struct exec_options none = { .argv = (const char *const[]){ NULL } }, no_argv = { 0 },
                            relative = { .argv = (const char *const[]){ "bin/true", NULL } },
                            no_value = { .argv = (const char *const[]){ "/bin/true", NULL },
                                         .env = (const char *const[]){ "NAME", NULL } },
                            empty = { .argv = (const char *const[]){ "/bin/true", NULL },
                                      .placeholder = "" };

        ck_assert_int_eq(exec_handler_create(&none, &handler), -EINVAL);
        ck_assert_int_eq(exec_handler_create(&no_argv, &handler), -EINVAL);
        ck_assert_int_eq(exec_handler_create(&relative, &handler), -EINVAL);
        ck_assert_int_eq(exec_handler_create(&no_value, &handler), -EINVAL);
        ck_assert_int_eq(exec_handler_create(&empty, &handler), -EINVAL);
}
END_TEST

int main(void)
{
        return RUN_SUITE("exec", payload_is_stdin_and_stdout_the_result,
                         binary_payload_passes_bit_for_bit, long_result_is_cut_and_says_so,
                         each_end_is_told_by_its_cause, core_dump_is_told,
                         error_is_the_end_of_stderr, program_that_cannot_run_is_unavailable,
                         lack_of_descriptors_is_unavailable,
                         placeholder_becomes_the_payload_wherever_it_stands,
                         placeholder_leaves_stdin_empty_and_its_absence_does_not,
                         payload_that_is_no_argument_is_rejected,
                         environment_is_reduced_and_the_attempt_added,
                         inherited_environment_has_no_other_attempts_words,
                         time_out_ends_the_group_though_it_ignores_term,
                         cancellation_is_answered_and_nothing_left_behind,
                         options_that_cannot_work_are_refused);
}
