/* Intrusive hash table by a byte string. The key lives in the element that embeds the node. */
#pragma once

#include <base/util.h>

struct hash_node {
        struct hash_node *next;
        uint64_t hash;
        const char *key;
        size_t key_size;
};

struct hash {
        struct hash_node **buckets;
        size_t n, n_buckets; /* a power of two */
        uint64_t seed[2];    /* keys come from producers: nobody shall choose collisions */
};

/* -ENOMEM */
int hash_init(struct hash *h);
void hash_deinit(struct hash *h); /* the elements are left as they are */

/* The keyed hash itself, for digests that stay in this process. */
uint64_t hash_bytes(const struct hash *h, const char *data, size_t size);

struct hash_node *hash_find(const struct hash *h, const char *key, size_t key_size);

/* The key must not be there yet, and stays the element's. Cannot fail: a table that cannot grow
 * becomes slower. */
void hash_insert(struct hash *h, struct hash_node *node, const char *key, size_t key_size);
void hash_remove(struct hash *h, struct hash_node *node);
