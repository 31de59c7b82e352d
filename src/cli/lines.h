/* Lines of a file or a pipe, as they come. */
#pragma once

#include <base/buffer.h>
#include <job/job.h>

struct lines {
        int fd;
        const char *name; /* for messages */
        uint64_t size;    /* of a regular file; 0: not known */
        uint64_t number;  /* of the last line that was given */
        uint64_t consumed;
        bool ended; /* all were given */

        struct buffer buffer;
        size_t given;  /* of the buffer: what the last call gave */
        bool skipping; /* within a line that is too long */
        bool at_end;   /* of the file */
};

/* `file` "-": standard input. -errno: it cannot be opened. */
int lines_open(struct lines *lines, const char *file);
void lines_close(struct lines *lines);

/* 1: *ret_line is the next line that is not blank, without its end (a carriage return stays), valid until
 * the next call; 0: there are no more.  -EMSGSIZE: it is longer than 8 MiB and passed by; goes on.
 * -errno: the file cannot be read.  -ECANCELED, -ENOMEM. */
PEN_ASYNC int lines_next(struct lines *lines, struct bytes *ret_line);

/* Whether the next call gives a line, or what a file has, without waiting for its writer. */
bool lines_ready(const struct lines *lines);

/* How many there are, as far as can be told from what was read; 0: it cannot. */
uint64_t lines_estimate(const struct lines *lines);
