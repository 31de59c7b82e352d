/* Four slow questions to an API, in about the time of one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        QUESTIONS = 4
};

struct question {
        struct pen_http_client *client;
        const char *base, *text;
        struct pen_http_response answer;
};

static const char *const texts[QUESTIONS] = { "weather", "news", "traffic", "calendar" };

static int ask(void *arg)
{
        struct question *question = arg;
        char url[256];
        struct pen_http_request request = { .url = url };
        int r;

        snprintf(url, sizeof(url), "%s/ask/%s", question->base, question->text);
        r = pen_http_send(question->client, &request, &question->answer, NULL);
        return r < 0 ? r : pen_http_raise_for_status(&question->answer);
}

static int ask_all(struct question questions[QUESTIONS])
{
        struct pen_task *tasks[QUESTIONS];
        int n = 0, r = 0, gathered;

        while (n < QUESTIONS && (r = pen_spawn(ask, &questions[n], &tasks[n])) == 0)
                n++;
        gathered = pen_gather(tasks, (size_t)n, NULL, 0);
        while (n > 0)
                pen_task_unref(tasks[--n]);
        return r < 0 ? r : gathered;
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_http_client_freep) struct pen_http_client *client = NULL;
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        struct question questions[QUESTIONS] = { 0 };
        pen_usec began = pen_now();
        int r = pen_http_client_create(&options, &client);

        if (r < 0)
                return r;
        for (int i = 0; i < QUESTIONS; i++)
                questions[i] = (struct question){ client, arg, texts[i], { 0 } };
        r = ask_all(questions);
        for (int i = 0; i < QUESTIONS && r == 0; i++)
                printf("%s: %s\n", questions[i].text, questions[i].answer.body);
        if (r == 0)
                printf("4 questions of 0.5s each, in %.1fs\n",
                       (double)(pen_now() - began) / PEN_SEC);
        for (int i = 0; i < QUESTIONS; i++)
                pen_http_response_deinit(&questions[i].answer);
        return r;
}

int main(int argc, char *argv[])
{
        int r = argc == 2 ? pen_run(run, argv[1]) : -EINVAL;

        if (r < 0)
                fprintf(stderr, "four_questions URL: %s\n", strerror(-r));
        return r < 0;
}
