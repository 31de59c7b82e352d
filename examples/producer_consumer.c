/* A bounded queue between one producer and two consumers. */
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        ORDERS = 8
};

struct consumer {
        const char *name;
        pen_usec takes;
        struct pen_queue *queue;
};

static int produce(struct pen_queue *queue)
{
        static int orders[ORDERS];
        int r = 0;

        for (int i = 0; i < ORDERS && r == 0; i++) {
                orders[i] = i + 1;
                r = pen_queue_put(queue, &orders[i]); /* waits while three are in the queue */
                if (r < 0)
                        return r;
                printf("order %d is in the queue\n", orders[i]);
                r = pen_sleep(40 * PEN_MSEC);
        }
        return r;
}

static int consume(void *arg)
{
        struct consumer *self = arg;
        void *order;
        int r;

        while ((r = pen_queue_get(self->queue, &order)) == 0) {
                r = pen_sleep(self->takes);
                if (r < 0)
                        return r;
                printf("%s has packed order %d\n", self->name, *(int *)order);
                pen_queue_task_done(self->queue);
        }
        return r;
}

static int run(void *arg)
{
        struct consumer anna = { "Anna", 250 * PEN_MSEC, NULL };
        struct consumer bert = { "Bert", 420 * PEN_MSEC, NULL };
        PEN_CLEANUP(pen_queue_freep) struct pen_queue *queue = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *consumers = NULL;
        int r = pen_queue_create(3, NULL, &queue);

        (void)arg;
        anna.queue = bert.queue = queue;
        if (r == 0)
                r = pen_group_create(&consumers);
        if (r == 0)
                r = pen_group_spawn(consumers, anna.name, consume, &anna, NULL);
        if (r == 0)
                r = pen_group_spawn(consumers, bert.name, consume, &bert, NULL);
        if (r == 0)
                r = produce(queue);
        if (r == 0)
                r = pen_queue_join(queue); /* until all that was put is done */
        if (r < 0)
                return r;
        pen_group_cancel(consumers);
        r = pen_group_join(consumers);
        printf("all orders are packed\n");
        return r;
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "producer_consumer: %s\n", strerror(-r));
        return r < 0;
}
