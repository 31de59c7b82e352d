/* Lock, event, semaphore, condition, barrier between tasks of one loop, with asyncio's meaning. All
 * are fair: waiters are served in the order they came, and one that is cancelled at the moment it
 * was served passes that on.
 *
 * What is acquired can be given back by its scope, as by `async with`:
 *
 *     PEN_CLEANUP(pen_lock_releasep) struct pen_lock *held = NULL;
 *     r = pen_lock_acquire(lock);
 *     if (r < 0)
 *             return r;
 *     held = lock;
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* asyncio.Lock */
struct pen_lock;
int pen_lock_create(struct pen_lock **ret_lock); /* -ENXIO, -ENOMEM */
void pen_lock_free(struct pen_lock *lock);
void pen_lock_freep(struct pen_lock **lock);
PEN_ASYNC int pen_lock_acquire(struct pen_lock *lock);
int pen_lock_acquire_nowait(struct pen_lock *lock); /* -EAGAIN */
int pen_lock_release(struct pen_lock *lock);        /* -EPERM: it is not locked */
void pen_lock_releasep(struct pen_lock **lock);     /* of NULL: nothing */
bool pen_lock_locked(const struct pen_lock *lock);

/* asyncio.Event */
struct pen_event;
int pen_event_create(struct pen_event **ret_event); /* -ENXIO, -ENOMEM */
void pen_event_free(struct pen_event *event);
void pen_event_freep(struct pen_event **event);
void pen_event_set(struct pen_event *event); /* wakes all, also if it is cleared before they run */
void pen_event_clear(struct pen_event *event);
bool pen_event_is_set(const struct pen_event *event);
PEN_ASYNC int pen_event_wait(struct pen_event *event);

/* asyncio.Semaphore; with a bound, asyncio.BoundedSemaphore */
struct pen_semaphore;
/* `bound` 0: none.  -EINVAL: `value` is above it. */
int pen_semaphore_create(size_t value, size_t bound, struct pen_semaphore **ret_semaphore);
void pen_semaphore_free(struct pen_semaphore *semaphore);
void pen_semaphore_freep(struct pen_semaphore **semaphore);
PEN_ASYNC int pen_semaphore_acquire(struct pen_semaphore *semaphore);
int pen_semaphore_acquire_nowait(struct pen_semaphore *semaphore); /* -EAGAIN */
int pen_semaphore_release(struct pen_semaphore *semaphore);        /* -EOVERFLOW: above its bound */
void pen_semaphore_releasep(struct pen_semaphore **semaphore);     /* of NULL: nothing */
size_t pen_semaphore_value(const struct pen_semaphore *semaphore);

/* asyncio.Condition. Its lock is the caller's, and outlives it. */
struct pen_condition;
int pen_condition_create(struct pen_lock *lock,
                         struct pen_condition **ret_condition); /* -ENXIO, -ENOMEM */
void pen_condition_free(struct pen_condition *condition);
void pen_condition_freep(struct pen_condition **condition);

/* Gives the lock back, waits to be notified, and has the lock again on return, whatever that is: a
 * task that is cancelled waits for the lock, uninterruptibly, and answers -ECANCELED then; one that
 * was notified as well passes that on (C differs: one that was not wakes nobody).  -EPERM: it is not
 * locked. */
PEN_ASYNC int pen_condition_wait(struct pen_condition *condition);

/* Waits until predicate(arg), which is called with the lock held and must not suspend. It is asked
 * first and after each notification. */
PEN_ASYNC int pen_condition_wait_for(struct pen_condition *condition, bool (*predicate)(void *arg),
                                     void *arg);

/* Wakes the first `n` that wait; they go on when they get the lock. It is not kept for those who come
 * later.  -EPERM: it is not locked. */
int pen_condition_notify(struct pen_condition *condition, size_t n);
int pen_condition_notify_all(struct pen_condition *condition);

/* asyncio.Barrier */
struct pen_barrier;
/* -EINVAL: 0, or above INT_MAX.  -ENXIO, -ENOMEM. */
int pen_barrier_create(size_t parties, struct pen_barrier **ret_barrier);
void pen_barrier_free(struct pen_barrier *barrier);
void pen_barrier_freep(struct pen_barrier **barrier);

/* Waits until `parties` tasks wait, then lets all go on, and is at once ready for the next round (C
 * differs: nobody waits until they are gone). Answers which one this is, 0 to parties - 1, each once a
 * round; the one that came last need not wait, and is the last.
 * -EPIPE: the barrier is broken, or was reset meanwhile.
 * -ECANCELED: this one waits no more, the others do.
 * C differs: a round ends for all of its parties at the same moment, be it whole or broken. One that
 * is cancelled then, before it runs, gets that answer, and the cancellation by its next call; a reset
 * or an abort then concerns the next round.
 */
PEN_ASYNC int pen_barrier_wait(struct pen_barrier *barrier);

/* Who waits gets -EPIPE, and the barrier is whole again. */
void pen_barrier_reset(struct pen_barrier *barrier);

/* Who waits, and will wait, gets -EPIPE, until a reset. */
void pen_barrier_abort(struct pen_barrier *barrier);
size_t pen_barrier_parties(const struct pen_barrier *barrier);
size_t pen_barrier_waiting(const struct pen_barrier *barrier);
bool pen_barrier_broken(const struct pen_barrier *barrier);

PEN_END_DECLS
