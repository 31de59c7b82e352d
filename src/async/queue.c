/* A ring, two lines of waiting tasks, and a count of what is not yet dealt with.
 *
 * If the order is another, the ring stays empty and a put always has more to do than to append: the
 * fast paths look at the ring alone and need not ask what kind of queue it is.
 *
 * A waiting getter is woken, not handed the item: that stays in the ring until the getter runs, so
 * that a cancelled one loses nothing; it passes the wake-up on instead. The queue keeps its loop:
 * the fast paths touch no thread-local variable.
 */
#include <penstock/queue.h>

#include <errno.h>
#include <string.h>

#include <async/loop.h>

#define UNBOUNDED_START 64

/* Begins a cache line: where a fast path falls by chance makes a difference of a tenth. */
#define FAST_PATH __attribute__((aligned(64)))

/* What leaves newest or least first: a stack, or a heap. */
struct entry {
        void *item;
        uint64_t arrival;
};

struct pen_queue {
        struct pen_loop *loop;
        union {
                void **ring;
                struct entry *entries;
        };
        size_t mask;  /* the room there is, a power of two, less one */
        size_t first; /* these run freely; & mask is the place */
        size_t end;
        size_t maxsize; /* SIZE_MAX: none */
        size_t limit;   /* from this size of the ring on a put must do more than append: maxsize, or
                         * the room there is; 0 if there are entries, or once it is shut */
        size_t unfinished;
        bool shut;
        struct list getters, putters, joiners;
        void (*free_item)(void *item);

        bool in_order; /* no entries */
        size_t n_entries;
        uint64_t arrivals;
        int (*compare)(const void *a, const void *b); /* NULL: a stack */
};

static int create(size_t maxsize, void (*free_item)(void *item), bool in_order,
                  int (*compare)(const void *a, const void *b), struct pen_queue **ret_queue)
{
        struct pen_queue *q;
        size_t size = 1;

        if (!current_loop)
                return -ENXIO;
        if (maxsize > SIZE_MAX / 4 / sizeof(struct entry))
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
                .ring = malloc(size * (in_order ? sizeof(*q->ring) : sizeof(*q->entries))),
                .mask = size - 1,
                .maxsize = maxsize,
                .limit = in_order ? MIN(maxsize, size) : 0,
                .free_item = free_item,
                .in_order = in_order,
                .compare = compare,
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

int pen_queue_create(size_t maxsize, void (*free_item)(void *item), struct pen_queue **ret_queue)
{
        return create(maxsize, free_item, true, NULL, ret_queue);
}

int pen_queue_create_priority(size_t maxsize, void (*free_item)(void *item),
                              int (*compare)(const void *a, const void *b),
                              struct pen_queue **ret_queue)
{
        return compare ? create(maxsize, free_item, false, compare, ret_queue) : -EINVAL;
}

int pen_queue_create_lifo(size_t maxsize, void (*free_item)(void *item),
                          struct pen_queue **ret_queue)
{
        return create(maxsize, free_item, false, NULL, ret_queue);
}

static inline size_t in_ring(const struct pen_queue *q)
{
        return q->end - q->first;
}

static inline size_t size_of(const struct pen_queue *q)
{
        return in_ring(q) + q->n_entries;
}

static inline bool is_full(const struct pen_queue *q)
{
        return size_of(q) >= q->maxsize;
}

/* --- the items ---------------------------------------------------------------------------------- */

/* Copies the first `n`. */
static void read_ring(const struct pen_queue *q, void **items, size_t n)
{
        size_t from = q->first & q->mask, straight = MIN(n, q->mask + 1 - from);

        memcpy(items, q->ring + from, straight * sizeof(*items));
        if (n > straight)
                memcpy(items + straight, q->ring, (n - straight) * sizeof(*items));
}

static int grow_ring(struct pen_queue *q)
{
        size_t size = q->mask + 1, n = in_ring(q);
        void **ring;

        if (size > SIZE_MAX / 4 / sizeof(*ring))
                return -ENOMEM;
        ring = malloc(2 * size * sizeof(*ring));
        if (!ring)
                return -ENOMEM;
        read_ring(q, ring, n);
        free(q->ring);
        q->ring = ring;
        q->mask = 2 * size - 1;
        q->limit = 2 * size;
        q->first = 0;
        q->end = n;
        return 0;
}

static int grow_entries(struct pen_queue *q)
{
        struct entry *entries = reallocarray(q->entries, q->mask + 1, 2 * sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        q->entries = entries;
        q->mask = 2 * q->mask + 1;
        return 0;
}

static bool before(const struct pen_queue *q, const struct entry *a, const struct entry *b)
{
        int order = q->compare(a->item, b->item);

        return order != 0 ? order < 0 : a->arrival < b->arrival;
}

static void insert(struct pen_queue *q, void *item)
{
        struct entry new = { item, q->arrivals++ };
        size_t i = q->n_entries++;

        while (q->compare && i > 0 && before(q, &new, &q->entries[(i - 1) / 2])) {
                q->entries[i] = q->entries[(i - 1) / 2];
                i = (i - 1) / 2;
        }
        q->entries[i] = new;
}

/* Fills the place of the least. */
static void sift_down(struct pen_queue *q, struct entry e)
{
        size_t i = 0, child;

        while ((child = 2 * i + 1) < q->n_entries) {
                if (child + 1 < q->n_entries &&
                    before(q, &q->entries[child + 1], &q->entries[child]))
                        child++;
                if (before(q, &e, &q->entries[child]))
                        break;
                q->entries[i] = q->entries[child];
                i = child;
        }
        q->entries[i] = e;
}

static void *extract(struct pen_queue *q)
{
        struct entry last = q->entries[--q->n_entries];
        void *least = q->entries[0].item;

        if (!q->compare || q->n_entries == 0)
                return last.item;
        sift_down(q, last);
        return least;
}

static inline void *remove_first(struct pen_queue *q)
{
        return q->ring[q->first++ & q->mask];
}

static inline void *remove_next(struct pen_queue *q)
{
        return q->in_order ? remove_first(q) : extract(q);
}

static void remove_many(struct pen_queue *q, void **items, size_t n)
{
        if (q->in_order) {
                read_ring(q, items, n);
                q->first += n;
                return;
        }
        for (size_t i = 0; i < n; i++)
                items[i] = extract(q);
}

static void drop_items(struct pen_queue *q)
{
        while (size_of(q) > 0) {
                void *item = remove_next(q);

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

static inline void was_put(struct pen_queue *q)
{
        q->unfinished++;
        waiters_wake_one(&q->getters);
}

static inline void append(struct pen_queue *q, void *item)
{
        q->ring[q->end++ & q->mask] = item;
        was_put(q);
}

/* What is to be done at the limit. */
static int put_at_limit(struct pen_queue *q, void *item)
{
        int r = 0;

        if (q->shut)
                return -EPIPE;
        if (is_full(q))
                return -EAGAIN;
        if (size_of(q) > q->mask)
                r = q->in_order ? grow_ring(q) : grow_entries(q);
        if (r < 0)
                return r;
        if (q->in_order) {
                append(q, item);
        } else {
                insert(q, item);
                was_put(q);
        }
        return 0;
}

int pen_queue_put_nowait(struct pen_queue *q, void *item)
{
        if (UNLIKELY(in_ring(q) >= q->limit))
                return put_at_limit(q, item);
        append(q, item);
        return 0;
}

static inline bool must_wait(const struct pen_queue *q, bool putting)
{
        return putting ? is_full(q) && !q->shut : size_of(q) == 0;
}

static inline void *take(struct pen_queue *q)
{
        void *item = remove_next(q);

        waiters_wake_one(&q->putters);
        return item;
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

FAST_PATH int pen_queue_put(struct pen_queue *q, void *item)
{
        if (UNLIKELY(q->loop->current->interrupt || in_ring(q) >= q->limit))
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

FAST_PATH int pen_queue_get(struct pen_queue *q, void **ret_item)
{
        if (UNLIKELY(q->loop->current->interrupt || in_ring(q) == 0))
                return put_or_get_later(q, ret_item, NULL);
        *ret_item = remove_first(q);
        waiters_wake_one(&q->putters);
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
        remove_many(q, items, n);
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
