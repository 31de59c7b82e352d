/* Generators: a body that yields items, and whoever asks for the next. asyncio's async generators
 * (PEP 525): lazy, `async for`, aclose.
 *
 *     static int pages(struct pen_gen *gen, void *arg)
 *     {
 *             for (int i = 1; r == 0 && (r = fetch(i, &page)) > 0;)
 *                     r = pen_gen_yield(gen, &page);
 *             return r;
 *     }
 *
 *     while ((r = pen_gen_next(gen, &page)) > 0)
 *             use(page);
 *
 * The body has a stack of its own but is no task: it runs as the task that calls `next`, with that
 * one's cancellation, deadlines and locals, and only while `next` or `free` is being called. So a
 * timeout, a group or an uncancellable stretch must not be open at a yield: it would be the caller's
 * affair from there on, and end in another task perhaps (PEP 789).
 *
 * C differs: nothing is sent or thrown into a body; and a yield in its cleanup is no error.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_gen;

/* Nothing runs yet: the body, fn(gen, arg), begins with the first `next`. If that never comes it never
 * runs, and `arg` is still the caller's.  -ENXIO, -ENOMEM. */
int pen_gen_create(int (*fn)(struct pen_gen *gen, void *arg), void *arg, struct pen_gen **ret_gen);

/* Runs the body to its next yield. 1: *ret_item is what it yielded.  0: it has ended, with 0 or
 * more, now or before.  < 0: the body's error, once; after that 0.
 * Cancelled while the body waits: delivered there, to the body. Cancelled before: -ECANCELED, and the
 * generator stays as it is. But the first `next` begins the body even then, as a cancelled task begins,
 * so that the body has `arg` whatever `next` answers, but for these:
 * -EBUSY: another task is in its `next`, or the body calls it for itself.  -EDEADLK: not in a task. */
PEN_ASYNC int pen_gen_next(struct pen_gen *gen, void **ret_item);

/* By the body alone: hands an item over, which stays as it is until the next `next`, and goes on with
 * that. -ECANCELED: the generator is being freed; so does every later yield answer, without handing
 * anything over, and the body should clean up (it may wait for that) and end. A cancellation of the task
 * is not met here, but by the caller with the item in hand.  -EPERM: not the body. */
PEN_ASYNC int pen_gen_yield(struct pen_gen *gen, void *item);

/* Ends a body that has begun: its yield answers -ECANCELED, and this waits, uninterruptibly, until it
 * has returned, even if it runs in the `next` of another task. What it returns is dropped. Not from the body.
 * Outside of a task, where nobody can wait, a new task does this, soon.
 * Bodies that are half-way when the loop's last task has ended are ended then; it remains to free them. */
void pen_gen_free(struct pen_gen *gen);
void pen_gen_freep(struct pen_gen **gen);

PEN_END_DECLS
