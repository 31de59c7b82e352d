/* Variables of a task: Python's contextvars. A task starts with those of the one that spawned it, as
 * they were then; what either sets afterwards the other does not see. Generators have those of the
 * task that runs them. C differs: pen_to_thread's function has none, and nothing is reset by token.
 *
 *     static const struct pen_task_local request_id = { .free_value = free };
 *
 *     r = pen_task_local_set(&request_id, strdup("7"));
 *     puts(pen_task_local_get(&request_id));
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* A variable is known by its address: it is static, and never copied. */
struct pen_task_local {
        void (*free_value)(void *value); /* may be NULL; must not suspend */
};

/* Takes `value`, which tasks may come to share: it is freed when the last of those that see it has
 * ended or set another one. NULL is a value too, free_value gets it.  -ENXIO: not called from a task.
 * -ENOMEM. What is spawned on the loop's own stack (by a callback, or inside pen_on_thread_stack) starts
 * with none. */
int pen_task_local_set(const struct pen_task_local *variable, void *value);

/* NULL: it was never set, or this is no task. The value stays valid until this task sets another. */
void *pen_task_local_get(const struct pen_task_local *variable);

PEN_END_DECLS
