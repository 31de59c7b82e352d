/* The fastest of three mirrors; the others are cancelled. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        MIRRORS = 3
};

static struct mirror {
        const char *name;
        pen_usec takes;
} mirrors[MIRRORS] = {
        { "Amsterdam", 900 * PEN_MSEC },
        { "Berlin", 300 * PEN_MSEC },
        { "Cork", 600 * PEN_MSEC },
};

static int download(void *arg)
{
        struct mirror *mirror = arg;
        int r = pen_sleep(mirror->takes);

        if (r == -ECANCELED)
                printf("%s: cancelled\n", mirror->name);
        return r < 0 ? r : (int)strlen(mirror->name);
}

static int race(struct pen_task *tasks[MIRRORS])
{
        ssize_t n = pen_wait(tasks, MIRRORS, PEN_FIRST_COMPLETED, PEN_FOREVER);

        if (n < 0)
                return (int)n;
        for (int i = 0; i < MIRRORS; i++)
                if (pen_task_done(tasks[i]))
                        printf("%s: %d bytes\n", mirrors[i].name, pen_task_result(tasks[i]));
        for (int i = 0; i < MIRRORS; i++)
                pen_task_cancel(tasks[i]); /* the winner has ended: nothing happens to it */
        return pen_gather(tasks, MIRRORS, NULL, PEN_RETURN_ERRORS);
}

static int run(void *arg)
{
        struct pen_task *tasks[MIRRORS] = { NULL };
        int r = 0;

        (void)arg;
        for (int i = 0; i < MIRRORS && r == 0; i++)
                r = pen_spawn(download, &mirrors[i], &tasks[i]);
        if (r == 0)
                r = race(tasks);
        for (int i = 0; i < MIRRORS; i++)
                pen_task_unref(tasks[i]);
        return r;
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "first_completed: %s\n", strerror(-r));
        return r < 0;
}
