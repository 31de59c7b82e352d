/* A task's variables are an array that tasks share until one of them sets something: so a spawn costs
 * a pointer and a count, and setting costs a copy only between a spawn and the first change. */
#include <penstock/local.h>

#include <errno.h>

#include <async/loop.h>

/* A value, counted by the arrays that it is in. */
struct binding {
        unsigned refs;
        const struct pen_task_local *variable;
        void *value;
};

struct locals {
        unsigned refs; /* tasks */
        size_t n;
        struct binding *bindings[]; /* one for each variable */
};

static void binding_unref(struct binding *binding)
{
        if (--binding->refs > 0)
                return;
        if (binding->variable->free_value)
                binding->variable->free_value(binding->value);
        free(binding);
}

struct locals *locals_ref(struct locals *locals)
{
        if (locals)
                locals->refs++;
        return locals;
}

void locals_unref(struct locals *locals)
{
        if (!locals || --locals->refs > 0)
                return;
        for (size_t i = 0; i < locals->n; i++)
                binding_unref(locals->bindings[i]);
        free(locals);
}

/* Where the variable is in the array; its end if it is not. */
static size_t find(const struct locals *locals, const struct pen_task_local *variable)
{
        size_t n = locals ? locals->n : 0, i = 0;

        while (i < n && locals->bindings[i]->variable != variable)
                i++;
        return i;
}

/* The same bindings in an array of the task's own, with room for one more. */
static int make_own(struct pen_task *task)
{
        const struct locals *shared = task->locals;
        size_t n = shared ? shared->n : 0;
        struct locals *own = malloc(sizeof(*own) + (n + 1) * sizeof(own->bindings[0]));

        if (!own)
                return -ENOMEM;
        *own = (struct locals){ .refs = 1, .n = n };
        for (size_t i = 0; i < n; i++) {
                own->bindings[i] = shared->bindings[i];
                own->bindings[i]->refs++;
        }
        locals_unref(task->locals);
        task->locals = own;
        return 0;
}

int pen_task_local_set(const struct pen_task_local *variable, void *value)
{
        struct pen_task *task = pen_task_current();
        struct binding *binding;
        struct locals *locals;
        size_t i;

        if (!task)
                return -ENXIO;
        binding = malloc(sizeof(*binding));
        if (!binding)
                return -ENOMEM;
        *binding = (struct binding){ .refs = 1, .variable = variable, .value = value };
        locals = task->locals;
        i = find(locals, variable);
        if (!locals || locals->refs > 1 || i == locals->n) {
                if (make_own(task) < 0) {
                        free(binding);
                        return -ENOMEM;
                }
                locals = task->locals;
        }
        if (i == locals->n) {
                locals->bindings[locals->n++] = binding;
        } else {
                struct binding *old = locals->bindings[i];

                locals->bindings[i] = binding;
                binding_unref(old);
        }
        return 0;
}

void *pen_task_local_get(const struct pen_task_local *variable)
{
        struct pen_task *task = pen_task_current();
        size_t i;

        if (!task || !task->locals)
                return NULL;
        i = find(task->locals, variable);
        return i < task->locals->n ? task->locals->bindings[i]->value : NULL;
}
