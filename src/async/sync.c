/* Lock, event, semaphore. A release serves the first in line at once: the lock never looks free to
 * somebody who comes later. */
#include <penstock/sync.h>

#include <errno.h>

#include <async/loop.h>

/* --- semaphore, and the lock that is one of value 1 ---------------------------------------------- */

struct pen_semaphore {
        struct pen_loop *loop;
        size_t value, bound; /* bound 0: none */
        struct list line;
};

int pen_semaphore_create(size_t value, size_t bound, struct pen_semaphore **ret_semaphore)
{
        struct pen_semaphore *s;

        if (!current_loop)
                return -ENXIO;
        if (bound > 0 && value > bound)
                return -EINVAL;
        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (struct pen_semaphore){ .loop = current_loop, .value = value, .bound = bound };
        list_init(&s->line);
        *ret_semaphore = s;
        return 0;
}

void pen_semaphore_free(struct pen_semaphore *s)
{
        free(s);
}

void pen_semaphore_freep(struct pen_semaphore **s)
{
        pen_semaphore_free(*s);
}

int pen_semaphore_acquire_nowait(struct pen_semaphore *s)
{
        if (s->value == 0)
                return -EAGAIN;
        s->value--;
        return 0;
}

static int acquire(struct pen_semaphore *s, const char *what)
{
        struct pen_task *task = s->loop->current;
        bool served;
        int r;

        r = task_checkpoint(task);
        if (r < 0 || pen_semaphore_acquire_nowait(s) == 0)
                return r;
        r = waiters_wait(&s->line, task, what, &served);
        if (r < 0 && served)
                (void)pen_semaphore_release(s); /* cannot be above the bound: it was ours */
        return r;
}

int pen_semaphore_acquire(struct pen_semaphore *s)
{
        return acquire(s, "a semaphore");
}

int pen_semaphore_release(struct pen_semaphore *s)
{
        if (s->bound > 0 && s->value >= s->bound)
                return -EOVERFLOW;
        if (!waiters_wake_one(&s->line))
                s->value++;
        return 0;
}

void pen_semaphore_releasep(struct pen_semaphore **s)
{
        if (*s)
                (void)pen_semaphore_release(*s);
}

size_t pen_semaphore_value(const struct pen_semaphore *s)
{
        return s->value;
}

struct pen_lock {
        struct pen_semaphore free;
};

int pen_lock_create(struct pen_lock **ret_lock)
{
        struct pen_semaphore *s;
        int r = pen_semaphore_create(1, 1, &s);

        if (r < 0)
                return r;
        *ret_lock = container_of(s, struct pen_lock, free);
        return 0;
}

void pen_lock_free(struct pen_lock *lock)
{
        free(lock);
}

void pen_lock_freep(struct pen_lock **lock)
{
        pen_lock_free(*lock);
}

int pen_lock_acquire(struct pen_lock *lock)
{
        return acquire(&lock->free, "a lock");
}

int pen_lock_acquire_nowait(struct pen_lock *lock)
{
        return pen_semaphore_acquire_nowait(&lock->free);
}

int pen_lock_release(struct pen_lock *lock)
{
        return pen_semaphore_release(&lock->free) < 0 ? -EPERM : 0;
}

void pen_lock_releasep(struct pen_lock **lock)
{
        if (*lock)
                (void)pen_lock_release(*lock);
}

bool pen_lock_locked(const struct pen_lock *lock)
{
        return lock->free.value == 0;
}

/* --- event -------------------------------------------------------------------------------------- */

struct pen_event {
        struct pen_loop *loop;
        bool is_set;
        struct list line;
};

int pen_event_create(struct pen_event **ret_event)
{
        struct pen_event *event;

        if (!current_loop)
                return -ENXIO;
        event = malloc(sizeof(*event));
        if (!event)
                return -ENOMEM;
        *event = (struct pen_event){ .loop = current_loop };
        list_init(&event->line);
        *ret_event = event;
        return 0;
}

void pen_event_free(struct pen_event *event)
{
        free(event);
}

void pen_event_freep(struct pen_event **event)
{
        pen_event_free(*event);
}

void pen_event_set(struct pen_event *event)
{
        event->is_set = true;
        waiters_wake_all(&event->line);
}

void pen_event_clear(struct pen_event *event)
{
        event->is_set = false;
}

bool pen_event_is_set(const struct pen_event *event)
{
        return event->is_set;
}

int pen_event_wait(struct pen_event *event)
{
        struct pen_task *task = event->loop->current;
        int r = task_checkpoint(task);

        if (r < 0 || event->is_set)
                return r;
        return waiters_wait(&event->line, task, "an event", NULL);
}
