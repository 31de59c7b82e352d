/* A table for people: columns as wide as they must be, as narrow as the terminal wants. */
#pragma once

#include <stdio.h>

#include <base/buffer.h>

#define TABLE_COLUMNS_MAX 12

struct table_column {
        const char *title;
        bool right;   /* aligned: a number */
        bool shrinks; /* is cut, where the terminal has no room for all */
};

enum table_mark { /* in colour, where there is colour */
        TABLE_PLAIN,
        TABLE_BAD,
        TABLE_DIM,
};

struct table {
        const struct table_column *columns;
        size_t n_columns;
        struct table_cell *cells; /* row by row */
        size_t n_cells;
};

void table_init(struct table *table, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *table);

/* Adds the next cell, row by row; what a terminal would obey is escaped. -ENOMEM. */
int table_add(struct table *table, enum table_mark mark, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* `columns` of the terminal; 0: it is none, and nothing is cut. -ENOMEM. */
int table_write(const struct table *table, struct buffer *to, unsigned columns, bool colour);

/* To standard output. -ENOMEM, -errno of writing. */
int table_print(const struct table *table);
