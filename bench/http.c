/* http URL N WIDTH: N requests, WIDTH at once, one client. */
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/loop.h>

#include "bench.h"

static struct pen_http_client *client;
static struct pen_http_request request;
static long n, width, started, bad;

static int requester(void *arg)
{
        (void)arg;
        while (started < n) {
                struct pen_http_response response;
                int r;

                started++;
                r = pen_http_send(client, &request, &response, NULL);
                if (r < 0) {
                        bad++;
                        continue;
                }
                bad += response.status != 200;
                pen_http_response_deinit(&response);
        }
        return 0;
}

static int run(void *arg)
{
        static const struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        struct pen_group *group;
        double t;
        int r;

        (void)arg;
        bench_check(pen_http_client_create(&options, &client), "client");
        bench_check(pen_group_create(&group), "group");
        t = bench_now();
        for (long i = 0; i < width; i++)
                bench_check(pen_group_spawn(group, NULL, requester, NULL, NULL), "spawn");
        r = pen_group_join(group);
        t = bench_now() - t;
        printf("bad=%ld requests_per_s=%.0f\n", bad, (double)n / t);
        pen_group_free(group);
        pen_http_client_free(client);
        return r;
}

int main(int argc, char **argv)
{
        if (argc < 4)
                return 2;
        request = (struct pen_http_request){ .url = argv[1], .max_body = 1 << 20 };
        n = bench_argument(argc, argv, 2, 0);
        width = bench_argument(argc, argv, 3, 0);
        bench_check(pen_run(run, NULL), "http");
        return 0;
}
