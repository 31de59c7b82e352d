/* Lock, event, semaphore between tasks of one loop, with asyncio's meaning. All are fair: waiters
 * are served in the order they came, and one that is cancelled at the moment it was served passes
 * that on. To free one that somebody waits for is an error of the program.
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
size_t pen_semaphore_value(const struct pen_semaphore *semaphore);

PEN_END_DECLS
