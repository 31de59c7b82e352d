#include <async/thread.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <async/loop.h>

struct thread_pool {
        struct pen_loop *loop;
        unsigned max;

        pthread_mutex_t lock; /* of what follows, and of the state of all work */
        pthread_cond_t changed;
        struct list queue;
        size_t n_queued;
        unsigned n_threads, n_idle;
        unsigned n_abandoned; /* threads in a call that nobody waits for */
        bool closing;
        bool orphaned; /* thread_pool_free has left: the last thread frees it */
};

enum work_state {
        WORK_QUEUED,
        WORK_RUNNING,
        WORK_ENDED,
        WORK_ABANDONED, /* the one who waited has gone: the thread cleans up */
};

struct work {
        struct thread_call call;
        struct list link;
        struct thread_pool *pool;
        enum work_state state;
        int (*fn)(void *arg);
        void *arg;
        void (*free_arg)(void *arg);
        int result;
        struct pen_task *waiter;
        bool arrived; /* the loop has been told of the end */
};

int thread_pool_create(struct pen_loop *loop, unsigned max_threads, struct thread_pool **ret_pool)
{
        struct thread_pool *pool = malloc(sizeof(*pool));

        if (!pool)
                return -ENOMEM;
        *pool = (struct thread_pool){ .loop = loop, .max = max_threads };
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->changed, NULL);
        list_init(&pool->queue);
        *ret_pool = pool;
        return 0;
}

/* Called with the lock held. */
static void destroy(struct thread_pool *pool)
{
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_destroy(&pool->changed);
        pthread_mutex_destroy(&pool->lock);
        free(pool);
}

void thread_pool_free(struct thread_pool *pool)
{
        if (!pool)
                return;
        pthread_mutex_lock(&pool->lock);
        pool->closing = true;
        pthread_cond_broadcast(&pool->changed);
        while (pool->n_threads > pool->n_abandoned)
                pthread_cond_wait(&pool->changed, &pool->lock);
        pool->orphaned = pool->n_threads > 0;
        if (pool->orphaned)
                pthread_mutex_unlock(&pool->lock);
        else
                destroy(pool);
}

/* --- in the threads ----------------------------------------------------------------------------- */

static void free_work(struct work *work)
{
        if (work->free_arg)
                work->free_arg(work->arg);
        free(work);
}

/* On the root. */
static void tell_loop(struct thread_call *call)
{
        struct work *work = container_of(call, struct work, call);

        work->arrived = true;
        if (work->waiter)
                task_wake(work->waiter);
        else
                free_work(work);
}

/* Called with the lock held. */
static void unqueue(struct work *work)
{
        list_remove(&work->link);
        work->pool->n_queued--;
}

/* Called and left with the lock held. */
static void do_work(struct thread_pool *pool, struct work *work)
{
        int result;

        unqueue(work);
        work->state = WORK_RUNNING;
        pthread_mutex_unlock(&pool->lock);
        result = work->fn(work->arg);
        pthread_mutex_lock(&pool->lock);
        if (work->state == WORK_ABANDONED) {
                pthread_mutex_unlock(&pool->lock);
                free_work(work);
                pthread_mutex_lock(&pool->lock);
                pool->n_abandoned--;
                return;
        }
        work->state = WORK_ENDED;
        work->result = result;
        loop_post(pool->loop, &work->call);
}

static void *run_thread(void *arg)
{
        struct thread_pool *pool = arg;

        pthread_mutex_lock(&pool->lock);
        for (;;) {
                while (list_empty(&pool->queue) && !pool->closing) {
                        pool->n_idle++;
                        pthread_cond_wait(&pool->changed, &pool->lock);
                        pool->n_idle--;
                }
                if (list_empty(&pool->queue))
                        break;
                do_work(pool, list_first(&pool->queue, struct work, link));
        }
        pool->n_threads--;
        pthread_cond_broadcast(&pool->changed);
        if (pool->orphaned && pool->n_threads == 0)
                destroy(pool);
        else
                pthread_mutex_unlock(&pool->lock);
        return NULL;
}

/* --- in the loop -------------------------------------------------------------------------------- */

/* Signals are the loop's: no thread of the pool takes one. Called with the lock held. */
static int start_thread(struct thread_pool *pool)
{
        sigset_t all, before;
        pthread_attr_t attr;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        r = pthread_create(&thread, &attr, run_thread, pool);
        pthread_attr_destroy(&attr);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                pool->n_threads++;
        return -r;
}

static int submit(struct thread_pool *pool, struct work *work)
{
        int r = 0;

        pthread_mutex_lock(&pool->lock);
        list_append(&pool->queue, &work->link);
        pool->n_queued++;
        if (pool->n_queued <= pool->n_idle) /* which have not all heard of what was queued before */
                pthread_cond_signal(&pool->changed);
        else if (pool->n_threads < pool->max)
                r = start_thread(pool);
        if (r < 0 && pool->n_threads == 0)
                unqueue(work);
        else
                r = 0; /* a thread there is will come to it */
        pthread_mutex_unlock(&pool->lock);
        return r < 0 ? -EAGAIN : 0;
}

static int wait_for(struct work *work, const char *what)
{
        struct pen_loop *loop = work->pool->loop;
        int r = 0;

        loop->n_busy++;
        while (!work->arrived && r == 0)
                r = task_suspend(work->waiter, what);
        loop->n_busy--;
        return r;
}

/* Takes it back, if no thread has it yet; otherwise leaves it `instead`. */
static enum work_state withdraw(struct work *work, enum work_state instead)
{
        struct thread_pool *pool = work->pool;
        enum work_state state;

        pthread_mutex_lock(&pool->lock);
        state = work->state;
        if (state == WORK_QUEUED) {
                unqueue(work);
        } else if (state == WORK_RUNNING && instead == WORK_ABANDONED) {
                work->state = WORK_ABANDONED;
                pool->n_abandoned++;
        }
        pthread_mutex_unlock(&pool->lock);
        return state;
}

int thread_pool_run(struct thread_pool *pool, int (*fn)(void *arg), void *arg, int *ret_result)
{
        struct work work = { .call.fn = tell_loop,
                             .pool = pool,
                             .fn = fn,
                             .arg = arg,
                             .waiter = pool->loop->current };
        struct mark before;
        int r = task_checkpoint(work.waiter);

        if (r == 0)
                r = submit(pool, &work);
        if (r < 0)
                return r;
        before = task_mark(work.waiter);
        r = wait_for(&work, "a thread");
        if (r < 0) {
                if (withdraw(&work, WORK_RUNNING) == WORK_QUEUED)
                        return r;
                pen_uncancellable_begin();
                (void)wait_for(&work, "a thread, cancelled");
                pen_uncancellable_end();
                task_redeliver(work.waiter, before);
        }
        if (ret_result)
                *ret_result = work.result;
        return 0;
}

/* The caller no longer waits. */
static void give_up(struct work *work)
{
        enum work_state state = withdraw(work, WORK_ABANDONED);

        if (state == WORK_RUNNING)
                return;      /* the thread's now */
        work->waiter = NULL; /* if the end is on its way, tell_loop frees it */
        if (state == WORK_QUEUED || work->arrived)
                free_work(work);
}

int thread_pool_run_detached(struct thread_pool *pool, int (*fn)(void *arg), void *arg,
                             void (*free_arg)(void *arg), int *ret_result)
{
        struct pen_task *self = pool->loop->current;
        struct work *work = malloc(sizeof(*work));
        int r = -ENOMEM;

        if (!work) {
                if (free_arg)
                        free_arg(arg);
                return r;
        }
        *work = (struct work){ .call.fn = tell_loop,
                               .pool = pool,
                               .fn = fn,
                               .arg = arg,
                               .free_arg = free_arg,
                               .waiter = self };
        r = task_checkpoint(self);
        if (r == 0)
                r = submit(pool, work);
        if (r == 0) {
                r = wait_for(work, "a thread");
                if (r < 0) {
                        give_up(work);
                        return r;
                }
                if (ret_result)
                        *ret_result = work->result;
        }
        free_work(work);
        return r;
}

/* --- the loop's pool ---------------------------------------------------------------------------- */

static unsigned default_threads(void)
{
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);

        return (unsigned)MIN(MAX(cpus, 1) + 4, 32); /* as Python's ThreadPoolExecutor */
}

static int get_pool(struct thread_pool **ret_pool)
{
        struct pen_loop *loop = current_loop;
        unsigned max;
        int r;

        if (!loop || !loop->current->stack)
                return -EDEADLK;
        if (!loop->threads) {
                max = loop->options.threads > 0 ? loop->options.threads : default_threads();
                r = thread_pool_create(loop, max, &loop->threads);
                if (r < 0)
                        return r;
        }
        *ret_pool = loop->threads;
        return 0;
}

void loop_threads_free(struct pen_loop *loop)
{
        thread_pool_free(TAKE(loop->threads));
}

int pen_to_thread(int (*fn)(void *arg), void *arg, int *ret_result)
{
        struct thread_pool *pool;
        int r = get_pool(&pool);

        return r < 0 ? r : thread_pool_run(pool, fn, arg, ret_result);
}

int pen_to_thread_detached(int (*fn)(void *arg), void *arg, void (*free_arg)(void *arg),
                           int *ret_result)
{
        struct thread_pool *pool;
        int r = get_pool(&pool);

        if (r < 0) {
                if (free_arg)
                        free_arg(arg);
                return r;
        }
        return thread_pool_run_detached(pool, fn, arg, free_arg, ret_result);
}
