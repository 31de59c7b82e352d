/* An event as a line of text. */
#pragma once

#include <base/log.h>

struct log_style {
        bool json;
        bool colour;   /* of the level, for a terminal */
        bool priority; /* in front, for the journal */
};

struct log_line {
        uint64_t wall_ms;
        enum log_level level;
        const char *event;
        const struct log_field *fields;
        size_t n_fields;
};

/* Writes the line and its end to `to`, which has room for LOG_LINE_MAX, and answers its size. */
size_t log_format(char *to, const struct log_line *line, struct log_style style);
