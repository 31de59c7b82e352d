/* The producer of `penstock run`: reads lines from a file or a pipe and pushes a job for each. It
 * reads no faster than the store takes. */
#pragma once

#include <cli/lines.h>
#include <flow/intake.h>

struct run_results;

struct run_input {
        struct lines lines;
        bool text; /* a job a line of text, not JSON */
        struct intake *intake;
        struct run_results *results; /* hears of lines that cannot be jobs */

        struct buffer scratch;
        uint64_t line; /* the number of the last one that was taken */
        uint64_t pushed;
        uint64_t repeated; /* ids that were there already: not run again */
};

void run_input_close(struct run_input *in);

/* Reads and pushes to the end. -ECANCELED; -errno: the file cannot be read. */
PEN_ASYNC int run_input_run(struct run_input *in);
