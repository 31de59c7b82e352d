/* What the verbs of `penstock` share. */
#pragma once

#include <base/util.h>

/* Exit codes of the contract. */
enum {
        EXIT_WELL = 0,
        EXIT_JOBS_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 69,
        EXIT_TIMED_OUT = 75,
        EXIT_CONFIGURATION = 78,
};

struct place;

struct verb {
        const char *name;
        const char *summary; /* a line for the overview */
        /* argv[0] is the verb; `place` is what was said before it. Answers the exit code. */
        int (*run)(const struct place *place, int argc, char **argv);
};

extern const struct verb verb_config, verb_dead, verb_join, verb_push, verb_run, verb_status;

/* Runs the one of `verbs` that argv[1] names; `of` is the verb that they belong to, or NULL. Without a
 * name or with --help it lists them. */
int cli_dispatch(const char *of, const struct verb *const *verbs, size_t n,
                 const struct place *place, int argc, char **argv);

/* Prints "penstock VERB: …" to standard error, with where to read on, and answers EXIT_USAGE. `verb` NULL:
 * penstock itself. */
int cli_usage_error(const char *verb, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Ends standard output. EXIT_WELL; or EXIT_JOBS_FAILED if not all could be written, which is told. */
int cli_flush(const char *verb);

/* Prints "penstock VERB: …" to standard error, what is not printable escaped. */
void cli_say(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
