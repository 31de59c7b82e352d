#include <base/hash.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* SipHash-1-3 (Aumasson and Bernstein): keyed, so that producers cannot aim at one bucket. */
#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND()                                                          \
        do {                                                             \
                v0 += v1, v1 = ROTATE(v1, 13) ^ v0, v0 = ROTATE(v0, 32); \
                v2 += v3, v3 = ROTATE(v3, 16) ^ v2;                      \
                v0 += v3, v3 = ROTATE(v3, 21) ^ v0;                      \
                v2 += v1, v1 = ROTATE(v1, 17) ^ v2, v2 = ROTATE(v2, 32); \
        } while (0)

uint64_t hash_bytes(const struct hash *h, const char *key, size_t size)
{
        uint64_t v0 = h->seed[0] ^ 0x736f6d6570736575, v1 = h->seed[1] ^ 0x646f72616e646f6d;
        uint64_t v2 = h->seed[0] ^ 0x6c7967656e657261, v3 = h->seed[1] ^ 0x7465646279746573;
        uint64_t word, left = size;

        for (; left >= sizeof(word); left -= sizeof(word), key += sizeof(word)) {
                memcpy(&word, key, sizeof(word));
                v3 ^= word;
                ROUND();
                v0 ^= word;
        }
        word = 0;
        memcpy(&word, key, left);
        word ^= (uint64_t)size << 56;
        v3 ^= word;
        ROUND();
        v0 ^= word;
        v2 ^= 0xff;
        ROUND();
        ROUND();
        ROUND();
        return v0 ^ v1 ^ v2 ^ v3;
}

int hash_init(struct hash *h)
{
        *h = (struct hash){ .n_buckets = 64 };
        h->buckets = calloc(h->n_buckets, sizeof(*h->buckets));
        if (!h->buckets)
                return -ENOMEM;
        if (getrandom(h->seed, sizeof(h->seed), GRND_NONBLOCK) < 0)
                h->seed[0] = (uintptr_t)h; /* early boot: layout randomness must do */
        return 0;
}

void hash_deinit(struct hash *h)
{
        free(h->buckets);
        *h = (struct hash){ 0 };
}

static struct hash_node **bucket_of(const struct hash *h, uint64_t hash)
{
        return &h->buckets[hash & (h->n_buckets - 1)];
}

struct hash_node *hash_find(const struct hash *h, const char *key, size_t key_size)
{
        uint64_t hash = hash_bytes(h, key, key_size);

        for (struct hash_node *i = *bucket_of(h, hash); i; i = i->next)
                if (i->hash == hash && i->key_size == key_size && !memcmp(i->key, key, key_size))
                        return i;
        return NULL;
}

static void grow(struct hash *h)
{
        struct hash bigger = *h;

        bigger.n_buckets *= 2;
        bigger.buckets = calloc(bigger.n_buckets, sizeof(*bigger.buckets));
        if (!bigger.buckets)
                return;
        for (size_t i = 0; i < h->n_buckets; i++)
                for (struct hash_node *node = h->buckets[i], *next; node; node = next) {
                        struct hash_node **bucket = bucket_of(&bigger, node->hash);

                        next = node->next;
                        node->next = *bucket;
                        *bucket = node;
                }
        free(h->buckets);
        *h = bigger;
}

void hash_insert(struct hash *h, struct hash_node *node, const char *key, size_t key_size)
{
        struct hash_node **bucket;

        if (h->n >= h->n_buckets)
                grow(h);
        node->hash = hash_bytes(h, key, key_size);
        node->key = key;
        node->key_size = key_size;
        bucket = bucket_of(h, node->hash);
        node->next = *bucket;
        *bucket = node;
        h->n++;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
        struct hash_node **i = bucket_of(h, node->hash);

        while (*i != node)
                i = &(*i)->next;
        *i = node->next;
        h->n--;
}
