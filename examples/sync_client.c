/* A client for callers that know nothing of tasks: the loop has a thread of its own. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

struct client {
        pthread_t thread;
        sem_t started;
        struct pen_loop *loop; /* NULL: it could not be made */
        struct pen_event *closed;
};

static int answer(void *arg)
{
        const char *question = arg;
        int r = pen_sleep(50 * PEN_MSEC); /* over the network */

        return r < 0 ? r : (int)strlen(question);
}

static int serve(void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *closed = NULL;
        struct client *client = arg;
        int r = pen_event_create(&closed);

        if (r < 0)
                return r;
        client->closed = closed;
        client->loop = pen_loop_current();
        sem_post(&client->started);
        return pen_event_wait(closed);
}

static void *loop_thread(void *arg)
{
        struct client *client = arg;

        pen_run(serve, client);
        sem_post(&client->started); /* also if it never did */
        return NULL;
}

static int client_open(struct client *client)
{
        client->loop = NULL;
        sem_init(&client->started, 0, 0);
        if (pthread_create(&client->thread, NULL, loop_thread, client) != 0)
                return -EAGAIN;
        sem_wait(&client->started);
        if (client->loop)
                return 0;
        pthread_join(client->thread, NULL);
        return -ENOMEM;
}

static int client_ask(struct client *client, const char *question)
{
        int result, r;

        r = pen_run_threadsafe(client->loop, answer, (void *)question, 10 * PEN_SEC, &result);
        return r < 0 ? r : result;
}

static void set_event(void *arg)
{
        pen_event_set(arg);
}

static void client_close(struct client *client)
{
        pen_call_threadsafe(client->loop, set_event, client->closed);
        pthread_join(client->thread, NULL);
        sem_destroy(&client->started);
}

int main(void)
{
        static const char *const questions[] = { "who?", "where to?", "what for?" };
        struct client client;

        if (client_open(&client) < 0)
                return 1;
        for (int i = 0; i < 3; i++)
                printf("%s %d\n", questions[i], client_ask(&client, questions[i]));
        client_close(&client);
        return 0;
}
