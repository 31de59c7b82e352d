/* A round ends for all of its parties at once: each finds its answer in its own frame, whenever it
 * runs. So nobody drains: who comes next is in the next round. */
#include <penstock/sync.h>

#include <errno.h>
#include <limits.h>

#include <async/loop.h>

struct pen_barrier {
        struct pen_loop *loop;
        size_t parties, waiting;
        bool broken;
        struct list line;
};

struct party {
        struct waiter waiter;
        int answer; /* once it is woken */
};

int pen_barrier_create(size_t parties, struct pen_barrier **ret_barrier)
{
        struct pen_barrier *b;

        if (!current_loop)
                return -ENXIO;
        if (parties == 0 || parties > INT_MAX)
                return -EINVAL;
        b = malloc(sizeof(*b));
        if (!b)
                return -ENOMEM;
        *b = (struct pen_barrier){ .loop = current_loop, .parties = parties };
        list_init(&b->line);
        *ret_barrier = b;
        return 0;
}

void pen_barrier_free(struct pen_barrier *b)
{
        free(b);
}

void pen_barrier_freep(struct pen_barrier **b)
{
        pen_barrier_free(*b);
}

/* All who wait go on, with `answer`, or each with its place. */
static int end_round(struct pen_barrier *b, int answer)
{
        int place = 0;

        while (!list_empty(&b->line)) {
                struct party *first = list_first(&b->line, struct party, waiter.link);

                first->answer = answer < 0 ? answer : place++;
                waiters_wake_one(&b->line);
        }
        b->waiting = 0;
        return place;
}

int pen_barrier_wait(struct pen_barrier *b)
{
        struct party me = { .waiter.task = b->loop->current };
        struct mark before;
        int r = task_checkpoint(me.waiter.task);

        if (r < 0)
                return r;
        if (b->broken)
                return -EPIPE;
        if (b->waiting + 1 == b->parties)
                return end_round(b, 0);
        list_append(&b->line, &me.waiter.link);
        b->waiting++;
        before = task_mark(me.waiter.task);
        r = task_suspend(me.waiter.task, "a barrier");
        if (!me.waiter.woken) {
                list_remove(&me.waiter.link);
                b->waiting--;
                return r;
        }
        if (r < 0)
                task_redeliver(me.waiter.task, before); /* the round was over before */
        return me.answer;
}

void pen_barrier_reset(struct pen_barrier *b)
{
        b->broken = false;
        end_round(b, -EPIPE);
}

void pen_barrier_abort(struct pen_barrier *b)
{
        b->broken = true;
        end_round(b, -EPIPE);
}

size_t pen_barrier_parties(const struct pen_barrier *b)
{
        return b->parties;
}

size_t pen_barrier_waiting(const struct pen_barrier *b)
{
        return b->waiting;
}

bool pen_barrier_broken(const struct pen_barrier *b)
{
        return b->broken;
}
