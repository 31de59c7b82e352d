#include <async/stack.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#if defined(HAVE_VALGRIND_VALGRIND_H)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(low, top) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#define VALGRIND_MAKE_MEM_DEFINED(low, size) (void)(low)
#endif
#if defined(PEN_ASAN)
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SLAB_STACKS 64
#define WARM_MAX 256

struct slab {
        struct list link;
        char *base;
        size_t size, n;
        struct stack stacks[];
};

static size_t page_size(void)
{
        return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t max_mappings(void)
{
        char text[32] = "";
        int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
        size_t value = 65530; /* the kernel's default */

        if (fd >= 0) {
                if (read(fd, text, sizeof(text) - 1) > 0)
                        value = strtoul(text, NULL, 10);
                close(fd);
        }
        return value;
}

static bool has_kernel_guards(void)
{
        size_t size = page_size();
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        bool works;

        if (p == MAP_FAILED)
                return false;
        works = madvise(p, size, MADV_GUARD_INSTALL) == 0;
        munmap(p, size);
        return works;
}

/* Too much stays too much, and does not wrap. */
static size_t whole_pages(size_t size)
{
        size_t page = page_size();

        return (MIN(MAX(size, STACK_SIZE_MIN), SIZE_MAX / 2) + page - 1) / page * page;
}

void stack_pool_init(struct stack_pool *pool, size_t stack_size)
{
        *pool = (struct stack_pool){
                .size = whole_pages(stack_size > 0 ? stack_size : STACK_SIZE_DEFAULT),
                .kernel_guards = has_kernel_guards(),
                .max_guards = max_mappings() / 4, /* each costs two mappings */
        };
        list_init(&pool->slabs);
}

void stack_pool_deinit(struct stack_pool *pool)
{
        list_for_each_safe(i, &pool->slabs) {
                struct slab *slab = list_entry(i, struct slab, link);

                for (size_t s = 0; s < slab->n; s++)
                        VALGRIND_STACK_DEREGISTER(slab->stacks[s].valgrind_id);
                munmap(slab->base, slab->size);
                free(slab);
        }
}

static bool guard(struct stack_pool *pool, char *at)
{
        if (pool->kernel_guards)
                return madvise(at, STACK_GUARD, MADV_GUARD_INSTALL) == 0;
        if (pool->n_guards >= pool->max_guards || mprotect(at, STACK_GUARD, PROT_NONE) < 0)
                return false;
        pool->n_guards++;
        return true;
}

/* Maps `n` stacks of `size` bytes, each above its guard. */
static int slab_create(struct stack_pool *pool, size_t size, size_t n, struct slab **ret_slab)
{
        size_t stride = size + STACK_GUARD, total;
        struct slab *slab;

        if (__builtin_mul_overflow(stride, n, &total))
                return -ENOMEM;
        slab = malloc(sizeof(*slab) + n * sizeof(slab->stacks[0]));
        if (!slab)
                return -ENOMEM;
        *slab = (struct slab){ .size = total, .n = n };
        slab->base = mmap(NULL, slab->size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (slab->base == MAP_FAILED) {
                free(slab);
                return -ENOMEM;
        }
        madvise(slab->base, slab->size, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < n; i++) {
                char *low = slab->base + i * stride + STACK_GUARD;

                slab->stacks[i] = (struct stack){
                        .low = low,
                        .top = low + size,
                        .index = (unsigned)i,
                        .guarded = guard(pool, low - STACK_GUARD),
                        .pooled = n > 1,
                        .valgrind_id = VALGRIND_STACK_REGISTER(low, low + size),
                };
        }
        list_append(&pool->slabs, &slab->link);
        *ret_slab = slab;
        return 0;
}

static void slab_free(struct stack_pool *pool, struct slab *slab)
{
        VALGRIND_STACK_DEREGISTER(slab->stacks[0].valgrind_id);
        if (slab->stacks[0].guarded && !pool->kernel_guards)
                pool->n_guards--;
        list_remove(&slab->link);
        munmap(slab->base, slab->size);
        free(slab);
}

static struct stack *pop(struct stack **list)
{
        struct stack *stack = *list;

        if (stack)
                *list = stack->next_free;
        return stack;
}

static void push(struct stack **list, struct stack *stack)
{
        stack->next_free = *list;
        *list = stack;
}

int stack_acquire(struct stack_pool *pool, size_t size, struct stack **ret_stack)
{
        struct slab *slab;
        int r;

        if (size != 0 && size != pool->size) {
                r = slab_create(pool, whole_pages(size), 1, &slab);
                if (r < 0)
                        return r;
                *ret_stack = &slab->stacks[0];
                return 0;
        }
        if (pool->warm) {
                pool->n_warm--;
                *ret_stack = pop(&pool->warm);
                return 0;
        }
        if (!pool->cold) {
                r = slab_create(pool, pool->size, SLAB_STACKS, &slab);
                if (r < 0)
                        return r;
                for (size_t i = slab->n; i-- > 0;)
                        push(&pool->cold, &slab->stacks[i]);
        }
        *ret_stack = pop(&pool->cold);
        return 0;
}

void stack_release(struct stack_pool *pool, struct stack *stack)
{
        size_t size = (size_t)(stack->top - stack->low);
        bool keep = pool->n_warm < WARM_MAX;

        /* It is as new: what frames that have returned left behind is no longer out of bounds. */
#if defined(PEN_ASAN)
        __asan_unpoison_memory_region(stack->low, size);
#endif
        VALGRIND_MAKE_MEM_DEFINED(stack->low, size);
        if (!stack->pooled) {
                slab_free(pool, container_of(stack, struct slab, stacks[0]));
                return;
        }
        madvise(stack->low, keep ? size - page_size() : size, MADV_DONTNEED);
        if (keep) {
                pool->n_warm++;
                push(&pool->warm, stack);
        } else {
                push(&pool->cold, stack);
        }
}
