#include <cli/run_results.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cli/progress.h>
#include <job/json.h>
#include <penstock/fd.h>
#include <penstock/sync.h>
#include <penstock/task.h>

#define BUFFER_MAX ((size_t)1 << 20) /* unwritten; past it the settling of jobs waits */
#define WRITE_MAX ((size_t)64 << 10)
#define TOLD_MAX 10 /* failures that are told one by one */

static bool is_same_file(int a, int b)
{
        struct stat first, second;

        return fstat(a, &first) == 0 && fstat(b, &second) == 0 && S_ISREG(first.st_mode) &&
               first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

int run_results_open(struct run_results *results, const char *file, int input_fd)
{
        results->fd = -1;
        results->name = file;
        if (!file)
                return 0;
        results->fd = !strcmp(file, "-") ? STDOUT_FILENO
                                         : open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (results->fd < 0)
                return -errno;
        if (is_same_file(results->fd, input_fd))
                return -EEXIST;
        if (results->fd != STDOUT_FILENO && ftruncate(results->fd, 0) < 0 && errno != EINVAL)
                return -errno; /* EINVAL: a device or a pipe */
        return 0;
}

void run_results_close(struct run_results *results)
{
        if (results->fd > STDERR_FILENO && close(results->fd) < 0 && results->error == 0)
                results->error = -errno;
        buffer_deinit(&results->buffer);
        pen_event_free(results->filled);
        pen_event_free(results->drained);
}

/* --- writing ------------------------------------------------------------------------------------ */

static void pulse(struct pen_event *event)
{
        pen_event_set(event);
        pen_event_clear(event);
}

int run_results_start(struct run_results *results)
{
        int r = pen_event_create(&results->filled);

        return r < 0 ? r : pen_event_create(&results->drained);
}

void run_results_give_up(struct run_results *results, int error)
{
        if (results->error == 0)
                results->error = error;
        buffer_clear(&results->buffer);
        pulse(results->drained);
}

/* As much as is taken at once. */
static int write_some(struct run_results *results)
{
        struct buffer *b = &results->buffer;
        size_t max = WRITE_MAX;
        ssize_t n;
        int r = pen_fd_wait(results->fd, PEN_WRITABLE);

        if (r >= 0)
                max = PIPE_BUF; /* what a pipe that is writable takes without blocking */
        else if (r != -EPERM)   /* a regular file is always writable */
                return r;
        if (buffer_size(b) == 0)
                return 0; /* given up meanwhile */
        n = write(results->fd, buffer_data(b), MIN(buffer_size(b), max));
        if (n >= 0)
                buffer_consume(b, (size_t)n);
        return n < 0 && errno != EINTR && errno != EAGAIN ? -errno : 0;
}

int run_results_write(void *arg)
{
        struct run_results *results = arg;
        int r = 0;

        while (r != -ECANCELED) {
                if (buffer_size(&results->buffer) == 0) {
                        r = pen_event_wait(results->filled);
                        continue;
                }
                r = write_some(results);
                if (r < 0 && r != -ECANCELED)
                        run_results_give_up(results, r);
                pulse(results->drained);
        }
        return r;
}

void run_results_drain(struct run_results *results)
{
        pen_uncancellable_begin();
        while (buffer_size(&results->buffer) > 0 && pen_event_wait(results->drained) == 0)
                ;
        pen_uncancellable_end();
}

/* --- lines of JSON ------------------------------------------------------------------------------ */

static int write_result(struct buffer *b, const struct report *report)
{
        int r;

        if (json_is_utf8(report->result, report->result_size)) {
                r = buffer_printf(b, ",\"result\":");
                return r < 0 ? r : json_write_string(b, report->result, report->result_size);
        }
        r = buffer_printf(b, ",\"result_base64\":\"");
        if (r == 0)
                r = base64_encode(b, report->result, report->result_size);
        return r < 0 ? r : buffer_append(b, "\"", 1);
}

/* The attempt that ended the job is not counted among the failed ones if it did not fail. */
static unsigned count_attempts(const struct flight *flight)
{
        enum outcome last = flight->report.outcome;

        return flight->job->attempts + flight->job->crashes +
               (last == OUTCOME_DONE || last == OUTCOME_REJECTED);
}

static double run_ms(const struct flight *flight)
{
        return (double)(flight->ended - flight->started) / (double)PEN_MSEC;
}

static int write_job(struct buffer *b, const struct flight *flight)
{
        const struct report *report = &flight->report;
        int r;

        r = buffer_printf(
                b,
                "{\"id\":\"%s\",\"line\":%llu,\"outcome\":\"%s\",\"attempts\":%u,\"run_ms\":%.1f",
                flight->job->fields.id, (unsigned long long)flight->job->source,
                outcome_name(report->outcome), count_attempts(flight), run_ms(flight));
        if (r == 0 && flight->verdict.move == MOVE_DONE && report->result) {
                r = write_result(b, report);
                if (r == 0 && report->result_cut)
                        r = buffer_printf(b, ",\"result_cut\":true");
        }
        if (r == 0 && report->error) {
                r = buffer_printf(b, ",\"error\":");
                if (r == 0)
                        r = json_write_string(b, report->error, strlen(report->error));
        }
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

static int write_invalid(struct buffer *b, uint64_t line, const char *why)
{
        int r = buffer_printf(
                b, "{\"line\":%llu,\"outcome\":\"invalid\",\"error\":", (unsigned long long)line);

        if (r == 0)
                r = json_write_string(b, why, strlen(why));
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

/* `r`: of putting a line into the buffer. */
static void written(struct run_results *results, int r)
{
        if (r < 0 || results->error < 0)
                run_results_give_up(results, r);
        else
                pulse(results->filled);
}

/* --- words -------------------------------------------------------------------------------------- */

static void tell(struct run_results *results, uint64_t line, const char *what, unsigned attempts,
                 const char *why)
{
        char times[40] = "";

        if (attempts > 1)
                snprintf(times, sizeof(times), " (attempt %u)", attempts);
        if (results->told++ < TOLD_MAX)
                progress_say(results->progress, "line %llu: %s%s: %s", (unsigned long long)line,
                             what, times, why ? why : "no reason was given");
        if (results->told == TOLD_MAX)
                progress_say(results->progress,
                             "further failures are only counted; --results FILE has all");
}

void run_results_invalid(struct run_results *results, uint64_t line, const char *why)
{
        results->invalid++;
        tell(results, line, "not a job", 0, why);
        if (results->fd >= 0)
                written(results, write_invalid(&results->buffer, line, why));
}

/* Tells it once when the handler goes away and once when it is back. */
static void watch_availability(struct run_results *results, const struct report *report)
{
        bool was_away = results->unavailable[0];

        if (report->outcome == OUTCOME_UNAVAILABLE && !was_away) {
                snprintf(results->unavailable, sizeof(results->unavailable), "%s",
                         report->error ? report->error : "no reason was given");
                progress_say(results->progress, "waiting, and trying again: %s",
                             results->unavailable);
        } else if (was_away &&
                   (report->outcome == OUTCOME_DONE || report->outcome == OUTCOME_FAILED)) {
                results->unavailable[0] = '\0';
                progress_say(results->progress, "it works again");
        }
}

void run_results_settled(void *data, const struct flight *flight)
{
        struct run_results *results = data;
        const struct report *report = &flight->report;

        watch_availability(results, report);
        switch (flight->verdict.move) {
        case MOVE_RETRY:
                results->retried++;
                return;
        case MOVE_RELEASE:
                results->stopped += report->outcome == OUTCOME_RELEASED && flight->started > 0;
                return;
        case MOVE_DONE:
                results->done++;
                break;
        case MOVE_EXPIRE:
                results->expired++;
                tell(results, flight->job->source, "expired", 0, report->error);
                break;
        case MOVE_DEAD:
        case MOVE_CANCEL:
                results->dead++;
                tell(results, flight->job->source, outcome_name(report->outcome),
                     count_attempts(flight), report->error);
                break;
        }
        if (flight->verdict.move != MOVE_EXPIRE)
                histogram_add(&results->run_us, flight->ended - flight->started);
        if (results->fd < 0)
                return;
        written(results, write_job(&results->buffer, flight));
        while (results->error == 0 && buffer_size(&results->buffer) > BUFFER_MAX)
                if (pen_event_wait(results->drained) < 0)
                        return;
}
