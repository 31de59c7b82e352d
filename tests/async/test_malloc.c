/* The Nth allocation fails, for every N: tasks and what is between and around them. */
#include "failing.h"

#include <errno.h>

#include <base/util.h>
#include <penstock/penstock.h>

/* --- tasks ------------------------------------------------------------------------------------ */

static int nap(void *arg)
{
        (void)arg;
        return pen_sleep(PEN_SEC);
}

SCENARIO(nothing_at_all, VIRTUAL)
{
        return 0;
}

SCENARIO(tasks, VIRTUAL)
{
        static const struct pen_spawn_options big = { .name = "big", .stack_size = 1 << 20 };
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *a = NULL, *b = NULL;

        TRY(pen_spawn(nap, NULL, &a));
        TRY(pen_spawn_with(&big, nap, NULL, &b));
        TRY(pen_spawn(nap, NULL, NULL));
        TRY(pen_yield());
        TRY(pen_await(a, NULL));
        pen_task_cancel(b);
        TRY(pen_sleep(PEN_SEC));
        return pen_task_result(b) == -ECANCELED ? 0 : pen_task_result(b);
}

SCENARIO(two_hundred_tasks, VIRTUAL)
{
        for (int i = 0; i < 200; i++)
                TRY(pen_spawn(nap, NULL, NULL));
        return pen_sleep(2 * PEN_SEC);
}

SCENARIO(deadlines, VIRTUAL)
{
        struct pen_timeout outer, inner;
        int r;

        pen_timeout_begin(&outer, PEN_MINUTE);
        pen_timeout_begin(&inner, PEN_FOREVER);
        r = pen_timeout_reschedule(&inner, PEN_HOUR);
        if (r == 0)
                r = pen_sleep(PEN_SEC);
        r = pen_timeout_end(&inner, r);
        if (r == 0)
                r = pen_within(PEN_SEC / 2, nap, NULL);
        return pen_timeout_end(&outer, r == -ETIME ? 0 : r);
}

/* --- between tasks ------------------------------------------------------------------------------ */

static int use_queue(struct pen_queue *q)
{
        static char item;
        void *got[64];
        int r = 0;

        for (int i = 0; i < 200 && r >= 0; i++)
                r = pen_queue_put(q, &item);
        TRY(r);
        TRY(pen_queue_get_many(q, got, ARRAY_SIZE(got)));
        return pen_queue_get(q, got);
}

static int any_order(const void *a, const void *b)
{
        (void)a, (void)b;
        return 0;
}

SCENARIO(queues, VIRTUAL)
{
        PEN_CLEANUP(pen_queue_freep) struct pen_queue *fifo = NULL, *lifo = NULL, *priority = NULL;

        TRY(pen_queue_create(0, NULL, &fifo));
        TRY(pen_queue_create_lifo(0, NULL, &lifo));
        TRY(pen_queue_create_priority(0, NULL, any_order, &priority));
        TRY(use_queue(fifo));
        TRY(use_queue(lifo));
        return use_queue(priority);
}

SCENARIO(locks, VIRTUAL)
{
        PEN_CLEANUP(pen_lock_freep) struct pen_lock *lock = NULL;
        PEN_CLEANUP(pen_event_freep) struct pen_event *event = NULL;
        PEN_CLEANUP(pen_semaphore_freep) struct pen_semaphore *semaphore = NULL;
        PEN_CLEANUP(pen_condition_freep) struct pen_condition *condition = NULL;
        PEN_CLEANUP(pen_barrier_freep) struct pen_barrier *barrier = NULL;

        TRY(pen_lock_create(&lock));
        TRY(pen_event_create(&event));
        TRY(pen_semaphore_create(1, 1, &semaphore));
        TRY(pen_condition_create(lock, &condition));
        TRY(pen_barrier_create(1, &barrier));
        TRY(pen_lock_acquire(lock));
        TRY(pen_condition_notify_all(condition));
        return pen_barrier_wait(barrier);
}

static void set_future(void *future)
{
        pen_future_set(future, 7);
}

SCENARIO(futures_and_calls, VIRTUAL)
{
        PEN_CLEANUP(pen_future_freep) struct pen_future *future = NULL;
        int result;

        TRY(pen_future_create(&future));
        TRY(pen_call_threadsafe(pen_loop_current(), set_future, future));
        TRY(pen_future_wait(future, &result));
        return result;
}

SCENARIO(groups, VIRTUAL)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;

        TRY(pen_group_create(&group));
        for (int i = 0; i < 70; i++)
                TRY(pen_group_spawn(group, "child", nap, NULL, NULL));
        return pen_group_join(group);
}

SCENARIO(waiting_for_several, VIRTUAL)
{
        PEN_CLEANUP(pen_as_completed_freep) struct pen_as_completed *done = NULL;
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *a = NULL, *b = NULL;
        struct pen_task *both[2], *next;

        TRY(pen_spawn(nap, NULL, &a));
        TRY(pen_spawn(nap, NULL, &b));
        both[0] = a;
        both[1] = b;
        TRY(pen_wait(both, 2, PEN_ALL_COMPLETED, PEN_SEC / 2));
        TRY(pen_as_completed_create(both, 2, PEN_MINUTE, &done));
        TRY(pen_as_completed_next(done, &next));
        return pen_shield(b, NULL);
}

/* Those that are gathered have ended, whatever failed: they use the frame of who gathers. */
SCENARIO(gathering, VIRTUAL)
{
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *a = NULL, *b = NULL;
        struct pen_task *both[2];
        int r;

        TRY(pen_spawn(nap, NULL, &a));
        TRY(pen_spawn(nap, NULL, &b));
        both[0] = a;
        both[1] = b;
        r = pen_gather(both, 2, NULL, 0);
        if (!pen_task_done(a) || !pen_task_done(b))
                abort(); /* no memory for an assertion */
        return r;
}

static int nap_for(void *item, void *arg)
{
        (void)item;
        return nap(arg);
}

SCENARIO(each_of_many, VIRTUAL)
{
        void *items[100] = { 0 };

        return pen_each(items, ARRAY_SIZE(items), 10, nap_for, NULL);
}

/* --- around tasks ------------------------------------------------------------------------------- */

static int three(struct pen_gen *gen, void *arg)
{
        int r = 0;

        for (int i = 0; i < 3 && r == 0; i++) {
                r = nap(arg);
                if (r == 0)
                        r = pen_gen_yield(gen, arg);
        }
        return r;
}

SCENARIO(generators, VIRTUAL)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *whole = NULL, *half = NULL, *none = NULL;
        void *item;
        int r;

        TRY(pen_gen_create(three, NULL, &whole));
        TRY(pen_gen_create(three, NULL, &half));
        TRY(pen_gen_create(three, NULL, &none));
        while ((r = pen_gen_next(whole, &item)) > 0)
                ;
        TRY(r);
        return pen_gen_next(half, &item);
}

SCENARIO(scopes, VIRTUAL)
{
        PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;

        for (int i = 0; i < 10; i++) {
                void *p = malloc(10);

                if (!p)
                        return -ENOMEM;
                TRY(pen_scope_defer(&scope, free, p));
        }
        return 0;
}

static const struct pen_task_local first = { .free_value = free }, second = { .free_value = free };

static int set_local(const struct pen_task_local *variable)
{
        void *p = malloc(10);
        int r = p ? pen_task_local_set(variable, p) : -ENOMEM;

        if (r < 0)
                free(p);
        return r;
}

static int child_with_locals(void *arg)
{
        (void)arg;
        TRY(set_local(&first));
        TRY(pen_yield());
        return set_local(&second);
}

SCENARIO(locals, VIRTUAL)
{
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *child = NULL;
        int result;

        TRY(set_local(&first));
        TRY(set_local(&second));
        TRY(pen_spawn(child_with_locals, NULL, &child));
        TRY(set_local(&first));
        TRY(pen_await(child, &result));
        return result;
}

static int open_item(void *data, void **ret_item)
{
        (void)data;
        TRY(pen_yield());
        *ret_item = malloc(1);
        return *ret_item ? 0 : -ENOMEM;
}

static void close_item(void *data, void *item)
{
        (void)data;
        free(item);
}

static int use_pool(void *pool)
{
        void *item;

        int r;

        TRY(pen_pool_acquire(pool, &item));
        r = pen_sleep(PEN_SEC);
        pen_pool_release(pool, item);
        return r;
}

SCENARIO(pools, VIRTUAL)
{
        static const struct pen_pool_options options = { .max = 2,
                                                         .open = open_item,
                                                         .close = close_item };
        PEN_CLEANUP(pen_pool_freep) struct pen_pool *pool = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *users = NULL;

        TRY(pen_pool_create(&options, &pool));
        TRY(pen_group_create(&users));
        for (int i = 0; i < 4; i++)
                TRY(pen_group_spawn(users, NULL, use_pool, pool, NULL));
        return pen_group_join(users);
}

static int fail_twice(void *arg)
{
        int *n = arg;

        return ++*n < 3 ? -EIO : 0;
}

SCENARIO(retries, VIRTUAL)
{
        struct pen_retry_policy policy = PEN_RETRY_DEFAULT;
        int n = 0;

        return pen_retry(&policy, fail_twice, &n);
}

int main(void)
{
        failing_init();
        return RUN_SUITE("malloc", nothing_at_all, tasks, two_hundred_tasks, deadlines, queues,
                         locks, futures_and_calls, groups, waiting_for_several, gathering,
                         each_of_many, generators, scopes, locals, pools, retries);
}
