#include <base/backoff.h>

/* By squaring: 32 steps for any n, and no libm. Ends at infinity. */
static double power(double x, unsigned n)
{
        double result = 1;

        for (; n > 0; n >>= 1, x *= x)
                if (n & 1)
                        result *= x;
        return result;
}

pen_usec backoff_exponential(pen_usec delay, double factor, pen_usec max, unsigned n)
{
        double grown;

        if (delay == 0)
                return 0;
        grown = (double)delay * power(factor, n - 1);
        /* The comparison keeps the cast defined; as a double, max may be rounded up. */
        if (!(grown < (double)max))
                return max;
        return MIN((pen_usec)grown, max);
}

/* The share of it, rounded up. */
static pen_usec share_of(pen_usec whole, double share)
{
        double part = (double)whole * share;
        pen_usec floor;

        if (!(part < (double)whole)) /* again for the cast */
                return whole;
        floor = (pen_usec)part;
        return floor + ((double)floor < part);
}

/* In 0..max, max included. */
static pen_usec uniform(struct random *random, pen_usec max)
{
        return max == UINT64_MAX ? random_next(random) : random_below(random, max + 1);
}

pen_usec backoff_jitter(pen_usec delay, double jitter, struct random *random)
{
        pen_usec cut = share_of(delay, jitter);

        return delay - cut + uniform(random, cut);
}
