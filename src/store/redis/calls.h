/* The line of commands that a server owes an answer. It answers in their order, so the first in line gets the
 * next answer, whether its task still waits or not: one whose task was cancelled stays in line as an orphan, or all
 * behind it would get the answer of another.
 */
#pragma once

#include <base/list.h>
#include <penstock/common.h>
#include <store/redis/reply.h>

struct call_line {
        struct list waiting;
        struct list spare; /* for the next: what is in steady use is not allocated */
        size_t n_spare;
};

struct redis_call {
        struct call_line *line;
        struct list link;       /* in the line, or among the spare ones */
        struct pen_event *done; /* is set when it has its result */
        pen_usec patience;
        bool orphan;
        int result;
        struct answer *answer;
};

void call_line_init(struct call_line *line);
void call_line_deinit(struct call_line *line); /* nobody is in it */

/* One that is not yet in line: call_join, or call_leave. NULL: no memory. */
struct redis_call *call_create(struct call_line *line, pen_usec patience);
void call_join(struct redis_call *call);

/* The first in line, or NULL. */
struct redis_call *call_line_first(const struct call_line *line);

/* Takes the answer (NULL: there is none) for the first in line. */
void call_line_answer(struct call_line *line, int result, struct answer *answer);

/* As redis_receive. */
PEN_ASYNC int call_wait(struct redis_call *call, struct answer **ret_answer);

/* Whoever made it is no longer interested. */
void call_leave(struct redis_call *call);
