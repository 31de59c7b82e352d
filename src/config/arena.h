/* Memory that is given back all at once: a configuration is made piece by piece and freed whole. */
#pragma once

#include <base/util.h>

struct arena_block;

struct arena {
        struct arena_block *blocks; /* the newest first; {0} is an empty arena */
};

/* Zeroed, aligned for anything. NULL: no memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy that ends with NUL. */
char *arena_copy(struct arena *arena, const char *text, size_t size);

void arena_deinit(struct arena *arena);
