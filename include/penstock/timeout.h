/* Deadlines for a stretch of code. The ideas are asyncio.timeout's.
 *
 *     struct pen_timeout scope;
 *     pen_timeout_begin(&scope, 5 * PEN_SEC);
 *     r = talk_to_server();
 *     r = pen_timeout_end(&scope, r);       // -ETIME: it was this scope that ran out
 *
 * When the time is over the task is cancelled once, so that calls inside answer -ECANCELED; `end`
 * turns that into -ETIME exactly if this scope expired and no other request is outstanding. Scopes
 * nest; an inner one never takes the outer's deadline for its own. A time of 0 expires when the
 * loop turns next, so that what need not wait still succeeds. -ETIMEDOUT stays TCP's own.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Lives in the frame of the code it bounds, from `begin` to `end`; its fields are private. */
struct pen_timeout {
        uint64_t opaque[8];
};

/* Begins a scope of the running task. PEN_FOREVER: one that does not expire by itself. C differs:
 * outside a task it does nothing, and neither does the end. */
void pen_timeout_begin(struct pen_timeout *scope, pen_usec usec);

/* The same with a moment of the loop's clock (pen_now), asyncio.timeout_at; one that has passed is
 * a time of 0. */
void pen_timeout_begin_at(struct pen_timeout *scope, pen_usec when);

/* Moves the deadline to `usec` from now. -ETIME: it has expired already.  -ENOMEM: there was none
 * before, and is none now. */
int pen_timeout_reschedule(struct pen_timeout *scope, pen_usec usec);
bool pen_timeout_expired(const struct pen_timeout *scope);

/* Ends the scope, always to be called, and answers `r`, or -ETIME in place of -ECANCELED. -ENOMEM in
 * place of it: there was none for the timer, and the scope expired at its begin. */
int pen_timeout_end(struct pen_timeout *scope, int r);

/* fn(arg), in the same task, within `usec`. The usual form. C differs from asyncio.wait_for: with 0
 * as well `fn` is called, and runs to the first wait that it cannot do without. */
PEN_ASYNC int pen_within(pen_usec usec, int (*fn)(void *arg), void *arg);

PEN_END_DECLS
