/* penstock run: a file of jobs, here and now. It composes the rooms of src/flow around a memory store,
 * as the daemon does around its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cli/cli.h>
#include <cli/progress.h>
#include <cli/run_input.h>
#include <cli/run_options.h>
#include <cli/run_results.h>
#include <flow/supervisor.h>
#include <handler/exec.h>
#include <handler/http.h>
#include <penstock/fd.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/thread.h>
#include <store/memory.h>

#define QUEUE "run"
#define PLACEHOLDER "{}"
#define GRACE (25 * PEN_SEC)
#define CAPACITY 10000               /* jobs that were read and have not ended */
#define BUFFER_MAX ((size_t)64 << 20) /* their bytes */
#define PAYLOAD_MAX ((size_t)1 << 20)
#define MAXSIZE_MIN 64
#define FDS_OF_OUR_OWN 64

struct run {
        struct run_options options;
        struct store_queue *store;
        struct pen_http_client *client;
        struct handler *handler;
        struct supervisor *supervisor;
        struct intake intake;
        struct run_input input;
        struct run_results results;
        struct progress progress;
        struct pen_task *main_task;
        uint64_t total;      /* jobs, as far as is known; 0: not */
        unsigned interrupts;
        pen_usec began;
};

/* --- beside the work ---------------------------------------------------------------------------- */

/* The first signal ends reading and begins the grace, the second one ends that. */
static int watch_signals(void *arg)
{
        static const int signals[] = { SIGINT, SIGTERM };
        struct run *run = arg;
        int r;

        while ((r = pen_signal_wait(signals, ARRAY_SIZE(signals))) > 0) {
                size_t running = supervisor_count(run->supervisor, FLIGHT_RUNNING);

                run->interrupts++;
                if (run->interrupts == 1 && running > 0)
                        progress_say(&run->progress,
                                     "starting no more; waiting up to 25s for the %zu running "
                                     "(once more to stop them)", running);
                if (run->interrupts == 2)
                        progress_say(&run->progress, "stopping the %zu running", running);
                if (run->interrupts <= 2)
                        pen_task_cancel(run->main_task);
        }
        return r;
}

static int show_progress(void *arg)
{
        struct run *run = arg;
        int r;

        while ((r = pen_sleep(100 * PEN_MSEC)) == 0) {
                struct progress_numbers numbers = {
                        .ended = run_results_ended(&run->results),
                        .total = run->total,
                        .failed = run->results.dead + run->results.expired + run->results.invalid,
                        .running = supervisor_count(run->supervisor, FLIGHT_RUNNING),
                        .draining = run->interrupts > 0,
                };

                progress_update(&run->progress, &numbers);
                if (run_results_flush(&run->results) < 0 && run->interrupts == 0) {
                        run->interrupts = 1;
                        pen_task_cancel(run->main_task);
                }
        }
        return r;
}

/* --- the summary -------------------------------------------------------------------------------- */

static void print_duration(char *to, size_t size, uint64_t usec)
{
        if (usec < 10 * PEN_MSEC)
                snprintf(to, size, "%.2fms", (double)usec / (double)PEN_MSEC);
        else if (usec < PEN_SEC)
                snprintf(to, size, "%.0fms", (double)usec / (double)PEN_MSEC);
        else
                snprintf(to, size, "%.2fs", (double)usec / (double)PEN_SEC);
}

static void print_summary(const struct run *run)
{
        const struct run_results *res = &run->results;
        double seconds = (double)(pen_now() - run->began) / (double)PEN_SEC;
        struct store_counts counts;
        char p50[32], p99[32];
        uint64_t left;

        store_count(run->store, &counts);
        left = counts.ready + counts.delayed;
        print_duration(p50, sizeof(p50), histogram_percentile(&res->run_us, 50));
        print_duration(p99, sizeof(p99), histogram_percentile(&res->run_us, 99));

        fprintf(stderr, "penstock run: %llu done, %llu failed", (unsigned long long)res->done,
                (unsigned long long)res->dead);
        if (res->expired > 0)
                fprintf(stderr, ", %llu expired", (unsigned long long)res->expired);
        if (res->invalid > 0)
                fprintf(stderr, ", %llu not jobs", (unsigned long long)res->invalid);
        if (run->input.repeated > 0)
                fprintf(stderr, ", %llu repeated", (unsigned long long)run->input.repeated);
        fprintf(stderr, " in %.2fs", seconds);
        if (seconds > 0)
                fprintf(stderr, ", %.0f/s", (double)run_results_ended(res) / seconds);
        fprintf(stderr, "; run time p50 %s, p99 %s", p50, p99);
        if (res->retried > 0)
                fprintf(stderr, "; %llu retries", (unsigned long long)res->retried);
        fputc('\n', stderr);
        if (left > 0 || !run->input.ended)
                fprintf(stderr,
                        "penstock run: left: %llu jobs that were read and have not ended (%llu of "
                        "them stopped while running); %s was read up to line %llu%s\n",
                        (unsigned long long)left, (unsigned long long)res->stopped, run->input.name,
                        (unsigned long long)run->input.line,
                        run->input.ended ? ", its end" : "");
}

static void print_json_summary(const struct run *run)
{
        const struct run_results *res = &run->results;
        struct store_counts counts;

        store_count(run->store, &counts);
        printf("{\"done\":%llu,\"failed\":%llu,\"expired\":%llu,\"invalid\":%llu,\"repeated\":%llu,"
               "\"retries\":%llu,\"left\":%zu,\"stopped\":%llu,\"lines_read\":%llu,\"input_ended\":%s,"
               "\"seconds\":%.3f,\"run_ms_p50\":%.3f,\"run_ms_p99\":%.3f}\n",
               (unsigned long long)res->done, (unsigned long long)res->dead,
               (unsigned long long)res->expired, (unsigned long long)res->invalid,
               (unsigned long long)run->input.repeated, (unsigned long long)res->retried,
               counts.ready + counts.delayed, (unsigned long long)res->stopped, (unsigned long long)run->input.line,
               run->input.ended ? "true" : "false",
               (double)(pen_now() - run->began) / (double)PEN_SEC,
               (double)histogram_percentile(&res->run_us, 50) / (double)PEN_MSEC,
               (double)histogram_percentile(&res->run_us, 99) / (double)PEN_MSEC);
        fflush(stdout);
}

/* --- composing ---------------------------------------------------------------------------------- */

/* Every running job holds descriptors: better to say so now than to fail some of them later. */
static int make_room_for_descriptors(size_t concurrency, bool commands)
{
        rlim_t each = commands ? 5 : 2; /* three pipes, a pidfd and, for a moment, a status pipe */
        rlim_t needed = FDS_OF_OUR_OWN + each * concurrency;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
                return 0;
        if (limit.rlim_max < needed) {
                fprintf(stderr,
                        "penstock run: -j %zu needs %llu file descriptors, and at most %llu are "
                        "allowed: lower -j, or raise the hard limit (ulimit -Hn)\n",
                        concurrency, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
                return -EMFILE;
        }
        limit.rlim_cur = needed;
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int create_handler(struct run *run)
{
        const struct run_options *o = &run->options;
        int r;

        if (o->command) {
                bool in_argv = false;

                for (size_t i = 1; o->command[i]; i++)
                        in_argv |= strstr(o->command[i], PLACEHOLDER) != NULL;
                return exec_handler_create(&(struct exec_options){
                                                   .argv = o->command,
                                                   .placeholder = in_argv ? PLACEHOLDER : NULL,
                                                   .inherit_environment = true,
                                                   .reject_exit = (const int[]){ 65 },
                                                   .n_reject_exit = 1,
                                                   .result_max = EXEC_RESULT_MAX,
                                                   .kill_after = EXEC_KILL_AFTER,
                                           },
                                           &run->handler);
        }
        r = pen_http_client_create(&(struct pen_http_options)PEN_HTTP_OPTIONS_DEFAULT, &run->client);
        if (r < 0)
                return r;
        return http_handler_create(&(struct http_options){
                                           .client = run->client,
                                           .url = o->url,
                                           .placeholder = PLACEHOLDER,
                                           .prefix = "penstock",
                                           .result_max = HTTP_RESULT_MAX,
                                   },
                                   &run->handler);
}

static int create_rooms(struct run *run)
{
        const struct run_options *o = &run->options;
        int r;

        r = memory_queue_open(&(struct store_queue_options){
                                      .name = QUEUE,
                                      .capacity = CAPACITY,
                                      .max_bytes = BUFFER_MAX,
                                      .dedupe = 10 * PEN_MINUTE,
                              },
                              &run->store);
        if (r == 0)
                r = create_handler(run);
        if (r == 0)
                r = supervisor_create(&(struct supervisor_options){
                                              .queue_name = QUEUE,
                                              .store = run->store,
                                              .handler = run->handler,
                                              .concurrency = o->concurrency,
                                              .maxsize = MAX(o->concurrency, (size_t)MAXSIZE_MIN),
                                              .rate = o->rate,
                                              .timeout = o->timeout,
                                              .retry = o->retry,
                                              .observer = { run_results_started,
                                                            run_results_settled, &run->results },
                                      },
                                      &run->supervisor);
        run->intake = (struct intake){ .store = run->store, .payload_max = PAYLOAD_MAX };
        run->input.lines = o->lines;
        run->input.intake = &run->intake;
        run->input.results = &run->results;
        return r;
}

static void free_rooms(struct run *run)
{
        supervisor_free(run->supervisor);
        handler_free(run->handler);
        pen_http_client_free(run->client);
        store_close(run->store);
}

static int count_lines(void *arg)
{
        struct run *run = arg;

        run->total = run_input_count_lines(&run->input);
        return 0;
}

static int read_and_join(struct run *run)
{
        int r = pen_to_thread(count_lines, run, NULL);

        if (r == 0)
                r = run_input_run(&run->input);
        if (r < 0)
                return r;
        run->total = run->input.pushed + run->results.invalid;
        return store_join(run->store);
}

static int work(struct run *run)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *beside = NULL;
        int r, stopped;

        r = pen_group_create(&beside);
        if (r == 0)
                r = supervisor_start(run->supervisor);
        if (r < 0)
                return r;
        r = pen_group_spawn(beside, "signals", watch_signals, run);
        if (r == 0)
                r = pen_group_spawn(beside, "progress", show_progress, run);
        if (r == 0)
                r = read_and_join(run);
        stopped = supervisor_stop(run->supervisor, r < 0 ? GRACE : PEN_FOREVER);
        if (r == -ECANCELED && run->interrupts > 0)
                r = 0;
        return r < 0 ? r : stopped;
}

static int run_main(void *arg)
{
        struct run *run = arg;
        int r;

        run->main_task = pen_task_current();
        run->began = pen_now();
        progress_init(&run->progress);
        run->results.progress = &run->progress;
        r = create_rooms(run);
        if (r == 0)
                r = work(run);
        progress_end(&run->progress);
        if (r < 0)
                fprintf(stderr, "penstock run: %s: %s\n", run->input.name, strerror(-r));
        if (run_results_flush(&run->results) < 0)
                fprintf(stderr, "penstock run: %s: %s\n", run->results.name,
                        strerror(-run->results.error));
        if (run->store && run->supervisor)
                (run->options.json ? print_json_summary : print_summary)(run);
        free_rooms(run);
        return r;
}

static bool all_done(const struct run *run)
{
        const struct run_results *res = &run->results;

        return run->interrupts == 0 && res->dead == 0 && res->expired == 0 && res->invalid == 0 &&
               res->error == 0;
}

static int run_verb(int argc, char **argv)
{
        static struct run run;
        int r, code;

        code = run_options_parse(argc, argv, &run.options);
        if (code >= 0)
                return code;
        if (make_room_for_descriptors(run.options.concurrency, run.options.command) < 0)
                return EXIT_USAGE;
        r = run_input_open(&run.input, run.options.file);
        if (r < 0)
                return cli_usage_error("run", "%s: %s", run.input.name, strerror(-r));
        r = run_results_open(&run.results, run.options.results);
        if (r < 0) {
                run_input_close(&run.input);
                return cli_usage_error("run", "%s: %s", run.results.name, strerror(-r));
        }
        r = pen_run(run_main, &run);
        run_input_close(&run.input);
        run_results_close(&run.results);
        return r == 0 && all_done(&run) ? EXIT_WELL : EXIT_JOBS_FAILED;
}

const struct verb verb_run = { "run", "run every job of a file, here and now", run_verb };
