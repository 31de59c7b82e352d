/* What `penstock run` was told to do. */
#pragma once

#include <job/retry.h>

struct run_options {
        const char *file;           /* "-": standard input */
        const char *const *command; /* NULL-terminated; NULL: `url` */
        char *program;              /* command[0] as an absolute path; the options' own */
        const char *url;
        bool lines; /* a job a line, not JSON */
        bool json;  /* the summary, for machines */
        size_t concurrency;
        double rate;         /* 0: none */
        pen_usec timeout;    /* PEN_FOREVER: none */
        const char *results; /* NULL: none; "-": standard output */
        struct retry_policy retry;
};

/* Fills *ret. -1: go on; else the exit code: help was printed, or an error. */
int run_options_parse(int argc, char **argv, struct run_options *ret);
