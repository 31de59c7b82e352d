#include <penstock/sync.h>

#include <errno.h>

#include <async/loop.h>

struct pen_condition {
        struct pen_loop *loop;
        struct pen_lock *lock;
        struct list line;
};

int pen_condition_create(struct pen_lock *lock, struct pen_condition **ret_condition)
{
        struct pen_condition *c;

        if (!current_loop)
                return -ENXIO;
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (struct pen_condition){ .loop = current_loop, .lock = lock };
        list_init(&c->line);
        *ret_condition = c;
        return 0;
}

void pen_condition_free(struct pen_condition *c)
{
        free(c);
}

void pen_condition_freep(struct pen_condition **c)
{
        pen_condition_free(*c);
}

static int lock_uninterrupted(struct pen_lock *lock)
{
        int r;

        pen_uncancellable_begin();
        r = pen_lock_acquire(lock);
        pen_uncancellable_end();
        return r;
}

int pen_condition_wait(struct pen_condition *c)
{
        struct pen_task *task = c->loop->current;
        bool notified;
        int r;

        if (!pen_lock_locked(c->lock))
                return -EPERM;
        if (!task->stack)
                return -EDEADLK;
        r = task_checkpoint(task);
        if (r < 0)
                return r;
        (void)pen_lock_release(c->lock);
        r = waiters_wait(&c->line, task, "a condition", &notified);
        (void)lock_uninterrupted(c->lock); /* cannot fail: this is a task */
        if (task_checkpoint(task) < 0)     /* cancelled meanwhile, for the first time or again */
                r = -ECANCELED;
        if (r < 0 && notified)
                waiters_wake_one(&c->line);
        return r;
}

int pen_condition_wait_for(struct pen_condition *c, bool (*predicate)(void *arg), void *arg)
{
        int r = task_checkpoint(c->loop->current);

        while (r == 0 && !predicate(arg))
                r = pen_condition_wait(c);
        return r;
}

int pen_condition_notify(struct pen_condition *c, size_t n)
{
        if (!pen_lock_locked(c->lock))
                return -EPERM;
        while (n > 0 && waiters_wake_one(&c->line))
                n--;
        return 0;
}

int pen_condition_notify_all(struct pen_condition *c)
{
        return pen_condition_notify(c, SIZE_MAX);
}
