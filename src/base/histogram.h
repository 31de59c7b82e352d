/* Counts of durations in logarithmic buckets (8 a power of two: 12.5% wide at the most), so that a
 * percentile of any number of samples costs the same few KiB. The idea is HdrHistogram's. */
#pragma once

#include <base/util.h>

#define HISTOGRAM_BUCKETS (62 * 8)

struct histogram {
        uint64_t counts[HISTOGRAM_BUCKETS];
        uint64_t n, max;
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that `percent` of the samples do not exceed, to the width of a bucket; 0 if there are none. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
