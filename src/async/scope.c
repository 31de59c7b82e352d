#include <penstock/scope.h>

#include <errno.h>

#include <base/util.h>
#include <penstock/task.h>

struct deferral {
        struct deferral *before;
        void (*fn)(void *arg);
        void *arg;
};

/* The last one; the caller frees it. NULL: there is none. */
static struct deferral *pop(struct pen_scope *scope)
{
        struct deferral *last = scope->opaque;

        if (last)
                scope->opaque = last->before;
        return last;
}

static void call(void (*fn)(void *arg), void *arg)
{
        pen_uncancellable_begin();
        fn(arg);
        pen_uncancellable_end();
}

int pen_scope_defer(struct pen_scope *scope, void (*fn)(void *arg), void *arg)
{
        struct deferral *last = malloc(sizeof(*last));

        if (!last) {
                call(fn, arg);
                return -ENOMEM;
        }
        *last = (struct deferral){ .before = scope->opaque, .fn = fn, .arg = arg };
        scope->opaque = last;
        return 0;
}

void pen_scope_release(struct pen_scope *scope)
{
        struct deferral *last;

        while ((last = pop(scope)))
                free(last);
}

void pen_scope_deinit(struct pen_scope *scope)
{
        struct deferral *last;

        while ((last = pop(scope))) {
                struct deferral due = *last;

                free(last);
                call(due.fn, due.arg);
        }
}
