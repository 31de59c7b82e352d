/* Pushes numbered jobs as any producer would, by plain pipelined XADD, and keeps what was acknowledged.
 */
#pragma once

struct produce_options {
        const char *redis, *key; /* the stream: penstock:{Q}:ready */
        const char *file;        /* where acknowledgements go; appended to */
        long first, count;       /* the numbers */
        long seed;               /* of the run times */
        long longest_ms;         /* which are uniform in 0..longest_ms */
        long most_fails;         /* how often a job fails before it is done: 0..most_fails */
        long rate;               /* a second; 0: as fast as it goes */
        const char *ids;         /* jobs get their own, PREFIXNUMBER; NULL: the entry's */
};

/* Suffers Redis to go away and come back, for a minute. What was sent and not answered is `maybe` then, and is
 * left at that; with ids it is pushed again: that is what they are for.
 * 0, or -errno: of the file; -ETIMEDOUT: Redis stayed away; -EPROTO: it refused. */
int produce(const struct produce_options *options);
