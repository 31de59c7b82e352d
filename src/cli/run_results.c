#include <cli/run_results.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cli/progress.h>
#include <job/json.h>

#define FLUSH_AT ((size_t)64 << 10)
#define TOLD_MAX 10 /* failures that are told one by one */

int run_results_open(struct run_results *results, const char *file)
{
        results->fd = -1;
        results->name = file;
        if (!file)
                return 0;
        results->fd = !strcmp(file, "-") ? STDOUT_FILENO
                                         : open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        return results->fd < 0 ? -errno : 0;
}

int run_results_flush(struct run_results *results)
{
        struct buffer *b = &results->buffer;

        while (results->fd >= 0 && buffer_size(b) > 0 && results->error == 0) {
                ssize_t n = write(results->fd, buffer_data(b), buffer_size(b));

                if (n >= 0)
                        buffer_consume(b, (size_t)n);
                else if (errno != EINTR)
                        results->error = -errno;
        }
        return results->error;
}

void run_results_close(struct run_results *results)
{
        if (results->fd > STDERR_FILENO && close(results->fd) < 0 && results->error == 0)
                results->error = -errno;
        buffer_deinit(&results->buffer);
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

        r = buffer_printf(b, "{\"id\":\"%s\",\"line\":%llu,\"outcome\":\"%s\",\"attempts\":%u,\"run_ms\":%.1f",
                          flight->job->fields.id, (unsigned long long)flight->job->source,
                          outcome_name(report->outcome), count_attempts(flight), run_ms(flight));
        if (r == 0 && flight->verdict.move == MOVE_DONE && report->result)
                r = write_result(b, report);
        if (r == 0 && report->result_cut)
                r = buffer_printf(b, ",\"result_cut\":true");
        if (r == 0 && report->error) {
                r = buffer_printf(b, ",\"error\":");
                if (r == 0)
                        r = json_write_string(b, report->error, strlen(report->error));
        }
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

static int write_invalid(struct buffer *b, uint64_t line, const char *why)
{
        int r = buffer_printf(b, "{\"line\":%llu,\"outcome\":\"invalid\",\"error\":",
                              (unsigned long long)line);

        if (r == 0)
                r = json_write_string(b, why, strlen(why));
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

static void written(struct run_results *results, int r)
{
        if (r < 0 && results->error == 0)
                results->error = r;
        if (buffer_size(&results->buffer) >= FLUSH_AT)
                (void)run_results_flush(results); /* kept in results->error */
}

/* --- words -------------------------------------------------------------------------------------- */

static void tell(struct run_results *results, uint64_t line, const char *what, const char *why)
{
        if (results->told++ < TOLD_MAX)
                progress_say(results->progress, "line %llu: %s: %s", (unsigned long long)line, what,
                             why ? why : "no reason was given");
        if (results->told == TOLD_MAX)
                progress_say(results->progress,
                             "further failures are only counted; --results FILE has all");
}

void run_results_invalid(struct run_results *results, uint64_t line, const char *why)
{
        results->invalid++;
        tell(results, line, "not a job", why);
        if (results->fd >= 0)
                written(results, write_invalid(&results->buffer, line, why));
}

void run_results_started(void *data, const struct flight *flight)
{
        (void)data, (void)flight;
}

/* Once when the handler goes away and once when it is back. */
static void watch_availability(struct run_results *results, const struct report *report)
{
        bool away = report->outcome == OUTCOME_UNAVAILABLE;

        if (report->outcome == OUTCOME_RELEASED || away == (results->unavailable != NULL))
                return;
        snprintf(results->reason, sizeof(results->reason), "%s", report->error ? report->error : "");
        results->unavailable = away ? results->reason : NULL;
        if (away)
                progress_say(results->progress, "waiting, and trying again: %s", results->reason);
        else
                progress_say(results->progress, "it works again");
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
                tell(results, flight->job->source, "expired", report->error);
                break;
        case MOVE_DEAD:
        case MOVE_CANCEL:
                results->dead++;
                tell(results, flight->job->source, outcome_name(report->outcome), report->error);
                break;
        }
        if (flight->verdict.move != MOVE_EXPIRE)
                histogram_add(&results->run_us, flight->ended - flight->started);
        if (results->fd >= 0)
                written(results, write_job(&results->buffer, flight));
}
