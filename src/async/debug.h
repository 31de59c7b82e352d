/* Debug mode: who held the loop for too long. A hold lasts from one choice of who runs next to the
 * following one, and is the task's that ran, or the loop's own (a callback's).
 */
#pragma once

#include <async/loop.h>

/* NULL: the loop is not in debug mode. */
struct watch *watch_create(struct pen_loop *loop);
void watch_free(struct watch *watch);

/* The current hold ends, and is told of if it was too long; the next one begins. */
void watch_next(struct pen_loop *loop);

/* As that, and the next one is nobody's: the loop waits. Answers for how long it shall, at most
 * `usec`, so that a deadlock is found. */
pen_usec watch_wait(struct pen_loop *loop, pen_usec usec);

/* The loop waits no longer. */
void watch_awake(struct pen_loop *loop);

/* For tests: nobody holds the loop (from any thread); the current hold was looked at. */
bool watch_is_waiting(const struct watch *watch);
bool watch_has_looked(const struct watch *watch);

/* A dump of all tasks to the log, under a headline. */
void loop_log_tasks(struct pen_loop *loop, enum pen_log_level level, const char *headline);

/* The first line of what libevent calls back, if that may take long. */
static inline void loop_awake(struct pen_loop *loop)
{
        if (UNLIKELY(loop->watch))
                watch_awake(loop);
}
