#include <base/histogram.h>

/* Values below 8 have a bucket each; above, the three bits behind the leading one choose. */
static size_t bucket_of(uint64_t value)
{
        unsigned log;

        if (value < 8)
                return value;
        log = 63 - (unsigned)__builtin_clzll(value);
        return (size_t)(log - 2) * 8 + ((value >> (log - 3)) & 7);
}

static uint64_t upper_bound(size_t bucket)
{
        unsigned log = (unsigned)(bucket / 8) + 2;

        if (bucket < 8)
                return bucket;
        return ((bucket % 8 + 9) << (log - 3)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
        h->counts[bucket_of(value)]++;
        h->n++;
        h->max = MAX(h->max, value);
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
        double wanted = (double)h->n * percent / 100;
        uint64_t seen = 0;

        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += h->counts[i];
                if (seen > 0 && (double)seen >= wanted)
                        return MIN(upper_bound(i), h->max);
        }
        return h->max;
}
