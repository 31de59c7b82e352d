/* What became of pushes: counts, lines of JSON, the exit code. */
#pragma once

#include <base/buffer.h>
#include <store/store.h>

struct push_counts {
        uint64_t stored, exists; /* both are acknowledged */
        uint64_t conflicts, full;
        uint64_t invalid; /* no jobs: found by us or by the daemon */
        uint64_t unknown; /* on their way when the store went away */
};

/* The name of a result, as in the daemon's answers; "unknown" for PUSH_PENDING. */
const char *push_result_name(enum push_result result);

/* Why the result is no good; NULL: it is. */
const char *push_result_trouble(enum push_result result);

/* `refusal`: why the job was not taken for itself, or NULL. */
void push_count(struct push_counts *counts, enum push_result result, const char *refusal);

/* {"line":…,"id":…,"status":…} or, with an error, {"line":…,"error":…}; `line` 0 is left out. -ENOMEM. */
int push_write_json(struct buffer *to, uint64_t line, const char *id, enum push_result result,
                    const char *error);

/* Of a push that came to its end. */
int push_exit_code(const struct push_counts *counts);
