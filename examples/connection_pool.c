/* A pool of two connections, lent within a scope to six users. */
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        QUERIES = 6,
        CONNECTIONS = 2
};

static int numbers[CONNECTIONS], n_open; /* what a connection is here: its number */

static int open_connection(void *data, void **ret_item)
{
        int *connection = &numbers[n_open++];
        int r = pen_sleep(200 * PEN_MSEC); /* a handshake */

        (void)data;
        if (r < 0)
                return r;
        *connection = (int)(connection - numbers) + 1;
        printf("connection %d is open\n", *connection);
        *ret_item = connection;
        return 0;
}

static void close_connection(void *data, void *item)
{
        (void)data;
        printf("connection %d is closed\n", *(int *)item);
}

/* What `async with` does: the connection is given back at the end of the scope, whichever way. */
struct lent {
        struct pen_pool *pool;
        void *connection;
};

static void give_back(struct lent *lent)
{
        if (lent->connection)
                pen_pool_release(lent->pool, lent->connection);
}

static int query(void *item, void *arg)
{
        PEN_CLEANUP(give_back) struct lent lent = { .pool = arg };
        int number = *(int *)item;
        int r = pen_pool_acquire(lent.pool, &lent.connection);

        if (r == 0)
                r = pen_sleep(100 * PEN_MSEC * (pen_usec)number);
        if (r == 0)
                printf("query %d ran on connection %d\n", number, *(int *)lent.connection);
        return r;
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_pool_freep) struct pen_pool *pool = NULL;
        struct pen_pool_options options = {
                .max = CONNECTIONS,
                .open = open_connection,
                .close = close_connection,
        };
        int queries[QUERIES];
        void *items[QUERIES];
        int r = pen_pool_create(&options, &pool);

        (void)arg;
        for (int i = 0; i < QUERIES; i++) {
                queries[i] = i + 1;
                items[i] = &queries[i];
        }
        return r < 0 ? r : pen_each(items, QUERIES, QUERIES, query, pool);
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "connection_pool: %s\n", strerror(-r));
        return r < 0;
}
