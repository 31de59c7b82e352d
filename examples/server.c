/* A small HTTP server for the examples. It serves while a command runs, which is given its URL:
 *
 *     server ./four_questions
 *
 *     /ask/QUESTION    an answer, after half a second
 *     /item/N          an item
 *     /items?page=N    three pages of items; "Next-Page" tells the next one
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <penstock/penstock.h>

struct server {
        struct pen_listener *listener;
        unsigned requests, running, most;
};

static const char *const pages[] = { "apple\napricot\n", "banana\nblueberry\n", "cherry\n" };

static int reply(struct pen_stream *stream, int status, const char *headers, const char *body)
{
        char text[512];
        int size =
                snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\n\r\n%s",
                         status, status == 200 ? "OK" : "Not Found", headers, strlen(body), body);
        int r = pen_stream_write(stream, text, (size_t)size);

        return r < 0 ? r : pen_stream_drain(stream);
}

static int answer(struct pen_stream *stream, const char *path)
{
        char text[128], next[64] = "";
        int n, r = 0;

        if (sscanf(path, "/ask/%63s", text) == 1) {
                r = pen_sleep(500 * PEN_MSEC);
                memcpy(next, text, sizeof(next));
                snprintf(text, sizeof(text), "all about the %s", next);
                return r < 0 ? r : reply(stream, 200, "", text);
        }
        if (sscanf(path, "/item/%d", &n) == 1) {
                r = pen_sleep(5 * PEN_MSEC);
                snprintf(text, sizeof(text), "item %d", n);
                return r < 0 ? r : reply(stream, 200, "", text);
        }
        if (sscanf(path, "/items?page=%d", &n) == 1 && n >= 1 && n <= 3) {
                if (n < 3)
                        snprintf(next, sizeof(next), "Next-Page: /items?page=%d\r\n", n + 1);
                return reply(stream, 200, next, pages[n - 1]);
        }
        return reply(stream, 404, "", "");
}

/* A connection: one request after the other, until the client ends. */
static int talk(struct pen_stream *stream, void *arg)
{
        struct server *server = arg;
        char request[256], path[128];
        char *line;
        ssize_t n;
        int r;

        while ((n = pen_stream_read_line(stream, 4096, &line)) > 0) {
                snprintf(request, sizeof(request), "%.*s", (int)n, line);
                if (sscanf(request, "GET %127s", path) != 1)
                        return -EPROTO;
                while (n > 2) /* its headers, to the empty line */
                        n = pen_stream_read_line(stream, 4096, &line);
                if (n <= 0)
                        break;
                server->requests++;
                server->running++;
                if (server->running > server->most)
                        server->most = server->running;
                r = answer(stream, path);
                server->running--;
                if (r < 0)
                        return r;
        }
        return (int)n;
}

static int serve(void *arg)
{
        struct server *server = arg;

        return pen_serve(server->listener, talk, server);
}

static int run_command(char *argv[], uint16_t port)
{
        PEN_CLEANUP(pen_process_freep) struct pen_process *process = NULL;
        struct pen_process_options options = { .in = PEN_STDIO_INHERIT,
                                               .out = PEN_STDIO_INHERIT,
                                               .err = PEN_STDIO_INHERIT };
        const char *words[16] = { NULL };
        char url[64];
        int n = 0, status, r;

        while (argv[n] && n < 14) {
                words[n] = argv[n];
                n++;
        }
        snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
        words[n] = url;
        options.argv = words;
        r = pen_process_spawn(&options, &process);
        if (r == 0)
                r = pen_process_wait(process, &status);
        return r < 0 ? r : !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *listener = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct server server = { 0 };
        int failed = 0, r;

        r = pen_listen("127.0.0.1:0", &listener);
        server.listener = listener;
        if (r == 0)
                r = pen_group_create(&group);
        if (r == 0)
                r = pen_group_spawn(group, "server", serve, &server, NULL);
        if (r == 0)
                r = failed = run_command(arg, pen_listener_port(listener));
        if (r < 0)
                return r;
        pen_group_cancel(group);
        r = pen_group_join(group);
        printf("server: %u requests, at most %u at once\n", server.requests, server.most);
        return r < 0 ? r : failed;
}

int main(int argc, char *argv[])
{
        int r = argc > 1 ? pen_run(run, argv + 1) : -EINVAL;

        if (r < 0)
                fprintf(stderr, "server COMMAND [ARG...]: %s\n", strerror(-r));
        return r != 0;
}
