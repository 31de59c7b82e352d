/* The scheduler: who runs next, and how control gets there. */
#include <async/loop.h>

#include <errno.h>

#include <async/debug.h>

/* I/O is looked at after so many resumptions or so much time, whichever is first. Reading the clock
 * costs as much as a switch, so it is read every few resumptions, and each time if those are long. */
#define RESUMPTIONS_MAX 256
#define RESUMPTIONS_SLICE 16
#define RUN_MAX (100 * PEN_USEC)

__thread struct pen_loop *current_loop;

/* --- the run queue ------------------------------------------------------------------------------ */

/* What pen_trace_hash answers. A step is a bijection, so two traces stay apart once they differ
 * (but for a later step that differs as well and happens to make up for it). */
static void trace(struct pen_loop *loop, const struct pen_task *task)
{
        uint64_t hash = (loop->trace ^ task->number) * 0x9e3779b97f4a7c15;

        hash = ((hash ^ hash >> 32) ^ loop->now) * 0xbf58476d1ce4e5b9;
        loop->trace = hash ^ hash >> 29;
}

/* With a seed: any of the runnable ones. */
static struct pen_task *take_ready_at_random(struct pen_loop *loop)
{
        struct pen_task **i = &loop->ready_first, *before = NULL, *task;
        uint64_t n = 0;

        for (task = loop->ready_first; task; task = task->next_ready)
                n++;
        if (n == 0)
                return NULL;
        for (n = random_below(&loop->random, n); n > 0; n--) {
                before = *i;
                i = &before->next_ready;
        }
        task = *i;
        *i = task->next_ready;
        if (loop->ready_last == task)
                loop->ready_last = before;
        trace(loop, task);
        return task;
}

static inline struct pen_task *take_ready(struct pen_loop *loop)
{
        struct pen_task *task;

        if (UNLIKELY(loop->options.seed))
                return take_ready_at_random(loop);
        task = loop->ready_first;
        if (task)
                loop->ready_first = task->next_ready;
        return task;
}

/* The slice is used up: is it time to look at I/O? */
static bool time_to_poll(struct pen_loop *loop)
{
        pen_usec now = loop_time(loop);

        if (UNLIKELY(loop->watch))
                watch_next(loop);
        loop->resumed += loop->slice;
        loop->budget = 1;
        /* One runs in any case, however long we were kept from it. */
        if (loop->resumed >= RESUMPTIONS_MAX ||
            (loop->resumed > 1 && now - loop->polled >= RUN_MAX))
                return true;
        loop->budget = now - loop->looked < RUN_MAX / 4 ? loop->slice : 1;
        loop->looked = now;
        return false;
}

/* Who runs next: a task, or the root. */
static inline struct pen_task *choose_next(struct pen_loop *loop)
{
        struct pen_task *next;

        if (UNLIKELY(--loop->budget == 0) && time_to_poll(loop))
                return &loop->root;
        next = take_ready(loop);
        return next ? next : &loop->root;
}

static inline void switch_to(struct pen_loop *loop, struct pen_task *from, struct pen_task *to)
{
        if (from == to)
                return;
        loop->current = to;
        context_switch(&from->context, &to->context);
}

void task_report_overflow(struct pen_task *task)
{
        loop_log(task->loop, PEN_LOG_ERROR, "task %s has run past the end of its stack of %zu KiB",
                 pen_task_name(task), (size_t)(task->stack->top - task->stack->low) >> 10);
        abort();
}

int task_suspend(struct pen_task *task, const char *what)
{
        struct pen_loop *loop = task->loop;
        int r;

        if (UNLIKELY(!task->stack))
                return -EDEADLK;
        r = task_checkpoint(task);
        if (r < 0)
                return r;
        task_check_stack(task);
        task->state = TASK_SUSPENDED;
        task->waits_for = what;
        task->since = loop->now;
        switch_to(loop, task, choose_next(loop));
        task->state = TASK_RUNNING;
        return task_checkpoint(task);
}

int pen_yield(void)
{
        struct pen_loop *loop = current_loop;
        struct pen_task *task;
        int r;

        if (!loop)
                return -EDEADLK;
        task = loop->current;
        if (UNLIKELY(!task->stack))
                return -EDEADLK;
        r = task_checkpoint(task);
        if (r < 0)
                return r;
        task_check_stack(task);
        task->waits_for = "its turn";
        task_make_ready(task);
        switch_to(loop, task, choose_next(loop));
        task->state = TASK_RUNNING;
        return task_checkpoint(task);
}

int pen_on_thread_stack(int (*fn)(void *arg), void *arg)
{
        struct pen_loop *loop = current_loop;
        struct pen_task *task;

        if (!loop || !loop->current->stack)
                return fn(arg);
        task = loop->current;
        loop->errand = (struct errand){ .fn = fn, .arg = arg, .task = task };
        switch_to(loop, task, &loop->root);
        return loop->errand.result;
}

/* --- the root ----------------------------------------------------------------------------------- */

/* Switches to the task; then does what tasks want done on this stack, until one has no wish. */
static void run_task(struct pen_loop *loop, struct pen_task *task)
{
        switch_to(loop, &loop->root, task);
        while (loop->errand.fn) {
                struct errand *errand = &loop->errand;
                int (*fn)(void *) = TAKE(errand->fn);

                errand->result = fn(errand->arg);
                switch_to(loop, &loop->root, TAKE(errand->task));
        }
        if (loop->ended) {
                if (UNLIKELY(loop->watch))
                        watch_next(loop);
                task_reap(TAKE(loop->ended));
        }
}

bool loop_turn(struct pen_loop *loop, bool may_wait)
{
        bool happened = loop_poll(loop, may_wait);
        struct pen_task *next;

        loop->polled = loop->looked = loop->now;
        loop->resumed = 0;
        loop->budget = loop->slice = loop->watch ? 1 : RESUMPTIONS_SLICE;
        while ((next = choose_next(loop)) != &loop->root) {
                run_task(loop, next);
                happened = true;
        }
        return happened;
}

void loop_run_until_idle(struct pen_loop *loop)
{
        while (loop_turn(loop, false))
                ;
}

void loop_advance(struct pen_loop *loop, pen_usec usec)
{
        pen_usec end = loop->now + usec;
        struct heap_node *next;

        loop_run_until_idle(loop);
        while ((next = heap_peek(&loop->timers)) && next->key <= end) {
                loop->now = MAX(loop->now, next->key);
                loop_run_until_idle(loop);
        }
        loop->now = end;
}
