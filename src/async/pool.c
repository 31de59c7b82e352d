/* A stack of the idle ones, and a semaphore of so many users: who has a permit has at most one open,
 * and opens one only when none is idle. So there are never more than `max`. */
#include <penstock/pool.h>

#include <errno.h>

#include <async/loop.h>
#include <penstock/sync.h>

struct pen_pool {
        struct pen_loop *loop;
        struct pen_pool_options options;
        struct pen_semaphore *permits;
        size_t n_open, n_idle;
        void *idle[]; /* the last is the one used last */
};

int pen_pool_create(const struct pen_pool_options *options, struct pen_pool **ret_pool)
{
        struct pen_pool *pool;
        int r;

        if (options->max == 0 || !options->open || !options->close)
                return -EINVAL;
        if (options->max > (SIZE_MAX - sizeof(*pool)) / sizeof(pool->idle[0]))
                return -ENOMEM;
        pool = malloc(sizeof(*pool) + options->max * sizeof(pool->idle[0]));
        if (!pool)
                return -ENOMEM;
        *pool = (struct pen_pool){ .loop = current_loop, .options = *options };
        r = pen_semaphore_create(options->max, options->max, &pool->permits);
        if (r < 0) {
                free(pool);
                return r;
        }
        *ret_pool = pool;
        return 0;
}

static void close_one(struct pen_pool *pool, void *item)
{
        pen_uncancellable_begin();
        pool->options.close(pool->options.data, item);
        pen_uncancellable_end();
        pool->n_open--;
}

void pen_pool_free(struct pen_pool *pool)
{
        if (!pool)
                return;
        while (pool->n_idle > 0)
                close_one(pool, pool->idle[--pool->n_idle]);
        pen_semaphore_free(pool->permits);
        free(pool);
}

void pen_pool_freep(struct pen_pool **pool)
{
        pen_pool_free(*pool);
}

static int open_one(struct pen_pool *pool, void **ret_item)
{
        int r = pool->options.open(pool->options.data, ret_item);

        if (r < 0)
                return r;
        pool->n_open++;
        return 0;
}

/* The last used one that may be used again, or a new one. */
static int find_one(struct pen_pool *pool, void **ret_item)
{
        const struct pen_pool_options *options = &pool->options;
        struct pen_task *task = pool->loop->current;
        struct mark before = task_mark(task);

        while (pool->n_idle > 0) {
                void *item = pool->idle[--pool->n_idle];
                int r;

                if (!options->usable || options->usable(options->data, item)) {
                        *ret_item = item;
                        return 0;
                }
                close_one(pool, item);
                task_redeliver(task, before); /* `usable` may have met one, and cannot tell */
                r = task_checkpoint(task);
                if (r < 0)
                        return r;
        }
        return open_one(pool, ret_item);
}

int pen_pool_acquire(struct pen_pool *pool, void **ret_item)
{
        void *item;
        int r = pen_semaphore_acquire(pool->permits);

        if (r < 0)
                return r;
        r = find_one(pool, &item);
        if (r < 0) {
                (void)pen_semaphore_release(pool->permits);
                return r;
        }
        *ret_item = item;
        return 0;
}

void pen_pool_release(struct pen_pool *pool, void *item)
{
        pool->idle[pool->n_idle++] = item;
        (void)pen_semaphore_release(pool->permits);
}

void pen_pool_discard(struct pen_pool *pool, void *item)
{
        close_one(pool, item);
        (void)pen_semaphore_release(pool->permits);
}

size_t pen_pool_open(const struct pen_pool *pool)
{
        return pool->n_open;
}

size_t pen_pool_idle(const struct pen_pool *pool)
{
        return pool->n_idle;
}
