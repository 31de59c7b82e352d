/* What was promised and what was done: the producer's acknowledgements beside the recorder's runs.
 *
 * The idea is Jepsen's total-queue. A job is its number, which its payload carries; its id is
 * what the store answered. A number is `ok` (acknowledged), `maybe` (the connection broke before the
 * answer: it may have been stored or not) or was never pushed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_NUMBER_MAX 10000000

struct history_job {
        enum {
                PUSH_NEVER,
                PUSH_MAYBE,
                PUSH_OK,
        } push;
        char id[136];    /* acknowledged, or of its first run; "": not known */
        unsigned starts; /* of runs */
        unsigned ends;   /* of runs that succeeded: the work was done so often */
        unsigned failures;
        bool dead; /* among the dead letters */
};

struct history {
        struct history_job *jobs; /* by number */
        size_t n;
        struct history_start *starts;
        size_t n_starts, allocated;
        size_t n_unexpected, n_mistaken; /* told when they were read */
};

/* Each reads a file of lines; what is not of its form is an error too: -EINVAL, -errno, -ENOMEM. First
 * what was acknowledged: `ok NUMBER ID` and `maybe NUMBER`. */
int history_read_acknowledged(struct history *h, const char *path);

/* The recorder's. What nobody pushed, or runs under another id, is told on `to`. */
int history_read_runs(struct history *h, const char *path, FILE *to);

/* The job with that id ended dead. */
void history_dead(struct history *h, const char *id);

/* Tells how it went, all counts and the first jobs of each kind that must not be. Answers how many
 * of those there are:
 *   lost        acknowledged, and neither done nor dead
 *   unexpected  run, but never pushed, or not under that id
 *   mistaken    run with a token a second time, or as a later attempt than the failures that were
 *               answered account for (a daemon's death, or a release, spends none)
 */
size_t history_judge(struct history *h, FILE *to);

void history_deinit(struct history *h);
