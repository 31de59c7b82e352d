/* The producer of `penstock run`: reads lines from a file or a pipe and pushes a job for each. It
 * reads no faster than the store takes. */
#pragma once

#include <base/buffer.h>
#include <flow/intake.h>

struct run_results;

struct run_input {
        int fd;
        const char *name; /* for messages */
        bool lines;       /* a job a line of text, not JSON */
        struct intake *intake;
        struct run_results *results; /* hears of lines that cannot be jobs */

        uint64_t size; /* of a regular file; 0: not known */
        uint64_t consumed;
        struct buffer buffer, scratch;
        uint64_t line; /* the number of the last one that was taken */
        uint64_t pushed;
        uint64_t repeated; /* ids that were there already: not run again */
        bool ended;        /* the whole input was read */
        bool skipping;     /* within a line that is too long */
};

/* -errno: the file cannot be opened. */
int run_input_open(struct run_input *in, const char *file);
void run_input_close(struct run_input *in);

/* Reads and pushes to the end. -ECANCELED; -errno: the file cannot be read. */
PEN_ASYNC int run_input_run(struct run_input *in);

/* How many lines the file has, as far as can be told from what was read of it; 0: it cannot. */
uint64_t run_input_estimate_lines(const struct run_input *in);
