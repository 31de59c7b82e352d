/* A thousand URLs, never more than ten at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        URLS = 1000,
        AT_ONCE = 10,
        URL_SIZE = 64
};

struct totals {
        struct pen_http_client *client;
        size_t pages, bytes;
};

static int fetch(void *item, void *arg)
{
        PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response response = { 0 };
        struct pen_http_request request = { .url = item };
        struct totals *totals = arg;
        int r = pen_http_send(totals->client, &request, &response, NULL);

        if (r == 0)
                r = pen_http_raise_for_status(&response);
        if (r < 0)
                return r;
        totals->pages++;
        totals->bytes += response.size;
        return 0;
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_http_client_freep) struct pen_http_client *client = NULL;
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        static char texts[URLS][URL_SIZE];
        static void *urls[URLS];
        struct totals totals = { 0 };
        int r;

        r = pen_http_client_create(&options, &client);
        if (r < 0)
                return r;
        for (int i = 0; i < URLS; i++) {
                snprintf(texts[i], URL_SIZE, "%s/item/%d", (char *)arg, i);
                urls[i] = texts[i];
        }
        totals.client = client;
        r = pen_each(urls, URLS, AT_ONCE, fetch, &totals);
        if (r == 0)
                printf("%zu pages, %zu bytes\n", totals.pages, totals.bytes);
        return r;
}

int main(int argc, char *argv[])
{
        int r = argc == 2 ? pen_run(run, argv[1]) : -EINVAL;

        if (r < 0)
                fprintf(stderr, "thousand_urls URL: %s\n", strerror(-r));
        return r < 0;
}
