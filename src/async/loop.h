/* The loop's inside: what the rooms of src/async share.
 *
 * A loop runs on its thread's own stack (the root) and on those of its tasks. Control goes from
 * task to task directly; it returns to the root when nothing is runnable, when a task has ended,
 * when a task asks for the big stack, and at the latest when it is time to look at I/O.
 * Everything that libevent or libcurl call back runs on the root, between two runs of tasks.
 */
#pragma once

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

#include <async/stack.h>
#include <async/switch.h>
#include <base/heap.h>
#include <base/list.h>
#include <base/random.h>
#include <penstock/loop.h>
#include <penstock/task.h>

struct locals;
struct overflow_watch;
struct pen_group;
struct resolver;
struct signals;
struct thread_pool;
struct watch;

/* --- time ------------------------------------------------------------------------------------- */

struct timer {
        struct heap_node node;
        void (*fn)(struct timer *timer); /* on the root, or in loop_run_until_idle */
};

#define TIMER_INIT(f)                             \
        {                                         \
                .node = HEAP_NODE_INIT, .fn = (f) \
        }

/* --- tasks ------------------------------------------------------------------------------------ */

enum task_state {
        TASK_READY, /* in the run queue */
        TASK_RUNNING,
        TASK_SUSPENDED, /* task_wake will make it ready */
        TASK_DONE,
};

/* Called once when the task has ended, on the root. */
struct done_hook {
        struct list link;
        void (*fn)(struct done_hook *hook, struct pen_task *task);
};

struct pen_task {
        struct context context;
        struct pen_loop *loop;
        struct stack *stack; /* that it runs on: its own, a generator's; NULL for the root */
        struct pen_task *next_ready;
        enum task_state state;

        bool interrupt; /* a cancellation is to be delivered now: undelivered and not masked */
        unsigned undelivered;    /* cancellation requests */
        uint64_t requests;       /* ever made: each is known by its number */
        uint64_t delivered;      /* the number of the last one that was */
        unsigned cancelling;     /* requests, delivered or not, less those taken back */
        unsigned uncancellable;  /* depth */
        struct pen_task *awaits; /* a cancellation goes on to this one */
        bool forwarded;          /* one has */

        int (*fn)(void *arg);
        void *arg;
        int result;
        bool retrieved; /* somebody has seen the result */
        unsigned refs;
        struct list done_hooks;
        struct list link; /* among the loop's tasks */

        struct locals *locals; /* NULL: none was ever set */
        struct pen_group *group;
        struct list group_link;

        const char *waits_for; /* what it is suspended in, for dumps */
        pen_usec since;        /* when that began */
        uint64_t number;
        char name[32]; /* empty: made of the number when somebody asks */
};

/* What a task wants done on the root: pen_on_thread_stack. */
struct errand {
        int (*fn)(void *arg);
        void *arg;
        struct pen_task *task;
        int result;
};

/* --- the loop --------------------------------------------------------------------------------- */

struct pen_loop {
        struct pen_task *current; /* the root when no task runs */
        struct pen_task *ready_first, *ready_last;
        unsigned budget;  /* resumptions until the next look at the clock */
        unsigned slice;   /* that many at a time; in debug mode each is looked at */
        unsigned resumed; /* since the last look at I/O */
        uint64_t looked;  /* at the clock, then */
        pen_usec now;
        pen_usec polled; /* when I/O was looked at last */

        struct heap timers;
        struct event_base *base;
        struct event *alarm;
        size_t n_events; /* that can wake a task: fds, signals */
        size_t n_busy;   /* threads and children under way: they hold the virtual clock back */
        struct list deferred;

        struct pen_task root;
        struct pen_task *ended; /* to be reaped by the root */
        bool ending;            /* main has ended: all others are cancelled */
        atomic_bool closed;     /* it takes no more calls: other threads look */
        struct errand errand;

        struct stack_pool stacks;
        struct list generators; /* that have a stack */
        struct list tasks;
        size_t n_tasks;
        uint64_t n_spawned;

        pthread_mutex_t lock; /* of `calls` */
        struct list calls;    /* from other threads */
        int wake_fd;
        struct event *wake_event;

        struct thread_pool *threads, *resolver_threads; /* made when first used */
        struct signals *signals;
        struct event *interrupt; /* SIGINT cancels main, once */
        struct overflow_watch *overflow;
        struct resolver *resolver;

        struct pen_options options;
        struct random random;
        uint64_t trace;      /* with a seed: which task ran when */
        struct watch *watch; /* debug mode's */
};

extern __thread struct pen_loop *current_loop
        __attribute__((tls_model("initial-exec"), visibility("hidden")));

int loop_create(const struct pen_options *options, struct pen_loop **ret_loop);

/* All tasks have ended. */
void loop_free(struct pen_loop *loop);

/* Looks at I/O and timers, waiting for them if nothing is runnable and `may_wait`; then runs what is
 * runnable until that is used up or it is time to look again. False: nothing has happened and, as far as the loop knows, nothing ever will. */
bool loop_turn(struct pen_loop *loop, bool may_wait);

/* For tests: turns until nothing is runnable, without waiting and without moving the clock. */
void loop_run_until_idle(struct pen_loop *loop);

/* For tests, with the virtual clock: lets `usec` pass, stopping at each timer on the way. */
void loop_advance(struct pen_loop *loop, pen_usec usec);

void loop_log(struct pen_loop *loop, enum pen_log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The loop's clock, read now; loop->now is that of the turn's beginning. */
pen_usec loop_time(const struct pen_loop *loop);

/* Of children and servers, for whom no clock is virtual. */
pen_usec loop_real_time(void);

/* Does what was deferred, looks at I/O and timers, waiting for them if nothing is runnable and
 * `may_wait`. False: nothing can happen any more, or, without waiting, nothing has. */
bool loop_poll(struct pen_loop *loop, bool may_wait);

int timer_start(struct pen_loop *loop, struct timer *timer, pen_usec due); /* -ENOMEM */
void timer_stop(struct pen_loop *loop, struct timer *timer);

/* From any thread: fn(call) on the root, soon. The call is the caller's memory until then. */
struct thread_call {
        struct list link;
        void (*fn)(struct thread_call *call);
};

void loop_post(struct pen_loop *loop, struct thread_call *call);
void loop_run_calls(struct pen_loop *loop);

/* Something to do on the root before I/O is looked at next, and before the virtual clock moves: what
 * the tasks of one turn write leaves together. The link is initialized, and may be removed. */
struct deferred {
        struct list link;
        void (*fn)(struct deferred *deferred);
};

static inline void loop_defer(struct pen_loop *loop, struct deferred *deferred)
{
        if (list_empty(&deferred->link))
                list_append(&loop->deferred, &deferred->link);
}

/* now + usec, PEN_FOREVER staying what it is. */
static inline pen_usec time_after(pen_usec now, pen_usec usec)
{
        return usec > PEN_FOREVER - now ? PEN_FOREVER : now + usec;
}

/* --- suspending ------------------------------------------------------------------------------- */

/* Suspends the running task until task_wake. `what` is a literal, for dumps. 0: woken;
 * -ECANCELED: a cancellation was delivered (a wake-up may have come as well); -EDEADLK: the root. */
int task_suspend(struct pen_task *task, const char *what);

/* The running task's canary, wherever it changes stacks. */
void task_report_overflow(struct pen_task *task) __attribute__((noreturn));

static inline void task_check_stack(struct pen_task *task)
{
        if (UNLIKELY(!stack_intact(task->stack)))
                task_report_overflow(task);
}

/* Appends the task to the run queue. */
static inline void task_make_ready(struct pen_task *task)
{
        struct pen_loop *loop = task->loop;

        task->state = TASK_READY;
        task->next_ready = NULL;
        if (loop->ready_first)
                loop->ready_last->next_ready = task;
        else
                loop->ready_first = task;
        loop->ready_last = task;
}

/* Makes a suspended task runnable; does nothing for any other. */
static inline void task_wake(struct pen_task *task)
{
        if (task->state == TASK_SUSPENDED)
                task_make_ready(task);
}

int task_deliver(struct pen_task *task);

/* How a task's requests stood at some moment. */
struct mark {
        uint64_t delivered;
        unsigned cancelling; /* of those delivered */
};

static inline struct mark task_mark(const struct pen_task *task)
{
        return (struct mark){ task->delivered, task->cancelling - task->undelivered };
}

/* Undoes the deliveries since then, but for what was taken back: they were not for those that met
 * them. */
void task_redeliver(struct pen_task *task, struct mark since);

/* A cancellation that its maker will take back: a timeout's, a group's. Answers its number. */
uint64_t task_request(struct pen_task *task);

/* Answers how many requests remain, as pen_uncancel. */
unsigned task_take_back(struct pen_task *task, uint64_t request);

/* The first line of every PEN_ASYNC function: delivers what is pending. */
static inline int task_checkpoint(struct pen_task *task)
{
        return UNLIKELY(task->interrupt) ? task_deliver(task) : 0;
}

/* One place in a line of waiting tasks; lives in the frame of the one that waits. */
struct waiter {
        struct list link;
        struct pen_task *task;
        bool woken; /* by waiters_wake_*; it is no longer in the line then */
};

/* Waits in the line. 0: woken. -ECANCELED: `*ret_woken` (may be NULL) says whether the wake-up had
 * been given as well: then the caller passes it on. */
static inline int waiters_wait(struct list *line, struct pen_task *task, const char *what,
                               bool *ret_woken)
{
        struct waiter waiter = { .task = task };
        int r;

        list_append(line, &waiter.link);
        r = task_suspend(task, what);
        list_remove(&waiter.link);
        if (ret_woken)
                *ret_woken = waiter.woken;
        return r;
}

static inline bool waiters_wake_one(struct list *line)
{
        struct waiter *first;

        if (list_empty(line))
                return false;
        first = list_first(line, struct waiter, link);
        list_remove(&first->link);
        first->woken = true;
        task_wake(first->task);
        return true;
}

void waiters_wake_all(struct list *line);

/* Frees the task's stack, if nobody has a reference any more, and tells who waits for it. */
void task_reap(struct pen_task *task);

/* What the task's variables are: shared by those that see the same ones. */
struct locals *locals_ref(struct locals *locals);
void locals_unref(struct locals *locals);

/* --- rooms that live as long as the loop -------------------------------------------------------- */

/* When all tasks have ended: makes one that ends the bodies that have begun. False: there is none, or no
 * memory for it; `free` abandons them then. */
bool loop_generators_close(struct pen_loop *loop);
void loop_generators_free(struct pen_loop *loop);
void loop_threads_free(struct pen_loop *loop);
void loop_resolver_free(struct pen_loop *loop);
void loop_signals_free(struct pen_loop *loop);

/* SIGINT cancels the task once, if its disposition is the default and this is the main thread; a
 * second one then acts as it did before. Void once somebody waits for SIGINT himself. */
void loop_cancel_on_interrupt(struct pen_loop *loop, struct pen_task *task);
