/* What became of the jobs of `penstock run`: counts, the file of results, words about failures. */
#pragma once

#include <base/buffer.h>
#include <base/histogram.h>
#include <flow/settler.h>

struct progress;

struct run_results {
        struct progress *progress; /* failures are told above it */
        int fd;                    /* of --results; -1: none */
        const char *name;
        struct buffer buffer;               /* to be written */
        struct pen_event *filled, *drained; /* pulsed */
        int error; /* of writing: -errno; from then on nothing is written */

        uint64_t done, dead, expired, invalid;
        uint64_t retried;
        uint64_t stopped;      /* taken back while they ran */
        uint64_t told;         /* failures that were told one by one */
        char unavailable[200]; /* why the handler is; empty: it is not */
        struct histogram run_us;
};

/* `file` NULL: none; "-": standard output. Must not be `input_fd`'s file: -EEXIST. -errno. */
int run_results_open(struct run_results *results, const char *file, int input_fd);
void run_results_close(struct run_results *results);

/* Before the first result; with a loop. -ENOMEM. */
int run_results_start(struct run_results *results);

/* A task's function; `arg` is the struct run_results. Writes what comes until it is cancelled: a
 * reader that is slow or gone must not hold the loop. */
PEN_ASYNC int run_results_write(void *arg);

/* Waits, uninterruptibly, until all is written or given up. */
void run_results_drain(struct run_results *results);

/* A line of the input cannot be a job. */
void run_results_invalid(struct run_results *results, uint64_t line, const char *why);

/* For struct observer; `data` is the struct run_results. Suspends while much is unwritten. */
void run_results_settled(void *data, const struct flight *flight);

/* Writes nothing more, so that nobody waits for it. */
void run_results_give_up(struct run_results *results, int error);

static inline bool run_results_unwritten(const struct run_results *r)
{
        return buffer_size(&r->buffer) > 0;
}

/* All that have ended, whichever way. */
static inline uint64_t run_results_ended(const struct run_results *r)
{
        return r->done + r->dead + r->expired + r->invalid;
}
