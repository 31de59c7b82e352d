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
        size_t maxsize; /* SIZE_MAX: none */
        size_t limit;   /* from this size on a put must do more than append: maxsize, or the ring's
                         * size, and once it is shut 0 */
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
        if (maxsize == 0)
                maxsize = SIZE_MAX;
        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (struct pen_queue){
                .loop = current_loop,
                .ring = malloc(size * sizeof(*q->ring)),
                .mask = size - 1,
                .maxsize = maxsize,
                .limit = MIN(maxsize, size),
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
        return size_of(q) >= q->maxsize;
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
        q->limit = 2 * size;
        q->first = 0;
        q->end = n;
        return 0;
}

static inline void append(struct pen_queue *q, void *item)
{
        q->ring[q->end++ & q->mask] = item;
        q->unfinished++;
        waiters_wake_one(&q->getters);
}

static inline void *take(struct pen_queue *q)
{
        void *item = q->ring[q->first++ & q->mask];

        waiters_wake_one(&q->putters);
        return item;
}

int pen_queue_put_nowait(struct pen_queue *q, void *item)
{
        if (UNLIKELY(size_of(q) >= q->limit)) {
                int r = q->shut ? -EPIPE : is_full(q) ? -EAGAIN : grow(q);

                if (r < 0)
                        return r;
        }
        append(q, item);
        return 0;
}

static inline bool must_wait(const struct pen_queue *q, bool putting)
{
        return putting ? is_full(q) && !q->shut : size_of(q) == 0;
}

static inline __attribute__((always_inline)) int wait_until_possible(struct pen_queue *q,
                                                                     bool putting)
{
        struct list *line = putting ? &q->putters : &q->getters;

        while (must_wait(q, putting)) {
                bool woken;
                int r;

                if (q->shut)
                        return -EPIPE;
                r = waiters_wait(line, q->loop->current,
                                 putting ? "room in a queue" : "an item of a queue", &woken);
                if (r < 0) {
                        if (woken && !must_wait(q, putting))
                                waiters_wake_one(line);
                        return r;
                }
        }
        return 0;
}

/* What put and get do when they cannot at once. They share it, and come here by a jump, for speed: a
 * task that goes on in its put returns where the one that left off in its get would have, up to
 * here, and the processor, which does not see that stacks change, predicts the return. */
static __attribute__((noinline)) int put_or_get_later(struct pen_queue *q, void **ret_item,
                                                      void *item)
{
        bool putting = !ret_item;
        int r = task_checkpoint(q->loop->current);

        if (r == 0)
                r = wait_until_possible(q, putting);
        if (r < 0)
                return r;
        if (putting)
                return pen_queue_put_nowait(q, item);
        *ret_item = take(q);
        return 0;
}

int pen_queue_put(struct pen_queue *q, void *item)
{
        if (UNLIKELY(q->loop->current->interrupt || size_of(q) >= q->limit))
                return put_or_get_later(q, NULL, item);
        append(q, item);
        return 0;
}

/* --- get ---------------------------------------------------------------------------------------- */

int pen_queue_get_nowait(struct pen_queue *q, void **ret_item)
{
        if (size_of(q) == 0)
                return q->shut ? -EPIPE : -EAGAIN;
        *ret_item = take(q);
        return 0;
}

int pen_queue_get(struct pen_queue *q, void **ret_item)
{
        if (UNLIKELY(q->loop->current->interrupt || size_of(q) == 0))
                return put_or_get_later(q, ret_item, NULL);
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
        r = wait_until_possible(q, false);
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
        q->limit = 0;
        if (immediate)
                drop_items(q);
        waiters_wake_all(&q->getters);
        waiters_wake_all(&q->putters);
}
