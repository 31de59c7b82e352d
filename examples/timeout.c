/* Deadlines: for one call, for a stretch of code, and one within another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

static int lookup(void *arg)
{
        int r = pen_sleep(*(pen_usec *)arg);

        return r < 0 ? r : 7;
}

static int for_one_call(void)
{
        pen_usec quick = 200 * PEN_MSEC, slow = 5 * PEN_SEC;
        int r = pen_within(1 * PEN_SEC, lookup, &quick);

        if (r < 0)
                return r;
        printf("in time: %d\n", r);
        r = pen_within(1 * PEN_SEC, lookup, &slow);
        if (r == -ETIME)
                printf("too slow for one call\n");
        return r == -ETIME ? 0 : r;
}

static int for_a_stretch(void)
{
        pen_usec each = 400 * PEN_MSEC;
        struct pen_timeout scope;
        int r = 0;

        pen_timeout_begin(&scope, 1 * PEN_SEC);
        for (int i = 1; i < 10 && r >= 0; i++) {
                r = lookup(&each);
                if (r >= 0)
                        printf("lookup %d is done\n", i);
        }
        r = pen_timeout_end(&scope, r);
        if (r == -ETIME)
                printf("too slow for all of them\n");
        return r == -ETIME ? 0 : r;
}

/* The outer deadline comes first: the inner scope does not take it for its own. */
static int within_another(void)
{
        pen_usec slow = 5 * PEN_SEC;
        struct pen_timeout outer, inner;
        int r;

        pen_timeout_begin(&outer, 1 * PEN_SEC);
        pen_timeout_begin(&inner, 2 * PEN_SEC);
        r = lookup(&slow);
        r = pen_timeout_end(&inner, r);
        if (r == -ETIME)
                printf("never reached\n");
        r = pen_timeout_end(&outer, r);
        if (r == -ETIME)
                printf("the outer one was over\n");
        return r == -ETIME ? 0 : r;
}

static int run(void *arg)
{
        int r = for_one_call();

        (void)arg;
        if (r == 0)
                r = for_a_stretch();
        return r < 0 ? r : within_another();
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "timeout: %s\n", strerror(-r));
        return r < 0;
}
