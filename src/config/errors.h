/* The errors of one file: gathered, and told in the order of the file. */
#pragma once

#include <base/buffer.h>
#include <config/arena.h>

#define ERRORS_MAX 100 /* are told; of the others only that there are more */

/* A place in the file, both counted from 1. Line 0: nowhere in it. */
struct mark {
        unsigned line, column;
};

struct error {
        struct mark mark;
        const char *text;
};

struct errors {
        const char *file;
        struct arena arena;
        struct error list[ERRORS_MAX];
        size_t n; /* how many there were, also those that are not told */
};

/* Adds "KEY: MESSAGE", or the message alone if `key` is NULL. Answers 0, or -ENOMEM. */
int errors_add(struct errors *errors, struct mark mark, const char *key, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
int errors_addv(struct errors *errors, struct mark mark, const char *key, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));

/* Is something wrong at this place already? What follows from that need not be told. */
bool errors_at(const struct errors *errors, struct mark mark);

/* Appends a line for each, "FILE:LINE:COLUMN: TEXT". -ENOMEM. */
int errors_write(struct errors *errors, struct buffer *to);

void errors_deinit(struct errors *errors);
