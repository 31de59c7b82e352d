#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <async/debug.h>
#include <async/group.h>
#include <async/loop.h>
#include <penstock/debug.h>

struct text {
        char bytes[256];
        size_t n;
};

static __attribute__((format(printf, 2, 3))) void add(struct text *text, const char *format, ...)
{
        size_t room = sizeof(text->bytes) - text->n;
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text->bytes + text->n, room, format, args);
        va_end(args);
        text->n += MIN((size_t)n, room - 1);
}

static void add_state(struct text *text, const struct pen_task *task)
{
        pen_usec waited = loop_time(task->loop) - task->since;

        switch (task->state) {
        case TASK_RUNNING:
                add(text, "runs");
                break;
        case TASK_READY:
                add(text, "can run, after waiting for %s", task->waits_for);
                break;
        case TASK_SUSPENDED:
                add(text, "has waited %llu.%03llu s for %s", (unsigned long long)(waited / PEN_SEC),
                    (unsigned long long)(waited % PEN_SEC / PEN_MSEC), task->waits_for);
                if (task->awaits)
                        add(text, " (%s)", pen_task_name(task->awaits));
                break;
        case TASK_DONE:
                add(text, "has ended with %d", task->result);
                break;
        }
}

static void add_cancellation(struct text *text, const struct pen_task *task)
{
        if (task->undelivered > 0)
                add(text, "; cancelled, and has not met it yet");
        else if (task->cancelling > 0)
                add(text, "; cancelled, and cleans up");
        if (task->uncancellable > 0)
                add(text, "; cannot be cancelled now");
}

void pen_dump_tasks(void (*line)(void *data, const char *text), void *data)
{
        if (!current_loop)
                return;
        list_for_each(i, &current_loop->tasks) {
                struct pen_task *task = list_entry(i, struct pen_task, link);
                struct text text = { .n = 0 };

                add(&text, "%s: ", pen_task_name(task));
                add_state(&text, task);
                add_cancellation(&text, task);
                if (task->group)
                        add(&text, "; child of %s", pen_task_name(group_parent(task->group)));
                line(data, text.bytes);
        }
}

/* Of 100,000 tasks the first ones tell what is wrong. */
#define LINES_MAX 100

struct log_lines {
        struct pen_loop *loop;
        enum pen_log_level level;
        size_t n;
};

static void log_line(void *data, const char *text)
{
        struct log_lines *lines = data;

        if (lines->n++ < LINES_MAX)
                loop_log(lines->loop, lines->level, "    %s", text);
}

void loop_log_tasks(struct pen_loop *loop, enum pen_log_level level, const char *headline)
{
        struct log_lines lines = { .loop = loop, .level = level };

        loop_log(loop, level, "%s", headline);
        pen_dump_tasks(log_line, &lines);
        if (lines.n > LINES_MAX)
                loop_log(loop, level, "    and %zu more", lines.n - LINES_MAX);
}
