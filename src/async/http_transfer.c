/* An easy handle: what it is told of a request, and what comes back. */
#include <async/http.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <penstock/resolve.h>

void http_say(char *error, const char *format, ...)
{
        va_list args;

        if (!error)
                return;
        va_start(args, format);
        vsnprintf(error, ERROR_SIZE, format, args);
        va_end(args);
}

/* --- what comes back ---------------------------------------------------------------------------- */

static void wake_reader(struct transfer *t)
{
        if (t->streamed && t->task)
                task_wake(t->task);
}

/* How much of `n` bytes is kept; -EFBIG. */
static ssize_t bound_body(struct transfer *t, size_t n)
{
        size_t max = t->request->max_body > 0 ? t->request->max_body : BODY_MAX_DEFAULT;
        size_t room = max - buffer_size(&t->body);

        if (n <= room)
                return (ssize_t)n;
        t->cut = true;
        return t->request->cut_body ? (ssize_t)room : -EFBIG;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        ssize_t kept = (ssize_t)(n *= size);

        if (t->streamed && buffer_size(&t->body) >= BODY_HIGH) {
                t->paused = true;
                return CURL_WRITEFUNC_PAUSE;
        }
        if (!t->streamed)
                kept = bound_body(t, n);
        if (kept > 0 && buffer_append(&t->body, data, (size_t)kept) < 0)
                kept = -ENOMEM;
        if (kept < 0) {
                t->failure = (int)kept;
                return 0;
        }
        wake_reader(t);
        return n;
}

/* The end of a head; not of trailers, nor of an interim answer's. */
static void end_head(struct transfer *t)
{
        if (t->headed || t->status < 200)
                return;
        t->headed = true;
        wake_reader(t);
}

static bool is_status(const struct transfer *t, const char *line, size_t n)
{
        return !t->headed && n >= 5 && memcmp(line, "HTTP/", 5) == 0;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": curl has looked at it. What came before was an interim answer. */
static void begin_head(struct transfer *t, const char *line, size_t n)
{
        const char *space = memchr(line, ' ', n);

        buffer_clear(&t->head);
        t->status = 0;
        for (const char *i = space + 1; space && i < line + n && *i >= '0' && *i <= '9'; i++)
                t->status = 10 * t->status + *i - '0';
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        size_t length = n *= size;

        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
                length--;
        if (length == 0) {
                end_head(t);
                return n;
        }
        if (is_status(t, line, length)) {
                begin_head(t, line, length);
                return n;
        }
        if (buffer_size(&t->head) + length >= HEAD_MAX)
                t->failure = -EPROTO;
        else if (buffer_append(&t->head, line, length) < 0 || buffer_append(&t->head, "\n", 1) < 0)
                t->failure = -ENOMEM;
        return t->failure == 0 ? n : 0;
}

/* --- easy handles ------------------------------------------------------------------------------- */

void http_transfer_free(struct transfer *t)
{
        if (!t)
                return;
        if (t->easy)
                curl_easy_cleanup(t->easy);
        buffer_deinit(&t->head);
        buffer_deinit(&t->body);
        free(t->resolve.data);
        free(t->headers);
        free(t->host);
        free(t->url);
        free(t);
}

static void set_options(struct transfer *t)
{
        const struct pen_http_options *options = &t->client->options;
        pen_usec connect_ms = options->connect_timeout / PEN_MSEC;
        CURL *easy = t->easy;

        curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_open_socket);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_close_socket);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t->client);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, t->client->user_agent);
        /* Its own 0 means 5 minutes. */
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         connect_ms > 0 ? (long)MIN(connect_ms, (pen_usec)INT32_MAX) : INT32_MAX);
        /* A request that waits for a connection must still find the addresses it brought. */
        curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 3600L);
        if (t->client->unix_socket)
                curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->client->unix_socket);
        if (t->client->ca_file)
                curl_easy_setopt(easy, CURLOPT_CAINFO, t->client->ca_file);
        if (options->insecure) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
}

int http_transfer_acquire(struct pen_http_client *c, struct transfer **ret)
{
        struct transfer *t = c->idle;

        if (t) {
                c->idle = t->next_idle;
                c->n_idle--;
        } else {
                t = calloc(1, sizeof(*t));
                if (!t)
                        return -ENOMEM;
                t->client = c;
                list_init(&t->link);
                list_init(&t->running_link);
                t->easy = curl_easy_init();
                if (!t->easy) {
                        free(t);
                        return -ENOMEM;
                }
                set_options(t);
        }
        *ret = t;
        return 0;
}

static int run_free(void *arg)
{
        http_transfer_free(arg);
        return 0;
}

void http_transfer_release(struct transfer *t)
{
        struct pen_http_client *c = t->client;

        buffer_deinit(&t->head);
        buffer_deinit(&t->body);
        t->request = NULL;
        if (c->n_idle >= IDLE_MAX) {
                pen_on_thread_stack(run_free, t);
                return;
        }
        t->next_idle = c->idle;
        c->idle = t;
        c->n_idle++;
}

/* --- what goes out ------------------------------------------------------------------------------ */

static bool is_token(const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (((c | 0x20) < 'a' || (c | 0x20) > 'z') && (c < '0' || c > '9') &&
                    !strchr("!#$%&'*+-.^_`|~", c))
                        return false;
        }
        return size > 0;
}

static bool is_header(const char *text)
{
        size_t name = strcspn(text, ":");

        if (!text[name] || !is_token(text, name))
                return false;
        for (text += name; *text; text++)
                if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
                        return false;
        return true;
}

int http_check_request(const struct pen_http_request *request, char *error)
{
        if (request->method && (strlen(request->method) >= METHOD_SIZE ||
                                !is_token(request->method, strlen(request->method)))) {
                http_say(error, "not an HTTP method");
                return -EINVAL;
        }
        for (size_t i = 0; request->headers && request->headers[i]; i++)
                if (!is_header(request->headers[i])) {
                        http_say(error, "header %zu is not \"Name: value\" on one line", i + 1);
                        return -EINVAL;
                }
        return 0;
}

static bool is_literal(const char *host)
{
        struct in_addr v4;

        return *host == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static bool is_http(const char *scheme)
{
        return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

static int read_url(CURLU *parsed, const char *url, char **ret_host, uint16_t *ret_port)
{
        char *scheme = NULL, *host = NULL, *port = NULL;
        CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, 0);
        int r = 0;

        if (code == CURLUE_OK)
                code = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(parsed, CURLUPART_HOST, &host, CURLU_PUNYCODE);
        if (code == CURLUE_OK)
                code = curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
        if (code == CURLUE_OUT_OF_MEMORY) {
                r = -ENOMEM;
        } else if (code != CURLUE_OK || !is_http(scheme)) {
                r = -EINVAL;
        } else {
                *ret_port = (uint16_t)strtoul(port, NULL, 10);
                *ret_host = NULL;
                if (!is_literal(host) && !(*ret_host = strdup(host)))
                        r = -ENOMEM;
        }
        curl_free(scheme);
        curl_free(host);
        curl_free(port);
        return r;
}

int http_parse_url(const char *url, char **ret_host, uint16_t *ret_port, char *error)
{
        CURLU *parsed = curl_url();
        int r;

        if (!parsed)
                return -ENOMEM;
        r = read_url(parsed, url, ret_host, ret_port);
        curl_url_cleanup(parsed);
        if (r == -EINVAL)
                http_say(error, "not an http or https URL: %.200s", url);
        return r;
}

int http_transfer_set_url(struct transfer *t, const char *url, char *error)
{
        char *host;
        int r;

        if (t->url && strcmp(t->url, url) == 0)
                return 0;
        r = http_parse_url(url, &host, &t->port, error);
        if (r < 0)
                return r;
        free(t->host);
        free(t->url);
        t->host = host;
        t->url = strdup(url);
        if (!t->url || curl_easy_setopt(t->easy, CURLOPT_URL, url) != CURLE_OK) {
                free(TAKE(t->url));
                return -ENOMEM;
        }
        return 0;
}

static bool has_body(const struct pen_http_request *request)
{
        const char *method = request->method;

        if (!method)
                return request->has_body || request->body_size > 0;
        if (strcmp(method, "HEAD") == 0)
                return false;
        /* Those without one have an empty one. */
        return request->has_body || request->body_size > 0 || strcmp(method, "POST") == 0 ||
               strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

int http_transfer_set_method(struct transfer *t)
{
        static const char *const names[] = { "", "GET", "HEAD", "POST" };
        const struct pen_http_request *request = t->request;
        const char *method = request->method ? request->method : "";
        enum kind kind = KIND_GET;
        CURLcode code = CURLE_OK;

        if (has_body(request))
                kind = KIND_POST;
        else if (strcmp(method, "HEAD") == 0)
                kind = KIND_HEAD;
        if (strcmp(method, names[kind]) == 0)
                method = "";
        if (kind != t->kind)
                code = curl_easy_setopt(t->easy,
                                        kind == KIND_POST   ? CURLOPT_POST
                                        : kind == KIND_HEAD ? CURLOPT_NOBODY
                                                            : CURLOPT_HTTPGET,
                                        1L);
        t->kind = kind;
        if (code == CURLE_OK && strcmp(method, t->method) != 0) {
                code = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, *method ? method : NULL);
                strcpy(t->method, method);
        }
        if (kind == KIND_POST) {
                curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)request->body_size);
                curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS,
                                 request->body_size > 0 ? request->body : "");
        }
        return code == CURLE_OK ? 0 : -ENOMEM;
}

void http_transfer_set_connection(struct transfer *t)
{
        if (t->once == t->request->once)
                return;
        t->once = t->request->once;
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, (long)t->once);
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, (long)t->once);
}

/* curl reads the list only while the request runs: it is made of the caller's own strings. */
int http_transfer_set_headers(struct transfer *t)
{
        static const char type[] = "Content-Type:";
        const char *const *headers = t->request->headers;
        bool typed = t->kind != KIND_POST;
        size_t n = 0, i = 0;

        while (headers && headers[n])
                n++;
        if (n + 2 > t->n_headers) {
                struct curl_slist *list = reallocarray(t->headers, n + 2, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                t->headers = list;
                t->n_headers = n + 2;
        }
        for (; i < n; i++) {
                t->headers[i].data = (char *)(uintptr_t)headers[i];
                typed |= strncasecmp(headers[i], type, sizeof(type) - 1) == 0;
        }
        if (t->kind == KIND_POST)
                t->headers[i++].data = (char *)(uintptr_t) "Expect:"; /* no waiting for a 100 */
        if (!typed)
                t->headers[i++].data = (char *)(uintptr_t) "Content-Type: application/octet-stream";
        for (size_t k = 0; k < i; k++)
                t->headers[k].next = k + 1 < i ? &t->headers[k + 1] : NULL;
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, i > 0 ? t->headers : NULL);
        return 0;
}

/* "+host:port:address,address" for CURLOPT_RESOLVE. */
static int write_addresses(struct transfer *t, const struct pen_address *addresses, int n)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        char address[INET6_ADDRSTRLEN];
        int r;

        r = buffer_printf(&text, "+%s:%u:", t->host, t->port);
        for (int i = 0; i < n && r == 0; i++) {
                bool v6 = addresses[i].any.sa_family == AF_INET6;

                inet_ntop(addresses[i].any.sa_family,
                          v6 ? (const void *)&addresses[i].in6.sin6_addr
                             : &addresses[i].in.sin_addr,
                          address, sizeof(address));
                r = buffer_printf(&text, v6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", address);
        }
        if (r < 0)
                return r;
        free(t->resolve.data);
        t->resolve.data = buffer_take(&text, NULL);
        return t->resolve.data ? 0 : -ENOMEM;
}

int http_transfer_resolve(struct transfer *t, char *error)
{
        struct pen_address addresses[ADDRESSES_MAX];
        int n = pen_getaddrinfo(t->host, t->port, addresses, ADDRESSES_MAX);

        if (n < 0) {
                if (n == -ENXIO)
                        http_say(error, "no such host: %.200s", t->host);
                else if (n == -EAGAIN)
                        http_say(error, "name servers do not answer for %.200s", t->host);
                return n;
        }
        return write_addresses(t, addresses, n);
}
