#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <penstock/future.h>
#include <penstock/queue.h>
#include <penstock/sync.h>

#include "config.h"
#if defined(HAVE_VALGRIND_VALGRIND_H)
#include <valgrind/valgrind.h>
#endif

#define LOG_SIZE 8192

static void log_line(void *log_data, enum pen_log_level level, const char *message)
{
        char *log = log_data;
        size_t n = strlen(log);

        (void)level;
        snprintf(log + n, LOG_SIZE - n, "%s\n", message);
}

void world_init_seeded(struct world *w, uint64_t seed)
{
        struct pen_options options = PEN_OPTIONS_DEFAULT;

        *w = (struct world){ .log = calloc(1, LOG_SIZE) };
        options.clock = PEN_CLOCK_VIRTUAL;
        options.seed = seed;
        options.log = log_line;
        options.log_data = w->log;
        ck_assert_int_eq(loop_create(&options, &w->loop), 0);
}

void world_init(struct world *w)
{
        world_init_seeded(w, 0);
}

static void cancel_leftovers(struct world *w)
{
        list_for_each(i, &w->loop->tasks)
                pen_task_cancel(list_entry(i, struct pen_task, link));
        world_run_until_idle(w);
        world_advance(w, PEN_HOUR);
}

void world_deinit(struct world *w)
{
        for (int i = 0; i < 3 && w->loop->n_tasks > 0; i++)
                cancel_leftovers(w);
        ck_assert_uint_eq(w->loop->n_tasks, 0);
        for (size_t i = 0; i < w->n_tasks; i++)
                pen_task_unref(w->tasks[i]);
        pen_queue_free(w->queue);
        pen_lock_free(w->lock);
        pen_event_free(w->event);
        pen_semaphore_free(w->semaphore);
        pen_future_free(w->future);
        loop_free(w->loop);
        free(w->tasks);
        free(w->log);
}

static struct pen_task *spawn(struct world *w, const char *name, int (*fn)(void *), void *arg)
{
        struct pen_spawn_options options = { .name = name };
        struct pen_task *task;

        ck_assert_int_eq(pen_spawn_with(&options, fn, arg, &task), 0);
        w->tasks = realloc(w->tasks, (w->n_tasks + 1) * sizeof(*w->tasks));
        return w->tasks[w->n_tasks++] = task;
}

struct pen_task *world_spawn(struct world *w, int (*fn)(void *world))
{
        return spawn(w, NULL, fn, w);
}

struct pen_task *world_spawn_named(struct world *w, const char *name, int (*fn)(void *world))
{
        return spawn(w, name, fn, w);
}

struct pen_task *world_spawn_arg(struct world *w, int (*fn)(void *arg), void *arg)
{
        return spawn(w, NULL, fn, arg);
}

void world_run_until_idle(struct world *w)
{
        loop_run_until_idle(w->loop);
}

void world_advance(struct world *w, pen_usec usec)
{
        loop_advance(w->loop, usec);
}

void world_say(struct world *w, const char *format, ...)
{
        size_t n = strlen(w->trace);
        va_list args;

        va_start(args, format);
        vsnprintf(w->trace + n, sizeof(w->trace) - n, format, args);
        va_end(args);
}

int run_virtual(int (*fn)(void *arg), void *arg)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL };

        return pen_run_with(&options, fn, arg);
}

bool under_valgrind(void)
{
#if defined(HAVE_VALGRIND_VALGRIND_H)
        return RUNNING_ON_VALGRIND;
#else
        return false;
#endif
}

size_t many(size_t plain, size_t checked)
{
#if defined(PEN_ASAN) || defined(PEN_TSAN)
        (void)plain;
        return checked;
#else
        return under_valgrind() ? checked : plain;
#endif
}

int sleep_forever(void *world)
{
        (void)world;
        return pen_sleep(PEN_FOREVER);
}

int work(void *arg)
{
        struct work *work = arg;
        int r = pen_sleep(work->usec);

        if (r == 0)
                return work->result;
        if (work->cleanup > 0)
                ck_assert_int_eq(pen_sleep(work->cleanup), 0);
        return work->cancelled_result ? work->cancelled_result : r;
}
