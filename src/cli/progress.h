/* The state of a long work on standard error: a bar on a terminal, a line now and then elsewhere. */
#pragma once

#include <penstock/common.h>

struct progress_numbers {
        uint64_t ended, total; /* total 0: not known */
        uint64_t failed;
        ssize_t running; /* less than 0: nothing runs here */
        bool draining;
};

struct progress {
        const char *verb; /* who speaks */
        bool terminal;
        bool drawn; /* the bar stands on the present line */
        pen_usec began, told;
        uint64_t last_ended; /* and when: for the rate */
        pen_usec last;
        double rate;
};

void progress_init(struct progress *p, const char *verb);

/* Draws the bar anew, or tells a line if it is time for one. To be called every 100 ms or so. */
void progress_update(struct progress *p, const struct progress_numbers *numbers);

/* Removes the bar. */
void progress_end(struct progress *p);

/* A line of text above the bar; what is not printable in it is escaped. */
void progress_say(struct progress *p, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
