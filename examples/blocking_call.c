/* A call that blocks: in a task it stops all others, in a thread it does not.
 *
 * PENSTOCK_DEBUG=1 tells who held the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <penstock/penstock.h>

static int beats;

static int heart(void *arg)
{
        int r;

        (void)arg;
        while ((r = pen_sleep(20 * PEN_MSEC)) == 0)
                beats++;
        return r;
}

static int compute(void *arg)
{
        struct timespec left = { .tv_nsec = 500000000 };

        (void)arg;
        while (nanosleep(&left, &left) < 0) /* a library that knows nothing of the loop */
                continue;
        return 0;
}

static int the_wrong_way(void *arg)
{
        return compute(arg);
}

static int the_right_way(void *arg)
{
        return pen_to_thread(compute, arg, NULL);
}

static int watch(const char *name, int (*way)(void *arg))
{
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *task = NULL;
        struct pen_spawn_options options = { .name = name };
        int before = beats;
        int r = pen_spawn_with(&options, way, NULL, &task);

        if (r == 0)
                r = pen_await(task, NULL);
        if (r == 0)
                printf("%s: the heart %s\n", name,
                       beats - before > 1 ? "went on beating" : "stood still");
        return r;
}

static int run(void *arg)
{
        int r = pen_spawn(heart, NULL, NULL); /* what is left at the end is cancelled */

        (void)arg;
        if (r == 0)
                r = watch("the wrong way", the_wrong_way);
        return r < 0 ? r : watch("the right way", the_right_way);
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "blocking_call: %s\n", strerror(-r));
        return r < 0;
}
