/* Three slow counts: one after the other, then all at once. */
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        TABLES = 3
};

static struct table {
        const char *name;
        int rows;
        pen_usec takes;
} tables[TABLES] = {
        { "customers", 125000, 1200 * PEN_MSEC },
        { "orders", 892000, 1000 * PEN_MSEC },
        { "products", 12000, 500 * PEN_MSEC },
};

static int count_rows(void *arg)
{
        struct table *table = arg;
        int r = pen_sleep(table->takes); /* a slow query */

        return r < 0 ? r : table->rows;
}

static int sequential(int counts[TABLES])
{
        int r = 0;

        for (int i = 0; i < TABLES && r >= 0; i++)
                r = counts[i] = count_rows(&tables[i]);
        return r;
}

static int concurrent(int counts[TABLES])
{
        struct pen_task *tasks[TABLES];
        int n = 0, r = 0, gathered;

        while (n < TABLES && (r = pen_spawn(count_rows, &tables[n], &tasks[n])) == 0)
                n++;
        gathered = pen_gather(tasks, (size_t)n, counts, 0);
        while (n > 0)
                pen_task_unref(tasks[--n]);
        return r < 0 ? r : gathered;
}

static int timed(const char *name, int (*count_all)(int counts[TABLES]))
{
        pen_usec began = pen_now();
        int counts[TABLES] = { 0 }, sum = 0;
        int r = count_all(counts);

        if (r < 0)
                return r;
        for (int i = 0; i < TABLES; i++)
                sum += counts[i];
        printf("%s: %d rows in %.1fs\n", name, sum, (double)(pen_now() - began) / PEN_SEC);
        for (int i = 0; i < TABLES; i++)
                printf("  %s: %d\n", tables[i].name, counts[i]);
        return 0;
}

static int run(void *arg)
{
        int r = timed("one after the other", sequential);

        (void)arg;
        return r < 0 ? r : timed("all at once", concurrent);
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "sequential_vs_concurrent: %s\n", strerror(-r));
        return r < 0;
}
