/* Growing pauses between attempts: pure arithmetic, which never overflows. */
#pragma once

#include <base/random.h>

/* delay * factor^(n-1), max at most; factor and n are 1 or more. */
pen_usec backoff_exponential(pen_usec delay, double factor, pen_usec max, unsigned n);

/* Of the delay the share `jitter`, 0 to 1, is cut by chance: from none to all of it. */
pen_usec backoff_jitter(pen_usec delay, double jitter, struct random *random);
