/* The daemon's consumers, shared by its queues: at most so many jobs run at once over all of them. Who must wait
 * is served by priority first, then by weight (stride scheduling), then in order.
 */
#pragma once

#include <base/list.h>
#include <penstock/common.h>

struct share {
        ssize_t free; /* below 0 after it was made smaller: those that run finish */
        double pass;  /* of the last one served */
        struct list members;
};

/* A queue's part in it. */
struct share_member {
        struct list link;
        struct share *share;
        unsigned weight;         /* not 0 */
        int priority;            /* a higher one goes strictly first */
        double pass;             /* grows by 1 / weight with each start */
        size_t waiting, granted; /* of whom so many have their slot, and had no turn yet */
        struct pen_semaphore *served;
};

void share_init(struct share *share, size_t n);

/* -ENXIO, -ENOMEM */
int share_join(struct share *share, unsigned weight, int priority, struct share_member *member);
void share_quit(struct share_member *member); /* nobody waits, all have left */

/* Suspends until one more may run. */
PEN_ASYNC int share_enter(struct share_member *member);
void share_leave(struct share_member *member);

/* So many more (or fewer: those that run finish) may run at once. */
void share_resize(struct share *share, size_t before, size_t after);
