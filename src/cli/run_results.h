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
        struct buffer buffer;      /* to be written */
        int error;                 /* of writing: -errno */

        uint64_t done, dead, expired, invalid;
        uint64_t retried;
        uint64_t stopped;          /* taken back while they ran */
        uint64_t told;             /* failures that were told one by one */
        const char *unavailable;   /* the handler is, for this reason; NULL: it is not */
        char reason[200];
        struct histogram run_us;
};

/* `file` NULL: none; "-": standard output. -errno: it cannot be opened. */
int run_results_open(struct run_results *results, const char *file);

/* Writes what is buffered. -errno, also of earlier writes. */
int run_results_flush(struct run_results *results);
void run_results_close(struct run_results *results);

/* A line of the input cannot be a job. */
void run_results_invalid(struct run_results *results, uint64_t line, const char *why);

/* For struct observer; `data` is the struct run_results. */
void run_results_started(void *data, const struct flight *flight);
void run_results_settled(void *data, const struct flight *flight);

/* All that have ended, whichever way. */
static inline uint64_t run_results_ended(const struct run_results *r)
{
        return r->done + r->dead + r->expired + r->invalid;
}
