/* Task groups: children that never outlive the code that spawned them. asyncio.TaskGroup's ideas.
 *
 * The first child that fails cancels its siblings, and the task that made the group too, if that
 * is not yet in `join`: its PEN_ASYNC calls answer -ECANCELED, and `join` then tells the child's
 * error. A child that was cancelled (-ECANCELED) is no failure. The group cancels its children once,
 * however many reasons there are: their cleanup is not interrupted by the next.
 *
 * C differs: `join` tells one error, the first, and no ExceptionGroup. It does not know how the body
 * went: after a body that failed, or met a cancellation, say pen_group_cancel and then `join` (which tells
 * a child's error, if that was the reason), or leave by `free`. Without it `join` waits for the children
 * as long as they take.
 */
#pragma once

#include <penstock/common.h>
#include <penstock/task.h>

PEN_BEGIN_DECLS

struct pen_group;

/* For the running task.  -ENXIO: not called from a task.  -ENOMEM. */
int pen_group_create(struct pen_group **ret_group);

/* Adds a child. `name` as in pen_spawn_with, `ret_task` (may be NULL) as in pen_spawn: for its result
 * after the join, or to cancel it alone.  -ENOMEM.  -ESHUTDOWN: a child has failed, the group was
 * cancelled, or has been joined.
 */
int pen_group_spawn(struct pen_group *group, const char *name, int (*fn)(void *arg), void *arg,
                    struct pen_task **ret_task);

/* Cancels all children, if that has not been done. No failure of the group by itself. */
void pen_group_cancel(struct pen_group *group);

/* How many children have not ended. */
size_t pen_group_size(const struct pen_group *group);

/* Waits until all children have ended, those added meanwhile included. 0, or the first child's
 * error.  -EPERM: the group is another task's.
 * Cancelled: cancels the children, waits for them, answers -ECANCELED; or a child's error, and the
 * request stays pending. So does one that the task has met since the group was made and that is not
 * the group's own, as an outer group's or a deadline's: whoever goes on after the error meets it.
 */
PEN_ASYNC int pen_group_join(struct pen_group *group);

/* Cancels what still runs and waits for it, uninterruptibly. By the task that made the group. */
void pen_group_free(struct pen_group *group);
void pen_group_freep(struct pen_group **group);

PEN_END_DECLS
