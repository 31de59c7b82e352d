/* Intrusive min-heap by a 64-bit key; equal keys leave in the order they came. Timers of the loop,
 * delayed jobs of a store.
 *
 * Four children a node and the key beside the pointer: a sift reads one or two cache lines a level.
 */
#pragma once

#include <base/util.h>

#define HEAP_ABSENT SIZE_MAX

struct heap_node {
        uint64_t key;
        uint64_t order; /* of arrival */
        size_t index;   /* HEAP_ABSENT: in no heap */
};

struct heap_entry {
        uint64_t key;
        struct heap_node *node;
};

struct heap {
        struct heap_entry *entries;
        size_t n, allocated;
        uint64_t arrivals;
};

#define HEAP_NODE_INIT               \
        {                            \
                .index = HEAP_ABSENT \
        }

static inline bool heap_contains(const struct heap_node *node)
{
        return node->index != HEAP_ABSENT;
}

static inline struct heap_node *heap_peek(const struct heap *h)
{
        return h->n > 0 ? h->entries[0].node : NULL;
}

/* Makes sure that the next `n` pushes cannot fail. -ENOMEM. */
int heap_reserve(struct heap *h, size_t n);

/* -ENOMEM. The node must be in no heap. */
int heap_push(struct heap *h, struct heap_node *node, uint64_t key);

/* Does nothing for a node that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);

/* Frees the heap's own memory; the nodes are left as they are. */
void heap_deinit(struct heap *h);
