/* A small world for tests: a loop with the virtual clock, moved by hand, what its tasks say and
 * what the library logs.
 *
 *     PEN_CLEANUP(world_deinit) struct world w = world_with(...);   // or world_init(&w)
 *     struct pen_task *t = world_spawn(&w, fn);                     // fn(&w)
 *     world_run_until_idle(&w);
 *
 * world_deinit cancels what is left and insists that it ends.
 */
#pragma once

#include "../runner.h"

#include <async/loop.h>
#include <base/util.h>

struct world {
        struct pen_loop *loop;
        char *log;        /* what the library said, a line each; on the heap: worlds are copied */
        char trace[4096]; /* what the tasks said */

        struct pen_task **tasks; /* those spawned here; the world has a reference */
        size_t n_tasks;

        /* What the tasks of a test share. Those that are set are freed with the world. */
        struct pen_queue *queue;
        struct pen_lock *lock;
        struct pen_event *event;
        struct pen_semaphore *semaphore;
        struct pen_future *future;
        struct pen_task *task; /* not freed: one of the above */
        int result;
};

void world_init(struct world *w);
void world_init_seeded(struct world *w, uint64_t seed);
void world_deinit(struct world *w);

/* fn(w), or fn(arg) */
struct pen_task *world_spawn(struct world *w, int (*fn)(void *world));
struct pen_task *world_spawn_named(struct world *w, const char *name, int (*fn)(void *world));
struct pen_task *world_spawn_arg(struct world *w, int (*fn)(void *arg), void *arg);

/* Lets everything run that can, without moving the clock; or lets time pass. */
void world_run_until_idle(struct world *w);
void world_advance(struct world *w, pen_usec usec);

/* Adds to the trace. */
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* pen_run with the virtual clock, for what needs threads, fds and the like to be waited for. */
int run_virtual(int (*fn)(void *arg), void *arg);

bool under_valgrind(void);

/* How many: fewer where a checker makes each dear (TSan's fibers end near 8,000). */
size_t many(size_t plain, size_t checked);

/* Sleeps for `usec`, then answers `result`. When cancelled it takes `cleanup` to end, which nobody may
 * interrupt, and answers `cancelled_result`, if that is not 0, or -ECANCELED. */
struct work {
        pen_usec usec;
        int result;
        pen_usec cleanup;
        int cancelled_result;
};

#define WORK(u, r, ...)                                 \
        {                                               \
                .usec = (u), .result = (r), __VA_ARGS__ \
        }

int work(void *work);

/* fn(world) of common use */
int sleep_forever(void *world); /* what pen_sleep answered */
