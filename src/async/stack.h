/* Stacks of tasks: pooled, guarded, cheap.
 *
 * Stacks of the usual size are cut from slabs; between two of them lies a guard as wide as 64 KiB,
 * so that no frame of a sane size jumps over it. The kernel makes guards without a mapping each
 * where it can (MADV_GUARD_INSTALL, Linux 6.13); elsewhere mprotect does, up to half of the
 * mappings that vm.max_map_count allows; past that a stack has none, only the same distance to its
 * neighbour, but its lowest word must still read as zero whenever its task suspends or ends (an
 * untouched page costs no memory to read).
 *
 * A stack given back drops its pages, past the first one if it stays among the warm.
 */
#pragma once

#include <base/list.h>

#define STACK_SIZE_DEFAULT ((size_t)64 << 10)
#define STACK_SIZE_MIN ((size_t)16 << 10)
#define STACK_GUARD ((size_t)64 << 10)

struct stack {
        char *low, *top;
        struct stack *next_free;
        unsigned index; /* among its slab's: colours the top */
        bool guarded;
        bool pooled;
        unsigned valgrind_id;
};

struct stack_pool {
        size_t size; /* of a stack */
        struct list slabs;
        struct stack *warm; /* their first page is resident */
        struct stack *cold;
        size_t n_warm;
        size_t n_guards; /* made by mprotect */
        size_t max_guards;
        bool kernel_guards;
};

void stack_pool_init(struct stack_pool *pool, size_t stack_size);
void stack_pool_deinit(struct stack_pool *pool); /* all stacks have been given back */

/* `size` 0: the pool's. -ENOMEM. */
int stack_acquire(struct stack_pool *pool, size_t size, struct stack **ret_stack);
void stack_release(struct stack_pool *pool, struct stack *stack);

/* Where the first frame goes, below `size` bytes for who owns the stack. The tops of neighbours are
 * shifted against each other, or the same few cache sets would serve them all. */
static inline void *stack_start(const struct stack *stack, size_t size)
{
        size_t colour = stack->index % 8 * 128;

        return (void *)(((uintptr_t)stack->top - colour - size) & ~(uintptr_t)63);
}

/* False: something has written past the end of an unguarded stack. */
static inline bool stack_intact(const struct stack *stack)
{
        return LIKELY(stack->guarded) || *(volatile uint64_t *)stack->low == 0;
}
