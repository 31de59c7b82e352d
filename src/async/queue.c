/* A ring, two lines of waiting tasks, and a count of what is not yet dealt with.
 *
 * A waiting getter is woken, not handed the item: that stays in the ring until the getter runs, so
 * that a cancelled one loses nothing; it passes the wake-up on instead. The queue keeps its loop:
 * the fast paths touch no thread-local variable.
 */
#include <penstock/queue.h>

#include <errno.h>

#include <async/loop.h>

#define UNBOUNDED_START 64

struct pen_queue {
        struct pen_loop *loop;
        void **ring;
        size_t mask;  /* of the ring, whose size is a power of two */
        size_t first; /* these run freely; & mask is the place */
        size_t end;
        size_t maxsize; /* 0: none */
        size_t unfinished;
        bool shut;
        struct list getters, putters, joiners;
        void (*free_item)(void *item);
};

int pen_queue_create(size_t maxsize, void (*free_item)(void *item), struct pen_queue **ret_queue)
{
        struct pen_queue *q;
        size_t size = 1;

        if (!current_loop)
                return -ENXIO;
        if (maxsize > SIZE_MAX / 4 / sizeof(void *))
                return -ENOMEM;
        while (size < (maxsize > 0 ? maxsize : UNBOUNDED_START))
                size *= 2;
        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (struct pen_queue){
                .loop = current_loop,
                .ring = malloc(size * sizeof(*q->ring)),
                .mask = size - 1,
                .maxsize = maxsize,
                .free_item = free_item,
        };
        if (!q->ring) {
                free(q);
                return -ENOMEM;
        }
        list_init(&q->getters);
        list_init(&q->putters);
        list_init(&q->joiners);
        *ret_queue = q;
        return 0;
}

static inline size_t size_of(const struct pen_queue *q)
{
        return q->end - q->first;
}

static inline bool is_full(const struct pen_queue *q)
{
        return q->maxsize > 0 && size_of(q) >= q->maxsize;
}

static inline void wake_one(struct list *line)
{
        if (UNLIKELY(!list_empty(line)))
                waiters_wake_one(line);
}

static void drop_items(struct pen_queue *q)
{
        while (size_of(q) > 0) {
                void *item = q->ring[q->first++ & q->mask];

                if (q->free_item)
                        q->free_item(item);
                if (q->unfinished > 0)
                        q->unfinished--;
        }
        if (q->unfinished == 0)
                waiters_wake_all(&q->joiners);
}

void pen_queue_free(struct pen_queue *q)
{
        if (!q)
                return;
        drop_items(q);
        free(q->ring);
        free(q);
}

void pen_queue_freep(struct pen_queue **q)
{
        pen_queue_free(*q);
}

/* --- put ---------------------------------------------------------------------------------------- */

static int grow(struct pen_queue *q)
{
        size_t size = q->mask + 1, n = size_of(q);
        void **ring;

        if (size > SIZE_MAX / 4 / sizeof(*ring))
                return -ENOMEM;
        ring = malloc(2 * size * sizeof(*ring));
        if (!ring)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                ring[i] = q->ring[(q->first + i) & q->mask];
        free(q->ring);
        q->ring = ring;
        q->mask = 2 * size - 1;
        q->first = 0;
        q->end = n;
        return 0;
}

static inline int append(struct pen_queue *q, void *item)
{
        if (UNLIKELY(size_of(q) > q->mask)) {
                int r = grow(q);

                if (r < 0)
                        return r;
        }
        q->ring[q->end++ & q->mask] = item;
        q->unfinished++;
        wake_one(&q->getters);
        return 0;
}

int pen_queue_put_nowait(struct pen_queue *q, void *item)
{
        if (UNLIKELY(q->shut))
                return -EPIPE;
        if (UNLIKELY(is_full(q)))
                return -EAGAIN;
        return append(q, item);
}

static inline __attribute__((always_inline)) int wait_for_room(struct pen_queue *q)
{
        while (is_full(q) && !q->shut) {
                bool woken;
                int r = waiters_wait(&q->putters, q->loop->current, "room in a queue", &woken);

                if (r < 0) {
                        if (woken && !is_full(q))
                                wake_one(&q->putters);
                        return r;
                }
        }
        return 0;
}

int pen_queue_put(struct pen_queue *q, void *item)
{
        int r = task_checkpoint(q->loop->current);

        if (UNLIKELY(r < 0))
                return r;
        if (UNLIKELY(is_full(q))) {
                r = wait_for_room(q);
                if (r < 0)
                        return r;
        }
        if (UNLIKELY(q->shut))
                return -EPIPE;
        return append(q, item);
}

/* --- get ---------------------------------------------------------------------------------------- */

static inline void *take(struct pen_queue *q)
{
        void *item = q->ring[q->first++ & q->mask];

        wake_one(&q->putters);
        return item;
}

int pen_queue_get_nowait(struct pen_queue *q, void **ret_item)
{
        if (size_of(q) == 0)
                return q->shut ? -EPIPE : -EAGAIN;
        *ret_item = take(q);
        return 0;
}

static inline __attribute__((always_inline)) int wait_for_item(struct pen_queue *q)
{
        while (size_of(q) == 0) {
                bool woken;
                int r;

                if (q->shut)
                        return -EPIPE;
                r = waiters_wait(&q->getters, q->loop->current, "an item of a queue", &woken);
                if (r < 0) {
                        if (woken && size_of(q) > 0)
                                wake_one(&q->getters);
                        return r;
                }
        }
        return 0;
}

int pen_queue_get(struct pen_queue *q, void **ret_item)
{
        int r = task_checkpoint(q->loop->current);

        if (UNLIKELY(r < 0))
                return r;
        if (UNLIKELY(size_of(q) == 0)) {
                r = wait_for_item(q);
                if (r < 0)
                        return r;
        }
        *ret_item = take(q);
        return 0;
}

ssize_t pen_queue_get_many(struct pen_queue *q, void **items, size_t max)
{
        size_t n;
        int r = task_checkpoint(q->loop->current);

        if (UNLIKELY(r < 0))
                return r;
        if (UNLIKELY(max == 0))
                return -EINVAL;
        r = wait_for_item(q);
        if (r < 0)
                return r;
        n = MIN(max, size_of(q));
        for (size_t i = 0; i < n; i++)
                items[i] = q->ring[q->first++ & q->mask];
        for (size_t i = 0; i < n && waiters_wake_one(&q->putters); i++)
                ;
        return (ssize_t)n;
}

/* --- the rest ----------------------------------------------------------------------------------- */

int pen_queue_task_done(struct pen_queue *q)
{
        if (UNLIKELY(q->unfinished == 0))
                return -EINVAL;
        if (--q->unfinished == 0)
                waiters_wake_all(&q->joiners);
        return 0;
}

int pen_queue_join(struct pen_queue *q)
{
        int r = task_checkpoint(q->loop->current);

        if (r == 0 && q->unfinished > 0)
                r = waiters_wait(&q->joiners, q->loop->current, "the end of a queue's work", NULL);
        return r;
}

size_t pen_queue_size(const struct pen_queue *q)
{
        return size_of(q);
}

bool pen_queue_empty(const struct pen_queue *q)
{
        return size_of(q) == 0;
}

bool pen_queue_full(const struct pen_queue *q)
{
        return is_full(q);
}

void pen_queue_shutdown(struct pen_queue *q, bool immediate)
{
        q->shut = true;
        if (immediate)
                drop_items(q);
        waiters_wake_all(&q->getters);
        waiters_wake_all(&q->putters);
}
