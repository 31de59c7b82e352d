/* Some URLs, one of which does not exist: the error stands beside the others' results. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        PAGES = 4
};

struct page {
        struct pen_http_client *client;
        const char *base, *path;
        struct pen_http_response response;
};

static const char *const paths[PAGES] = { "/item/1", "/item/2", "/nothing", "/item/3" };

static int fetch(void *arg)
{
        struct page *page = arg;
        char url[256];
        struct pen_http_request request = { .url = url };
        int r;

        snprintf(url, sizeof(url), "%s%s", page->base, page->path);
        r = pen_http_send(page->client, &request, &page->response, NULL);
        return r < 0 ? r : pen_http_raise_for_status(&page->response);
}

static int fetch_all(struct page pages[PAGES], int results[PAGES])
{
        struct pen_task *tasks[PAGES];
        int n = 0, r = 0, gathered;

        while (n < PAGES && (r = pen_spawn(fetch, &pages[n], &tasks[n])) == 0)
                n++;
        gathered = pen_gather(tasks, (size_t)n, results, PEN_RETURN_ERRORS);
        while (n > 0)
                pen_task_unref(tasks[--n]);
        return r < 0 ? r : gathered;
}

static void print_page(const struct page *page, int result)
{
        if (result == -EREMOTEIO)
                printf("%s: failed, status %d\n", page->path, page->response.status);
        else if (result < 0)
                printf("%s: failed, %s\n", page->path, strerror(-result));
        else
                printf("%s: %s\n", page->path, page->response.body);
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_http_client_freep) struct pen_http_client *client = NULL;
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        struct page pages[PAGES] = { 0 };
        int results[PAGES];
        int r = pen_http_client_create(&options, &client);

        if (r < 0)
                return r;
        for (int i = 0; i < PAGES; i++)
                pages[i] = (struct page){ client, arg, paths[i], { 0 } };
        r = fetch_all(pages, results);
        for (int i = 0; i < PAGES; i++) {
                if (r == 0)
                        print_page(&pages[i], results[i]);
                pen_http_response_deinit(&pages[i].response);
        }
        return r;
}

int main(int argc, char *argv[])
{
        int r = argc == 2 ? pen_run(run, argv[1]) : -EINVAL;

        if (r < 0)
                fprintf(stderr, "fetch_all URL: %s\n", strerror(-r));
        return r < 0;
}
