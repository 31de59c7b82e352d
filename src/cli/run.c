/* penstock run: a file of jobs, here and now. It composes the rooms of src/flow around a memory store,
 * as the daemon does around its own. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cli/cli.h>
#include <cli/place.h>
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
#include <store/memory.h>

#define QUEUE "run"
#define PLACEHOLDER "{}"
#define GRACE (25 * PEN_SEC)
#define CAPACITY 10000                /* jobs that wait to be run */
#define BUFFER_MAX ((size_t)64 << 20) /* bytes of all that have not ended */
#define REMEMBERED_MAX 100000         /* ids of jobs that have ended */
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
        unsigned interrupts;
        uint64_t commands_fds; /* the soft limit before we raised ours */
        uint64_t left;         /* that were read and have not ended */
        pen_usec began;
};

/* --- beside the work ---------------------------------------------------------------------------- */

static void say_what_an_interrupt_does(struct run *run)
{
        size_t running = supervisor_count(run->supervisor, FLIGHT_RUNNING);

        if (run->interrupts == 1 && running > 0)
                progress_say(&run->progress,
                             "starting no more; waiting up to 25s for the %zu running (once more "
                             "to stop them)",
                             running);
        else if (run->interrupts == 1 && run_results_unwritten(&run->results))
                progress_say(&run->progress,
                             "waiting for the reader of the results (once more to stop)");
        else if (running > 0)
                progress_say(&run->progress, "stopping the %zu running (5s at the most)", running);
}

/* The first signal ends reading and begins the grace. The second one ends that; from then on what a
 * reader has not taken within a second is given up. */
static int watch_signals(void *arg)
{
        static const int signals[] = { SIGINT, SIGTERM };
        struct run *run = arg;
        int r;

        while (run->interrupts < 2) {
                r = pen_signal_wait(signals, ARRAY_SIZE(signals));
                if (r < 0)
                        return r;
                run->interrupts++;
                say_what_an_interrupt_does(run);
                pen_task_cancel(run->main_task);
        }
        while ((r = pen_sleep(PEN_SEC)) == 0)
                if (run_results_unwritten(&run->results))
                        run_results_give_up(&run->results, -EINTR);
        return r;
}

static void update_progress(struct run *run)
{
        uint64_t lines = lines_estimate(&run->input.lines);
        struct progress_numbers numbers = {
                .ended = run_results_ended(&run->results),
                .total = run->input.lines.ended ? run->input.pushed + run->results.invalid : lines,
                .failed = run->results.dead + run->results.expired + run->results.invalid,
                .running = (ssize_t)supervisor_count(run->supervisor, FLIGHT_RUNNING),
                .draining = run->interrupts > 0,
        };

        progress_update(&run->progress, &numbers);
}

/* Shows it, and stops the run when its results can no longer be written. */
static int show_progress(void *arg)
{
        struct run *run = arg;
        bool stopping = false;
        int r;

        while ((r = pen_sleep(100 * PEN_MSEC)) == 0) {
                update_progress(run);
                if (run->results.error < 0 && !stopping && run->interrupts == 0) {
                        stopping = true;
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
        char p50[32], p99[32];

        print_duration(p50, sizeof(p50), histogram_percentile(&res->run_us, 50));
        print_duration(p99, sizeof(p99), histogram_percentile(&res->run_us, 99));

        fprintf(stderr, "penstock run: %" PRIu64 " done, %" PRIu64 " failed", res->done, res->dead);
        if (res->expired > 0)
                fprintf(stderr, ", %" PRIu64 " expired", res->expired);
        if (res->invalid > 0)
                fprintf(stderr, ", %" PRIu64 " not jobs", res->invalid);
        if (run->input.repeated > 0)
                fprintf(stderr, ", %" PRIu64 " repeated", run->input.repeated);
        fprintf(stderr, " in %.2fs", seconds);
        if (seconds > 0)
                fprintf(stderr, ", %.0f/s", (double)run_results_ended(res) / seconds);
        fprintf(stderr, "; run time p50 %s, p99 %s", p50, p99);
        if (res->retried > 0)
                fprintf(stderr, "; retries: %" PRIu64, res->retried);
        fputc('\n', stderr);
        if (run->left > 0 || !run->input.lines.ended)
                fprintf(stderr,
                        "penstock run: read and left: %" PRIu64 " (stopped while running: %" PRIu64
                        "); %s was read up to line %" PRIu64 "%s\n",
                        run->left, res->stopped, run->input.lines.name, run->input.line,
                        run->input.lines.ended ? ", its end" : "");
}

/* -errno: it could not be written. */
static int print_json_summary(const struct run *run)
{
        const struct run_results *res = &run->results;

        printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"expired\":%" PRIu64
               ",\"invalid\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"retries\":%" PRIu64
               ",\"left\":%" PRIu64 ",\"stopped\":%" PRIu64 ",\"lines_read\":%" PRIu64
               ",\"input_ended\":%s,\"seconds\":%.3f,\"run_ms_p50\":%.3f,\"run_ms_p99\":%.3f}\n",
               res->done, res->dead, res->expired, res->invalid, run->input.repeated, res->retried,
               run->left, res->stopped, run->input.line, run->input.lines.ended ? "true" : "false",
               (double)(pen_now() - run->began) / (double)PEN_SEC,
               (double)histogram_percentile(&res->run_us, 50) / (double)PEN_MSEC,
               (double)histogram_percentile(&res->run_us, 99) / (double)PEN_MSEC);
        return fflush(stdout) == EOF ? -errno : 0;
}

/* --- composing ---------------------------------------------------------------------------------- */

/* Every running job holds descriptors: better to say so now than to fail some of them later. */
static int make_room_for_descriptors(size_t concurrency, bool commands, uint64_t *ret_before)
{
        rlim_t each = commands ? 5 : 2; /* three pipes, a pidfd and, for a moment, a status pipe */
        rlim_t needed = FDS_OF_OUR_OWN + each * concurrency;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        *ret_before = limit.rlim_cur;
        if (limit.rlim_cur >= needed)
                return 0;
        if (limit.rlim_max < needed) {
                fprintf(stderr,
                        "penstock run: -j %zu needs %llu file descriptors, and at most %llu are "
                        "allowed: lower -j, or raise the hard limit (ulimit -Hn)\n",
                        concurrency, (unsigned long long)needed,
                        (unsigned long long)limit.rlim_max);
                return -EMFILE;
        }
        limit.rlim_cur = needed;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
                return 0;
        fprintf(stderr, "penstock run: raising the limit of file descriptors: %s\n",
                strerror(errno));
        return -errno;
}

static int create_handler(struct run *run)
{
        const struct run_options *o = &run->options;
        int r;

        if (o->command)
                return exec_handler_create(
                        &(struct exec_options){
                                .argv = o->command,
                                .placeholder = PLACEHOLDER,
                                .inherit_environment = true,
                                .reject_exit = (const int[]){ 65 },
                                .n_reject_exit = 1,
                                .result_max = EXEC_RESULT_MAX,
                                .kill_after = EXEC_KILL_AFTER,
                                .max_fds = run->commands_fds,
                        },
                        &run->handler);
        r = pen_http_client_create(&(struct pen_http_options)PEN_HTTP_OPTIONS_DEFAULT,
                                   &run->client);
        if (r < 0)
                return r;
        return http_handler_create(
                &(struct http_options){
                        .client = run->client,
                        .url = o->url,
                        .placeholder = PLACEHOLDER,
                        .result_max = HTTP_RESULT_MAX,
                },
                &run->handler);
}

static int create_rooms(struct run *run)
{
        const struct run_options *o = &run->options;
        int r;

        r = memory_queue_open(
                &(struct store_queue_options){
                        .capacity = CAPACITY,
                        .max_bytes = BUFFER_MAX,
                        .dedupe = 10 * PEN_MINUTE,
                        .dedupe_max = REMEMBERED_MAX,
                },
                &run->store);
        if (r == 0)
                r = create_handler(run);
        if (r == 0)
                r = supervisor_create(
                        &(struct supervisor_options){
                                .queue_name = QUEUE,
                                .store = run->store,
                                .route = { .handler = run->handler },
                                .concurrency = o->concurrency,
                                .maxsize = MAX(o->concurrency, (size_t)MAXSIZE_MIN),
                                .rate = o->rate,
                                .timeout = o->timeout,
                                .retry = o->retry,
                                .observer = { run_results_settled, &run->results },
                        },
                        &run->supervisor);
        run->intake = (struct intake){ .store = run->store, .payload_max = PAYLOAD_MAX };
        run->input.text = o->lines;
        run->input.intake = &run->intake;
        run->input.results = &run->results;
        return r;
}

/* The result stands: a late Ctrl-C must not make another exit status of it. */
static void ignore_further_interrupts(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
}

static void free_rooms(struct run *run)
{
        supervisor_free(run->supervisor);
        handler_free(run->handler);
        pen_http_client_free(run->client);
        store_close(run->store);
}

static int read_and_join(struct run *run)
{
        int r = run_input_run(&run->input);

        if (r < 0 && r != -ECANCELED)
                fprintf(stderr, "penstock run: %s: %s\n", run->input.lines.name, strerror(-r));
        return r < 0 ? r : store_join(run->store);
}

/* Less than 0: something has failed that is no job. */
static int work(struct run *run)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *beside = NULL;
        int r, stopped;

        r = pen_group_create(&beside);
        if (r == 0)
                r = pen_group_spawn(beside, "signals", watch_signals, run, NULL);
        if (r == 0)
                r = pen_group_spawn(beside, "progress", show_progress, run, NULL);
        if (r == 0)
                r = pen_group_spawn(beside, "results", run_results_write, &run->results, NULL);
        if (r == 0)
                r = supervisor_start(run->supervisor);
        if (r < 0)
                return r;
        r = read_and_join(run);
        stopped = supervisor_stop(run->supervisor, r < 0 ? GRACE : PEN_FOREVER);
        run_results_drain(&run->results);
        /* A cancellation shows in what was left, if anything was. */
        return stopped < 0 ? stopped : r == -ECANCELED ? 0 : r;
}

static int run_main(void *arg)
{
        struct run *run = arg;
        struct store_counts counts;
        int r, summed = 0;

        run->main_task = pen_task_current();
        run->began = pen_now();
        progress_init(&run->progress, "run");
        run->results.progress = &run->progress;
        r = run_results_start(&run->results);
        if (r == 0)
                r = create_rooms(run);
        if (r < 0) {
                fprintf(stderr, "penstock run: cannot start: %s\n", strerror(-r));
                free_rooms(run);
                return r;
        }
        r = work(run);
        progress_end(&run->progress);
        ignore_further_interrupts();
        if (store_count(run->store, &counts) == 0) /* in our memory: it always does */
                run->left = counts.ready + counts.delayed;
        if (run->results.error < 0)
                fprintf(stderr, "penstock run: %s: %s\n", run->results.name,
                        strerror(-run->results.error));
        if (run->options.json)
                summed = print_json_summary(run);
        else
                print_summary(run);
        free_rooms(run);
        return r < 0 ? r : summed;
}

static bool all_done(const struct run *run)
{
        const struct run_results *res = &run->results;

        return run->input.lines.ended && run->left == 0 && res->dead == 0 && res->expired == 0 &&
               res->invalid == 0 && res->error == 0;
}

static int open_files(struct run *run)
{
        int r = lines_open(&run->input.lines, run->options.file);

        if (r < 0)
                return cli_usage_error("run", "%s: %s", run->input.lines.name, strerror(-r));
        r = run_results_open(&run->results, run->options.results, run->input.lines.fd);
        if (r == -EEXIST)
                return cli_usage_error("run", "--results %s: that is the input", run->results.name);
        if (r < 0)
                return cli_usage_error("run", "%s: %s", run->results.name, strerror(-r));
        return -1;
}

static int run_verb(const struct place *place, int argc, char **argv)
{
        static struct run run;
        int r, code;

        if (place->config || place->store || place->socket)
                return cli_usage_error("run",
                                       "it keeps its jobs itself: no -c, --store or --socket");
        code = run_options_parse(argc, argv, &run.options);
        if (code < 0 && make_room_for_descriptors(run.options.concurrency, run.options.command,
                                                  &run.commands_fds) < 0)
                code = EXIT_USAGE;
        if (code < 0)
                code = open_files(&run);
        if (code >= 0)
                return code;
        r = pen_run(run_main, &run);
        run_input_close(&run.input);
        run_results_close(&run.results);
        return r == 0 && all_done(&run) ? EXIT_WELL : EXIT_JOBS_FAILED;
}

const struct verb verb_run = { "run", "run every job of a file, here and now", run_verb };
