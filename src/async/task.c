#include <async/loop.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <async/group.h>

/* --- life ------------------------------------------------------------------------------------- */

static void task_main(void *arg)
{
        struct pen_task *task = arg;
        struct pen_loop *loop = task->loop;

        context_arrived(&task->context);
        task->state = TASK_RUNNING;
        task->result = task->fn(task->arg);
        task_check_stack(task);
        task->state = TASK_DONE;
        loop->ended = task;
        loop->current = &loop->root;
        context_leave(&task->context, &loop->root.context);
}

int pen_spawn_with(const struct pen_spawn_options *options, int (*fn)(void *arg), void *arg,
                   struct pen_task **ret_task)
{
        struct pen_loop *loop = current_loop;
        struct pen_task *task;
        struct stack *stack;
        int r;

        if (!loop)
                return -ENXIO;
        r = stack_acquire(&loop->stacks, options->stack_size, &stack);
        if (r < 0)
                return r;
        task = stack_start(stack, sizeof(*task)); /* one page holds it and its first frames */
        *task = (struct pen_task){
                .loop = loop,
                .stack = stack,
                .state = TASK_SUSPENDED,
                .fn = fn,
                .arg = arg,
                .refs = ret_task ? 2 : 1,
                .locals = locals_ref(loop->current->locals),
                .waits_for = "its first run",
                .number = ++loop->n_spawned,
        };
        if (options->name)
                snprintf(task->name, sizeof(task->name), "%s", options->name);
        context_init(&task->context, stack->low, task, task_main, task);
        list_init(&task->done_hooks);
        list_init(&task->group_link);
        list_append(&loop->tasks, &task->link);
        loop->n_tasks++;
        task_wake(task);
        if (loop->ending)
                pen_task_cancel(task);
        if (ret_task)
                *ret_task = task;
        return 0;
}

int pen_spawn(int (*fn)(void *arg), void *arg, struct pen_task **ret_task)
{
        static const struct pen_spawn_options defaults = { 0 };

        return pen_spawn_with(&defaults, fn, arg, ret_task);
}

void task_reap(struct pen_task *task)
{
        struct list hooks = LIST_INIT(hooks);

        list_remove(&task->link);
        task->loop->n_tasks--;
        locals_unref(TAKE(task->locals));
        list_splice(&hooks, &task->done_hooks);
        while (!list_empty(&hooks)) {
                struct done_hook *hook = list_first(&hooks, struct done_hook, link);

                list_remove(&hook->link);
                hook->fn(hook, task);
        }
        if (task->group)
                group_child_ended(task->group, task);
        pen_task_unref(task);
}

struct pen_task *pen_task_ref(struct pen_task *task)
{
        task->refs++;
        return task;
}

struct pen_task *pen_task_unref(struct pen_task *task)
{
        if (!task || --task->refs > 0)
                return NULL;
        if (task->result < 0 && task->result != -ECANCELED && !task->retrieved)
                loop_log(task->loop, PEN_LOG_ERROR, "task %s failed, and nobody asked: %s",
                         pen_task_name(task), strerror(-task->result));
        context_deinit(&task->context);
        stack_release(&task->loop->stacks, task->stack);
        return NULL;
}

void pen_task_unrefp(struct pen_task **task)
{
        pen_task_unref(*task);
}

/* --- looking ------------------------------------------------------------------------------------ */

struct pen_task *pen_task_current(void)
{
        return current_loop && current_loop->current->stack ? current_loop->current : NULL;
}

const char *pen_task_name(struct pen_task *task)
{
        if (!task->name[0])
                snprintf(task->name, sizeof(task->name), "task-%llu",
                         (unsigned long long)task->number);
        return task->name;
}

bool pen_task_done(const struct pen_task *task)
{
        return task->state == TASK_DONE;
}

int pen_task_result(struct pen_task *task)
{
        if (!pen_task_done(task))
                return -EAGAIN;
        task->retrieved = true;
        return task->result;
}

/* --- cancellation ------------------------------------------------------------------------------- */

static void update_interrupt(struct pen_task *task)
{
        task->interrupt = task->undelivered > 0 && task->uncancellable == 0;
}

bool pen_task_cancel(struct pen_task *task)
{
        if (pen_task_done(task))
                return false;
        /* One that waits for another passes the request on, and gets that one's end. Bounded, for
         * they may wait for each other. */
        for (size_t n = task->loop->n_tasks; n > 0; n--) {
                if (!task->awaits || task->uncancellable > 0 || task->undelivered > 0)
                        break;
                task->cancelling++;
                task->delivered = ++task->requests; /* to the other one */
                task->forwarded = true;
                task = task->awaits;
        }
        task->cancelling++;
        task->undelivered++;
        task->requests++;
        update_interrupt(task);
        if (task->interrupt)
                task_wake(task);
        return true;
}

int task_deliver(struct pen_task *task)
{
        task->undelivered = 0;
        task->delivered = task->requests;
        task->interrupt = false;
        return -ECANCELED;
}

unsigned pen_cancelling(void)
{
        return current_loop ? current_loop->current->cancelling : 0;
}

static unsigned uncancel(struct pen_task *task)
{
        if (task->cancelling > 0)
                task->cancelling--;
        task->undelivered = MIN(task->undelivered, task->cancelling);
        update_interrupt(task);
        return task->cancelling;
}

unsigned pen_uncancel(void)
{
        return current_loop ? uncancel(current_loop->current) : 0;
}

void task_redeliver(struct pen_task *task, struct mark since)
{
        if (task->cancelling <= since.cancelling)
                return;
        task->undelivered = task->cancelling - since.cancelling;
        task->delivered = since.delivered;
        update_interrupt(task);
}

uint64_t task_request(struct pen_task *task)
{
        pen_task_cancel(task);
        return task->requests;
}

unsigned task_take_back(struct pen_task *task, uint64_t request)
{
        if (request > task->delivered && task->undelivered > 0)
                task->undelivered--;
        return uncancel(task);
}

void pen_uncancellable_begin(void)
{
        struct pen_task *task = current_loop ? current_loop->current : NULL;

        if (task) {
                task->uncancellable++;
                update_interrupt(task);
        }
}

void pen_uncancellable_end(void)
{
        struct pen_task *task = current_loop ? current_loop->current : NULL;

        if (task) {
                task->uncancellable--;
                update_interrupt(task);
        }
}

/* --- waiting ------------------------------------------------------------------------------------ */

struct awaiting {
        struct done_hook hook;
        struct pen_task *waiter;
};

static void wake_waiter(struct done_hook *hook, struct pen_task *task)
{
        struct pen_task *waiter = container_of(hook, struct awaiting, hook)->waiter;

        (void)task;
        waiter->awaits = NULL;
        task_wake(waiter);
}

static int await(struct pen_task *task, bool pass_on, int *ret_result)
{
        struct pen_task *self = task->loop->current;
        struct awaiting awaiting = { .hook.fn = wake_waiter, .waiter = self };
        struct mark before = task_mark(self);
        int r = task_checkpoint(self);
        /* What is pending goes on as if it came while we wait: the task may use what is ours. */
        bool passed = r < 0 && pass_on && task != self && pen_task_cancel(task);

        if (r < 0 && !passed)
                return r;
        if (task == self)
                return -EDEADLK;
        if (!pen_task_done(task)) {
                list_append(&task->done_hooks, &awaiting.hook.link);
                self->awaits = pass_on ? task : NULL;
                self->forwarded = passed;
                r = task_suspend(self, "another task");
                self->awaits = NULL;
                list_remove(&awaiting.hook.link);
                if (r < 0)
                        return r;
                if (self->forwarded && task->result == -ECANCELED)
                        return -ECANCELED;
                if (self->forwarded && task->undelivered > 0)
                        task_redeliver(self, before); /* it has not met what went on to it */
        }
        task->retrieved = true;
        if (ret_result)
                *ret_result = task->result;
        return 0;
}

int pen_await(struct pen_task *task, int *ret_result)
{
        return await(task, true, ret_result);
}

int pen_shield(struct pen_task *task, int *ret_result)
{
        return await(task, false, ret_result);
}

struct nap {
        struct timer timer;
        struct pen_task *task;
};

static void end_nap(struct timer *timer)
{
        task_wake(container_of(timer, struct nap, timer)->task);
}

int pen_sleep(pen_usec usec)
{
        struct nap nap = { .timer = TIMER_INIT(end_nap) };
        struct pen_loop *loop = current_loop;
        int r;

        if (usec == 0)
                return pen_yield();
        if (!loop)
                return -EDEADLK;
        nap.task = loop->current;
        r = timer_start(loop, &nap.timer, time_after(loop->now, usec));
        if (r < 0)
                return r;
        r = task_suspend(nap.task, "time");
        timer_stop(loop, &nap.timer);
        return r;
}

/* --- lines of waiting tasks --------------------------------------------------------------------- */

void waiters_wake_all(struct list *line)
{
        while (waiters_wake_one(line))
                ;
}
