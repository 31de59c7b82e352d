/* Handlers run jobs. A handler turns every failure of a job into an outcome; it answers less than 0
 * only if it was cancelled itself, and has then stopped what it had started.
 */
#pragma once

#include <job/job.h>

/* One attempt at a job, as a handler sees it. Valid while it runs. */
struct attempt {
        const struct job *job;
        const char *queue;
        unsigned number; /* 1 for the first */
        unsigned max_attempts;
        uint64_t deadline; /* epoch ms; 0: none */
};

/* What came of it. Start from REPORT_INIT; report_deinit frees what it holds. */
struct report {
        enum outcome outcome;
        pen_usec retry_after; /* the handler's own wish; PEN_FOREVER: none */
        char *result;         /* malloc'ed, NULL: none */
        size_t result_size;
        bool result_cut; /* it was longer than is kept */
        char *error;     /* one line or several, for people; malloc'ed, NULL: none */
};

#define REPORT_INIT                                                   \
        {                                                             \
                .outcome = OUTCOME_FAILED, .retry_after = PEN_FOREVER \
        }

void report_deinit(struct report *report);

/* Sets outcome and error together; the error may be cut for want of memory, the outcome never is. */
void report_fail(struct report *report, enum outcome outcome, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

struct handler;

struct handler_class {
        const char *name; /* "exec" */
        PEN_ASYNC int (*run)(struct handler *handler, const struct attempt *attempt,
                             struct report *report);
        void (*free)(struct handler *handler);
};

/* The head of every kind's own structure. */
struct handler {
        const struct handler_class *class;
};

PEN_ASYNC static inline int handler_run(struct handler *h, const struct attempt *attempt,
                                        struct report *report)
{
        return h->class->run(h, attempt, report);
}

void handler_free(struct handler *handler);
void handler_freep(struct handler **handler);
