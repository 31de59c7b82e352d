#include <penstock/thread.h>

#include <errno.h>
#include <semaphore.h>

#include <async/loop.h>
#include <penstock/timeout.h>

/* In the frame of the caller, who waits for `ended`. */
struct remote {
        struct thread_call call;
        struct pen_loop *loop;
        int (*fn)(void *arg);
        void *arg;
        pen_usec timeout, called;
        int r, result;
        sem_t ended;
};

static void answer(struct remote *remote, int r)
{
        remote->r = r;
        sem_post(&remote->ended); /* the last that may touch it */
}

/* What is left of the time: some went by before the loop came to it. */
static pen_usec time_left(const struct remote *remote)
{
        pen_usec waited = loop_real_time() - remote->called;

        if (remote->timeout == PEN_FOREVER)
                return PEN_FOREVER;
        return remote->timeout - MIN(waited, remote->timeout);
}

static int run_remote(void *arg)
{
        struct remote *remote = arg;
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, time_left(remote));
        remote->result = remote->fn(remote->arg);
        r = pen_timeout_end(&scope, remote->result);
        answer(remote, r != remote->result ? r : 0); /* it was the scope that ended it */
        return 0;
}

/* On the root. */
static void begin_remote(struct thread_call *call)
{
        struct remote *remote = container_of(call, struct remote, call);
        int r = remote->loop->ending ? -ESHUTDOWN : pen_spawn(run_remote, remote, NULL);

        if (r < 0)
                answer(remote, r);
}

int pen_run_threadsafe(struct pen_loop *loop, int (*fn)(void *arg), void *arg, pen_usec timeout,
                       int *ret_result)
{
        struct remote remote = {
                .call.fn = begin_remote,
                .loop = loop,
                .fn = fn,
                .arg = arg,
                .timeout = timeout,
                .called = loop_real_time(),
        };

        if (loop == current_loop)
                return -EDEADLK;
        sem_init(&remote.ended, 0, 0);
        loop_post(loop, &remote.call);
        while (sem_wait(&remote.ended) < 0)
                ; /* EINTR: a signal's handler has run */
        sem_destroy(&remote.ended);
        if (remote.r == 0 && ret_result)
                *ret_result = remote.result;
        return remote.r;
}
