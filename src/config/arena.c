#include <config/arena.h>

#include <string.h>

#define BLOCK_SIZE ((size_t)4 << 10)

struct arena_block {
        struct arena_block *next;
        size_t used, size;
        _Alignas(max_align_t) char data[];
};

static struct arena_block *add_block(struct arena *arena, size_t size)
{
        struct arena_block *block = calloc(1, sizeof(*block) + size);

        if (!block)
                return NULL;
        block->size = size;
        block->next = arena->blocks;
        arena->blocks = block;
        return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
        struct arena_block *block = arena->blocks;
        size_t align = _Alignof(max_align_t);
        void *p;

        if (size > SIZE_MAX / 2)
                return NULL;
        size = (size + align - 1) / align * align;
        if (!block || block->size - block->used < size) {
                block = add_block(arena, MAX(size, BLOCK_SIZE));
                if (!block)
                        return NULL;
        }
        p = block->data + block->used;
        block->used += size;
        return p;
}

char *arena_copy(struct arena *arena, const char *text, size_t size)
{
        char *copy = arena_alloc(arena, size + 1);

        return copy ? memcpy(copy, text, size) : NULL;
}

void arena_deinit(struct arena *arena)
{
        while (arena->blocks) {
                struct arena_block *next = arena->blocks->next;

                free(arena->blocks);
                arena->blocks = next;
        }
}
