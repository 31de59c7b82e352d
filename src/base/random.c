#include <base/random.h>

#include <sys/random.h>
#include <time.h>

static uint64_t rotate(uint64_t x, int bits)
{
        return (x << bits) | (x >> (64 - bits));
}

void random_seed(struct random *r, uint64_t seed)
{
        for (size_t i = 0; i < ARRAY_SIZE(r->state); i++) {
                uint64_t z = (seed += 0x9e3779b97f4a7c15);

                z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
                z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
                r->state[i] = z ^ (z >> 31);
        }
}

void random_seed_from_system(struct random *r)
{
        uint64_t seed;

        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
                struct timespec t;

                clock_gettime(CLOCK_REALTIME, &t);
                seed = (uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec << 32 ^ (uintptr_t)r;
        }
        random_seed(r, seed);
}

uint64_t random_next(struct random *r)
{
        uint64_t *s = r->state;
        uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotate(s[3], 45);
        return result;
}

uint64_t random_below(struct random *r, uint64_t n)
{
        uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

        do
                x = random_next(r);
        while (x >= limit);
        return x % n;
}
