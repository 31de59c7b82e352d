#include <base/heap.h>

#include <errno.h>

#define ARITY 4

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
        return a->key != b->key ? a->key < b->key : a->node->order < b->node->order;
}

static void place(struct heap *h, size_t i, struct heap_entry e)
{
        h->entries[i] = e;
        e.node->index = i;
}

static void sift_up(struct heap *h, size_t i, struct heap_entry e)
{
        while (i > 0) {
                size_t parent = (i - 1) / ARITY;

                if (!before(&e, &h->entries[parent]))
                        break;
                place(h, i, h->entries[parent]);
                i = parent;
        }
        place(h, i, e);
}

static void sift_down(struct heap *h, size_t i, struct heap_entry e)
{
        for (;;) {
                size_t first = i * ARITY + 1, best = first;

                if (first >= h->n)
                        break;
                for (size_t c = first + 1; c < MIN(first + ARITY, h->n); c++)
                        if (before(&h->entries[c], &h->entries[best]))
                                best = c;
                if (!before(&h->entries[best], &e))
                        break;
                place(h, i, h->entries[best]);
                i = best;
        }
        place(h, i, e);
}

int heap_reserve(struct heap *h, size_t n)
{
        struct heap_entry *entries;
        size_t wanted = h->allocated > 0 ? h->allocated : 16;

        if (h->allocated - h->n >= n)
                return 0;
        if (n > SIZE_MAX / 4 / sizeof(*entries) - h->n)
                return -ENOMEM;
        while (wanted - h->n < n)
                wanted *= 2;
        entries = reallocarray(h->entries, wanted, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        h->entries = entries;
        h->allocated = wanted;
        return 0;
}

int heap_push(struct heap *h, struct heap_node *node, uint64_t key)
{
        int r = heap_reserve(h, 1);

        if (r < 0)
                return r;
        node->key = key;
        node->order = h->arrivals++;
        sift_up(h, h->n++, (struct heap_entry){ key, node });
        return 0;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
        size_t i = node->index;
        struct heap_entry last;

        if (i == HEAP_ABSENT)
                return;
        node->index = HEAP_ABSENT;
        last = h->entries[--h->n];
        if (last.node == node)
                return;
        if (i > 0 && before(&last, &h->entries[(i - 1) / ARITY]))
                sift_up(h, i, last);
        else
                sift_down(h, i, last);
}

void heap_deinit(struct heap *h)
{
        free(h->entries);
        *h = (struct heap){ 0 };
}
