/* The options of a verb: one table that the parser reads and that --help prints. */
#pragma once

#include <base/util.h>

enum option_kind {
        OPTION_FLAG,     /* bool */
        OPTION_TEXT,     /* const char * */
        OPTION_NUMBER,   /* uint64_t, from `min` to `max` */
        OPTION_DURATION, /* pen_usec, more than 0 */
        OPTION_RATE,     /* double, a second */
        OPTION_TAKEN,    /* whatever `take` makes of it */
};

struct option_row {
        const char *name;
        char letter;       /* 0: it has only its name */
        const char *value; /* what --help calls it; NULL for a flag */
        const char *help;  /* lines; NULL: it is not shown */
        enum option_kind kind;
        size_t offset; /* of the variable in the verb's structure */
        uint64_t min, max;
        /* Takes the value. NULL, or what it must be ("a whole number"). */
        const char *(*take)(void *options, const struct option_row *row, const char *value);
};

/* OPTION(NUMBER, struct words, jobs, .name = "jobs", .letter = 'j', …) */
#define OPTION(the_kind, type, member, ...)                                              \
        {                                                                                \
                .kind = OPTION_##the_kind, .offset = offsetof(type, member), __VA_ARGS__ \
        }

struct option_table {
        const char *verb; /* "push", "dead list"; NULL: penstock itself */
        const char *
                head; /* of --help: what stands before the options. NULL: --help is no option here */
        const char *tail; /* and behind them; NULL: nothing */
        const struct option_row *rows;
        size_t n_rows;
        bool stops; /* at the first word that is no option: the rest is a verb's */
};

/* Reads the options of argv[1…] into `options`. -1: go on, argv[*ret_index…] are the words that are no
 * options (which argv was permuted for). Else the exit code: help was printed, or an error. */
int options_parse(const struct option_table *table, int argc, char **argv, void *options,
                  int *ret_index);

void options_print_help(const struct option_table *table);
