/* What the verbs of `penstock` share. */
#pragma once

#include <base/util.h>

/* Exit codes of the contract. */
enum {
        EXIT_WELL = 0,
        EXIT_JOBS_FAILED = 1,
        EXIT_USAGE = 2,
};

struct verb {
        const char *name;
        const char *summary;               /* a line for the overview */
        int (*run)(int argc, char **argv); /* argv[0] is the verb; answers the exit code */
};

extern const struct verb verb_run;

/* Prints "penstock VERB: …" to standard error, with where to read on, and answers EXIT_USAGE. */
int cli_usage_error(const char *verb, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
