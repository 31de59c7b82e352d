/* A generator over an API that answers page by page. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

struct api {
        struct pen_http_client *client;
        const char *base;
};

static int get(const struct api *api, const char *path, struct pen_http_response *ret_response)
{
        char url[256];
        struct pen_http_request request = { .url = url };
        int r;

        snprintf(url, sizeof(url), "%s%s", api->base, path);
        r = pen_http_send(api->client, &request, ret_response, NULL);
        return r < 0 ? r : pen_http_raise_for_status(ret_response);
}

static int items(struct pen_gen *gen, void *arg)
{
        char path[64] = "/items?page=1";
        int r = 0;

        while (r >= 0) {
                PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response page = { 0 };
                char *item, *rest;

                r = get(arg, path, &page);
                if (r < 0)
                        break;
                for (item = strtok_r(page.body, "\n", &rest); item && r == 0;
                     item = strtok_r(NULL, "\n", &rest))
                        r = pen_gen_yield(gen, item);
                if (r == 0)
                        r = pen_http_response_header(&page, "Next-Page", path, sizeof(path));
        }
        return r == -ENOENT ? 0 : r; /* no next page */
}

/* Whoever has seen enough stops, and the other pages are never asked for. */
static int first_with_b(struct api *api)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = NULL;
        void *item;
        int r = pen_gen_create(items, api, &gen);

        while (r >= 0 && (r = pen_gen_next(gen, &item)) > 0) {
                if (*(char *)item == 'b') {
                        printf("the first with b: %s\n", (char *)item);
                        return 0;
                }
        }
        return r;
}

static int all_items(struct api *api)
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = NULL;
        void *item;
        int r = pen_gen_create(items, api, &gen);

        while (r >= 0 && (r = pen_gen_next(gen, &item)) > 0)
                printf("%s\n", (char *)item);
        return r;
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_http_client_freep) struct pen_http_client *client = NULL;
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        int r = pen_http_client_create(&options, &client);
        struct api api = { client, arg };

        if (r == 0)
                r = all_items(&api);
        return r < 0 ? r : first_with_b(&api);
}

int main(int argc, char *argv[])
{
        int r = argc == 2 ? pen_run(run, argv[1]) : -EINVAL;

        if (r < 0)
                fprintf(stderr, "pages URL: %s\n", strerror(-r));
        return r < 0;
}
