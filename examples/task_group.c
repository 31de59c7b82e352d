/* Children that belong together: when one fails, the others are cancelled and awaited. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

struct table {
        const char *name;
        pen_usec takes;
};

static int load(void *arg)
{
        struct table *table = arg;
        int r = pen_sleep(table->takes);

        if (r == -ECANCELED) {
                int cleaned = pen_sleep(table->takes / 4); /* what must be cleaned up may wait */

                if (cleaned == 0)
                        printf("%s: cancelled, and cleaned up\n", table->name);
        }
        if (r < 0)
                return r;
        if (strcmp(table->name, "invoices") == 0)
                return -ENOENT;
        printf("%s: loaded\n", table->name);
        return 0;
}

static int load_all(struct table *tables, size_t n)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int r = pen_group_create(&group);

        for (size_t i = 0; i < n && r == 0; i++)
                r = pen_group_spawn(group, tables[i].name, load, &tables[i], NULL);
        if (r == 0)
                r = pen_group_join(group);
        if (r == -ENOENT)
                printf("failed: %s\n", strerror(-r));
        else if (r == 0)
                printf("all are loaded\n");
        return r == -ENOENT ? 0 : r;
}

static int run(void *arg)
{
        static struct table good[] = {
                { "customers", 300 * PEN_MSEC },
                { "orders", 200 * PEN_MSEC },
        };
        static struct table bad[] = {
                { "products", 100 * PEN_MSEC },
                { "invoices", 200 * PEN_MSEC },
                { "customers", 300 * PEN_MSEC },
                { "orders", 400 * PEN_MSEC },
        };
        int r = load_all(good, 2);

        (void)arg;
        return r < 0 ? r : load_all(bad, 4);
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "task_group: %s\n", strerror(-r));
        return r < 0;
}
