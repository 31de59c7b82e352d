/* queue [BOUND [N [many]]]: one producer puts N items, ten consumers get them (one by one, or
 * `many`: as many as there are) and tell task_done; until the join. */
#include <errno.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/queue.h>

#include "bench.h"

#define CONSUMERS 10
#define BATCH 256

static long bound, n;
static int (*consumer)(void *arg);
static struct pen_queue *queue;

static int get_one(void *arg)
{
        void *item;
        int r;

        (void)arg;
        while ((r = pen_queue_get(queue, &item)) == 0)
                pen_queue_task_done(queue);
        return r == -EPIPE ? 0 : r;
}

static int get_many(void *arg)
{
        void *items[BATCH];
        ssize_t r;

        (void)arg;
        while ((r = pen_queue_get_many(queue, items, BATCH)) > 0)
                for (ssize_t i = 0; i < r; i++)
                        pen_queue_task_done(queue);
        return r == -EPIPE ? 0 : (int)r;
}

static int run(void *arg)
{
        struct pen_group *consumers;
        double t;
        int r = 0;

        (void)arg;
        bench_check(pen_queue_create((size_t)bound, NULL, &queue), "queue");
        bench_check(pen_group_create(&consumers), "group");
        for (int i = 0; i < CONSUMERS; i++)
                bench_check(pen_group_spawn(consumers, NULL, consumer, NULL, NULL), "spawn");
        t = bench_now();
        for (long i = 0; r == 0 && i < n; i++)
                r = pen_queue_put(queue, queue);
        if (r == 0)
                r = pen_queue_join(queue);
        t = bench_now() - t;
        printf("items_per_s=%.0f\n", (double)n / t);
        pen_queue_shutdown(queue, false);
        if (r == 0)
                r = pen_group_join(consumers);
        pen_group_free(consumers);
        pen_queue_free(queue);
        return r;
}

int main(int argc, char **argv)
{
        bound = bench_argument(argc, argv, 1, 1000);
        n = bench_argument(argc, argv, 2, 10000000);
        consumer = argc > 3 ? get_many : get_one;
        bench_check(pen_run(run, NULL), "queue");
        return 0;
}
