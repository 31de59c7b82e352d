/* Who may ask, and what for. */
#include <daemon/http_api.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <daemon/http_call.h>
#include <penstock/timeout.h>

struct http_api {
        struct api_options options;
        char *token;
        struct http_service *service;
};

/* --- health ------------------------------------------------------------------------------------- */

static int say_health(struct api_call *call)
{
        call->reply->status = 200;
        return buffer_printf(&call->reply->body, "{\"status\":\"ok\"}\n");
}

static int say_readiness(struct api_call *call)
{
        const struct api_host *host = &call->options->host;

        if (!host->ready(host->data)) {
                http_header(call, "Retry-After", "1");
                return http_problem(call, 503,
                                    "the store does not answer, or the daemon is stopping");
        }
        call->reply->status = 200;
        return buffer_printf(&call->reply->body, "{\"status\":\"ready\"}\n");
}

/* --- routes ------------------------------------------------------------------------------------- */

static const struct resource {
        const char *method, *path; /* `*`: the name of a queue */
        int (*fn)(struct api_call *call);
        const char *arguments[3]; /* of the query */
        bool bounded; /* it must be done within the request's time; the others see to it themselves */
} resources[] = {
        { "POST", "/v1/queues/*/jobs", http_push, { "wait" }, false },
        { "GET", "/v1/queues", http_list_queues, { NULL }, true },
        { "GET", "/v1/queues/*", http_show_queue, { NULL }, true },
        { "POST", "/v1/queues/*/join", http_join, { "timeout" }, false },
        { "GET", "/v1/queues/*/dead", http_list_dead, { "after", "limit" }, true },
        { "POST", "/v1/queues/*/dead/retry", http_retry_dead, { NULL }, true },
        { "GET", "/healthz", say_health, { NULL }, true },
        { "GET", "/readyz", say_readiness, { NULL }, true },
};

static int bad_path(struct api_call *call)
{
        return http_problem(call, 404,
                            "there is no such path; there are /v1/queues, /v1/queues/Q, "
                            "/v1/queues/Q/jobs, /v1/queues/Q/join, /v1/queues/Q/dead, "
                            "/v1/queues/Q/dead/retry, /healthz and /readyz");
}

/* Cuts the path at its slashes, and only then decodes the parts: an encoded slash is no slash. */
static int split_path(struct api_call *call)
{
        const char *path = http_request_path(call->request);

        while (*path == '/') {
                size_t size = strcspn(++path, "/");

                if (call->n_segments == SEGMENTS_MAX ||
                    http_decode(path, size, call->segments[call->n_segments],
                                sizeof(call->segments[0])) < 0)
                        return -EINVAL;
                call->n_segments++;
                path += size;
        }
        return *path == '\0' ? 0 : -EINVAL;
}

static bool is_at(const struct resource *resource, const struct api_call *call)
{
        const char *path = resource->path;

        for (size_t i = 0; i < call->n_segments; i++) {
                const char *segment = call->segments[i];
                size_t size;

                if (*path++ != '/')
                        return false;
                size = strcspn(path, "/");
                if (*path != '*' && (strlen(segment) != size || strncmp(path, segment, size) != 0))
                        return false;
                path += size;
        }
        return *path == '\0';
}

static bool is_method(const struct resource *resource, const char *method)
{
        return strcmp(resource->method, method) == 0 ||
               (strcmp(resource->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* NULL: there is none, and the call has been answered. No path has two resources. */
static const struct resource *find_resource(struct api_call *call)
{
        const char *method = http_request_method(call->request);

        for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
                if (!is_at(&resources[i], call))
                        continue;
                if (is_method(&resources[i], method))
                        return &resources[i];
                http_problem(call, 405, "%.20s is not for this path; %s is", method,
                             resources[i].method);
                http_header(call, "Allow", "%s%s", resources[i].method,
                            strcmp(resources[i].method, "GET") == 0 ? ", HEAD" : "");
                return NULL;
        }
        bad_path(call);
        return NULL;
}

static int check_argument(void *data, const char *name, const char *value)
{
        const struct resource *resource = data;

        (void)value;
        for (size_t i = 0; i < ARRAY_SIZE(resource->arguments) && resource->arguments[i]; i++)
                if (strcmp(resource->arguments[i], name) == 0)
                        return 0;
        return -EINVAL;
}

static bool has_good_arguments(struct api_call *call, const struct resource *resource)
{
        const char *const *known = resource->arguments;

        if (http_request_arguments(call->request, check_argument, (void *)(uintptr_t)resource) == 0)
                return true;
        http_problem(call, 400, "the query has what is not known here; %s%s%s%s",
                     known[0] ? known[0] : "nothing", known[1] ? " and " : "",
                     known[1] ? known[1] : "", known[1] ? " are" : " is");
        return false;
}

/* --- who may ask -------------------------------------------------------------------------------- */

/* Takes as long for a wrong token as for the right one. */
static bool is_same(const char *secret, const char *given)
{
        size_t n = strlen(secret), size = strlen(given);
        unsigned char difference = n != size;

        for (size_t i = 0; i < size; i++)
                difference |= (unsigned char)(given[i] ^ secret[n > 0 ? i % n : 0]);
        return difference == 0;
}

static bool may_ask(struct api_call *call)
{
        static const char scheme[] = "Bearer ";
        const char *given;

        if (http_request_is_local(call->request))
                return true;
        given = http_request_header(call->request, "Authorization");
        if (given && strncasecmp(given, scheme, strlen(scheme)) == 0 &&
            is_same(call->options->token, given + strlen(scheme)))
                return true;
        http_problem(call, 401, "%s",
                     given ? "that is not the token" : "send \"Authorization: Bearer TOKEN\"");
        http_header(call, "WWW-Authenticate", "Bearer");
        return false;
}

/* --- calls -------------------------------------------------------------------------------------- */

static int call_resource(struct api_call *call, const struct resource *resource)
{
        struct pen_timeout scope;

        if (!resource->bounded)
                return resource->fn(call);
        pen_timeout_begin(&scope, call->options->request_timeout);
        return pen_timeout_end(&scope, resource->fn(call));
}

static void answer(struct http_request *request, struct http_reply *reply, void *data)
{
        const struct http_api *api = data;
        struct api_call call = { .options = &api->options, .request = request, .reply = reply };
        const struct resource *resource;
        int r;

        if (!may_ask(&call))
                return;
        if (split_path(&call) < 0) {
                bad_path(&call);
                return;
        }
        resource = find_resource(&call);
        if (!resource || !has_good_arguments(&call, resource))
                return;
        r = call_resource(&call, resource);
        if (r < 0)
                http_problem_of(&call, r);
}

/* --- life --------------------------------------------------------------------------------------- */

static bool is_unix(const char *address)
{
        return strncmp(address, "unix:", 5) == 0;
}

int http_api_create(const struct api_options *options, struct http_api **ret_api, char **ret_error)
{
        struct http_api *api;
        int r;

        *ret_error = NULL;
        for (size_t i = 0; i < options->n_listen; i++) {
                if (is_unix(options->listen[i]) || (options->token && *options->token))
                        continue;
                if (asprintf(ret_error, "%s: a TCP address needs http.token_file",
                             options->listen[i]) < 0)
                        *ret_error = NULL;
                return -EINVAL;
        }
        api = malloc(sizeof(*api));
        if (!api)
                return -ENOMEM;
        *api = (struct http_api){ .options = *options };
        if (options->token) {
                api->options.token = api->token = strdup(options->token);
                if (!api->token) {
                        http_api_free(api);
                        return -ENOMEM;
                }
        }
        r = http_service_create(
                &(struct http_service_options){ .listen = options->listen,
                                                .n_listen = options->n_listen,
                                                .mode = options->mode,
                                                .group = options->group,
                                                .step_timeout = options->request_timeout,
                                                .connections_max = options->connections_max,
                                                .handle = answer,
                                                .data = api },
                &api->service, ret_error);
        if (r < 0) {
                http_api_free(api);
                return r;
        }
        *ret_api = api;
        return 0;
}

int http_api_run(void *arg)
{
        struct http_api *api = arg;

        return http_service_run(api->service);
}

void http_api_free(struct http_api *api)
{
        if (!api)
                return;
        http_service_free(api->service);
        free(api->token);
        free(api);
}

uint16_t http_api_port(const struct http_api *api, size_t n)
{
        return http_service_port(api->service, n);
}
