/* libcurl's multi interface on the loop.
 *
 * All of curl runs on the root: requests go there to begin and to be withdrawn, sockets and timers
 * call back there. What has ended is collected after curl has returned, never from inside it, and
 * only wakes the task that waits for it.
 *
 * What curl wants done at once (a request was added) is done once a turn, for all requests of that
 * turn. A socket's read event stays where it is between two requests, since most often the next
 * wants it again; it goes when it is called for nothing. Easy handles are kept and are told only
 * what differs from their last use.
 *
 * curl's timers run on the real clock, whatever the loop's is: curl compares them with its own.
 */
#include <penstock/http.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <async/loop.h>
#include <base/buffer.h>
#include <penstock/resolve.h>
#include <penstock/timeout.h>

#define BODY_MAX_DEFAULT ((size_t)16 << 20)
#define HEAD_MAX ((size_t)256 << 10)
#define METHOD_SIZE 32
#define ERROR_SIZE 256   /* of the caller's */
#define IDLE_MAX 1024    /* easy handles that are kept */
#define ADDRESSES_MAX 16 /* of a name, handed over to curl */
/* Connections that are kept: all, or those past the limit would be closed after each request. */
#define KEEP_MAX (1L << 20)

enum kind { /* of request, as curl knows them */
        KIND_NONE,
        KIND_GET,
        KIND_HEAD,
        KIND_POST,
};

struct pen_http_client {
        struct pen_loop *loop;
        CURLM *multi;
        struct event timer;
        pen_usec timer_due; /* on the real clock; 0: not set */
        struct deferred kick;
        struct http_socket **sockets; /* by descriptor */
        size_t n_sockets;
        struct transfer *idle;
        size_t n_idle;
        struct list broken; /* transfers that have lost their sockets' events */
        struct pen_http_options options;
        char *user_agent, *ca_file;
};

/* One descriptor of curl's. */
struct http_socket {
        struct pen_http_client *client;
        struct event read, write;
        bool ours; /* opened, and so to be closed, by us: it is known how long it lives */
        bool reading, writing;
        int wanted; /* CURL_POLL_* */
};

struct transfer {
        struct pen_http_client *client;
        CURL *easy;
        struct transfer *next_idle;
        struct list link; /* among the broken */

        /* What the easy handle was told and will remember. */
        char *url;
        char *host; /* to be resolved; NULL: an address in digits */
        uint16_t port;
        enum kind kind;
        char method[METHOD_SIZE];   /* in place of the kind's own name */
        struct curl_slist *headers; /* an array of n_headers; the strings are the caller's */
        size_t n_headers;
        struct curl_slist resolve;

        /* The present request. */
        const struct pen_http_request *request;
        struct pen_task *task;
        struct buffer head, body;
        bool cut, done;
        int failure; /* why we stopped it */
        int refusal; /* of an address */
        CURLcode code;
        long status, os_error;
        char error[CURL_ERROR_SIZE];
};

static void say(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(char *error, const char *format, ...)
{
        va_list args;

        if (!error)
                return;
        va_start(args, format);
        vsnprintf(error, ERROR_SIZE, format, args);
        va_end(args);
}

/* --- sockets ------------------------------------------------------------------------------------ */

static void finish(struct transfer *t, CURLcode code)
{
        curl_multi_remove_handle(t->client->multi, t->easy);
        list_remove(&t->link);
        t->code = code;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
        if (code == CURLE_COULDNT_CONNECT)
                curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &t->os_error);
        t->done = true;
        task_wake(t->task);
}

static void act(struct pen_http_client *c, int fd, int flags)
{
        struct transfer *t;
        CURLMsg *message;
        int n;

        curl_multi_socket_action(c->multi, fd, flags, &n);
        while ((message = curl_multi_info_read(c->multi, &n))) {
                CURLcode code = message->data.result;

                if (message->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
                finish(t, code);
        }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
        struct http_socket *s = arg;

        (void)what;
        if (s->wanted & CURL_POLL_IN) {
                act(s->client, fd, CURL_CSELECT_IN);
        } else {
                event_del(&s->read);
                s->reading = false;
        }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
        struct http_socket *s = arg;

        (void)what;
        act(s->client, fd, CURL_CSELECT_OUT);
}

static struct http_socket *find_socket(struct pen_http_client *c, int fd)
{
        return (size_t)fd < c->n_sockets ? c->sockets[fd] : NULL;
}

static struct http_socket *add_socket(struct pen_http_client *c, int fd)
{
        struct http_socket *s;

        if ((size_t)fd >= c->n_sockets) {
                size_t n = MAX((size_t)fd + 1, 2 * c->n_sockets);
                struct http_socket **sockets = reallocarray(c->sockets, n, sizeof(*sockets));

                if (!sockets)
                        return NULL;
                memset(sockets + c->n_sockets, 0, (n - c->n_sockets) * sizeof(*sockets));
                c->sockets = sockets;
                c->n_sockets = n;
        }
        s = calloc(1, sizeof(*s));
        if (!s)
                return NULL;
        s->client = c;
        event_assign(&s->read, c->loop->base, fd, EV_READ | EV_PERSIST, on_readable, s);
        event_assign(&s->write, c->loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
        return c->sockets[fd] = s;
}

static void remove_socket(struct pen_http_client *c, int fd)
{
        struct http_socket *s = find_socket(c, fd);

        if (!s)
                return;
        event_del(&s->read);
        event_del(&s->write);
        free(s);
        c->sockets[fd] = NULL;
}

static int switch_event(struct event *event, bool *is_on, bool on)
{
        if (*is_on == on)
                return 0;
        if ((on ? event_add(event, NULL) : event_del(event)) < 0)
                return -ENOMEM;
        *is_on = on;
        return 0;
}

static int watch(struct pen_http_client *c, int fd, int what)
{
        struct http_socket *s = find_socket(c, fd);
        int r;

        if (what == CURL_POLL_REMOVE && (!s || !s->ours)) {
                remove_socket(c, fd); /* perhaps after it was closed, and perhaps never seen */
                return 0;
        }
        if (!s)
                s = add_socket(c, fd);
        if (!s)
                return -ENOMEM;
        s->wanted = what == CURL_POLL_REMOVE ? 0 : what;
        r = switch_event(&s->read, &s->reading,
                         (s->wanted & CURL_POLL_IN) || (s->reading && s->ours));
        if (r == 0)
                r = switch_event(&s->write, &s->writing, s->wanted & CURL_POLL_OUT);
        return r;
}

/* Answering less than 0 would abort all transfers; one without its events is ended by itself. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
        struct pen_http_client *c = arg;
        struct transfer *t = NULL;

        (void)unused;
        if (watch(c, fd, what) < 0) {
                curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
                if (!t)
                        return 0; /* curl's own handle, that closes connections */
                list_remove(&t->link);
                list_append(&c->broken, &t->link);
                loop_defer(c->loop, &c->kick);
        }
        return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
        struct transfer *t = arg;
        struct pen_http_client *c = t->client;
        int fd, r = 0;

        (void)purpose;
        if (c->options.allow_address)
                r = c->options.allow_address(&address->addr, address->addrlen,
                                             c->options.allow_data);
        if (r < 0) {
                t->refusal = r;
                return CURL_SOCKET_BAD;
        }
        fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
        if (fd < 0) {
                t->refusal = -errno;
                return CURL_SOCKET_BAD;
        }
        remove_socket(c, fd); /* closed behind our back */
        if (!add_socket(c, fd)) {
                t->refusal = -ENOMEM;
                close(fd);
                return CURL_SOCKET_BAD;
        }
        c->sockets[fd]->ours = true;
        return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
        remove_socket(arg, fd);
        return close(fd);
}

/* --- time --------------------------------------------------------------------------------------- */

/* What is set too early is left: it costs one call for nothing, and most are taken back. */
static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
        struct pen_http_client *c = arg;
        struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
        pen_usec due;

        (void)multi;
        if (ms == 0)
                loop_defer(c->loop, &c->kick);
        if (ms <= 0)
                return 0;
        due = loop_real_time() + (pen_usec)ms * PEN_MSEC;
        if (c->timer_due > 0 && c->timer_due <= due)
                return 0;
        if (event_add(&c->timer, &tv) == 0)
                c->timer_due = due;
        else
                loop_defer(c->loop, &c->kick);
        return 0;
}

/* curl names a time once: if it is still to come, we must remember it. */
static void look_at_timer(struct pen_http_client *c)
{
        long ms;

        if (curl_multi_timeout(c->multi, &ms) == CURLM_OK)
                on_timer_wanted(c->multi, ms, c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        struct pen_http_client *c = arg;

        (void)fd, (void)what;
        c->timer_due = 0;
        act(c, CURL_SOCKET_TIMEOUT, 0);
        look_at_timer(c);
}

static void run_kick(struct deferred *deferred)
{
        struct pen_http_client *c = container_of(deferred, struct pen_http_client, kick);

        while (!list_empty(&c->broken)) {
                struct transfer *t = list_first(&c->broken, struct transfer, link);

                t->failure = -ENOMEM;
                finish(t, CURLE_OUT_OF_MEMORY);
        }
        act(c, CURL_SOCKET_TIMEOUT, 0);
}

/* --- what comes back ---------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        size_t max = t->request->max_body > 0 ? t->request->max_body : BODY_MAX_DEFAULT;
        size_t room = max - buffer_size(&t->body), kept;

        n *= size;
        kept = MIN(n, room);
        if (kept < n) {
                t->cut = true;
                if (!t->request->cut_body) {
                        t->failure = -EFBIG;
                        return 0;
                }
        }
        if (buffer_append(&t->body, data, kept) < 0) {
                t->failure = -ENOMEM;
                return 0;
        }
        return n;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        size_t length = n *= size;

        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
                length--;
        if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
                buffer_clear(&t->head); /* what came before was an interim answer */
                return n;
        }
        if (length == 0)
                return n;
        if (buffer_size(&t->head) + length >= HEAD_MAX) {
                t->failure = -EPROTO;
                return 0;
        }
        if (buffer_append(&t->head, line, length) < 0 || buffer_append(&t->head, "\n", 1) < 0) {
                t->failure = -ENOMEM;
                return 0;
        }
        return n;
}

/* --- easy handles ------------------------------------------------------------------------------- */

static void transfer_free(struct transfer *t)
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
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
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
        if (t->client->ca_file)
                curl_easy_setopt(easy, CURLOPT_CAINFO, t->client->ca_file);
        if (options->insecure) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
}

static int transfer_acquire(struct pen_http_client *c, struct transfer **ret)
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
        transfer_free(arg);
        return 0;
}

static void transfer_release(struct transfer *t)
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

static int check_request(const struct pen_http_request *request, char *error)
{
        if (request->method && (strlen(request->method) >= METHOD_SIZE ||
                                !is_token(request->method, strlen(request->method)))) {
                say(error, "not an HTTP method");
                return -EINVAL;
        }
        for (size_t i = 0; request->headers && request->headers[i]; i++)
                if (!is_header(request->headers[i])) {
                        say(error, "header %zu is not \"Name: value\" on one line", i + 1);
                        return -EINVAL;
                }
        return 0;
}

static bool is_literal(const char *host)
{
        struct in_addr v4;

        return *host == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static int read_url(CURLU *parsed, const char *url, char **ret_host, uint16_t *ret_port)
{
        char *scheme = NULL, *host = NULL, *port = NULL;
        int r = -EINVAL;

        if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
            curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
            (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
            curl_url_get(parsed, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK &&
            curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
                r = 0;
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

static int parse_url(const char *url, char **ret_host, uint16_t *ret_port, char *error)
{
        CURLU *parsed = curl_url();
        int r;

        if (!parsed)
                return -ENOMEM;
        r = read_url(parsed, url, ret_host, ret_port);
        curl_url_cleanup(parsed);
        if (r == -EINVAL)
                say(error, "not an http or https URL: %.200s", url);
        return r;
}

static int set_url(struct transfer *t, const char *url, char *error)
{
        char *host;
        int r;

        if (t->url && strcmp(t->url, url) == 0)
                return 0;
        r = parse_url(url, &host, &t->port, error);
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

static int set_method(struct transfer *t)
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

/* curl reads the list only while the request runs: it is made of the caller's own strings. */
static int set_headers(struct transfer *t)
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

static int resolve(struct transfer *t, char *error)
{
        struct pen_address addresses[ADDRESSES_MAX];
        int n = pen_getaddrinfo(t->host, t->port, addresses, ADDRESSES_MAX);

        if (n < 0) {
                if (n == -ENXIO)
                        say(error, "no such host: %.200s", t->host);
                else if (n == -EAGAIN)
                        say(error, "name servers do not answer for %.200s", t->host);
                return n;
        }
        return write_addresses(t, addresses, n);
}

/* --- a request ---------------------------------------------------------------------------------- */

struct preparation {
        struct pen_http_client *client;
        const struct pen_http_request *request;
        char *error;
        struct transfer *transfer;
};

static int run_prepare(void *arg)
{
        struct preparation *p = arg;
        struct transfer *t;
        int r;

        r = transfer_acquire(p->client, &t);
        if (r < 0)
                return r;
        r = set_url(t, p->request->url, p->error);
        if (r < 0) {
                transfer_release(t);
                return r;
        }
        t->request = p->request;
        t->cut = t->done = false;
        t->failure = t->refusal = 0;
        t->status = t->os_error = 0;
        t->error[0] = '\0';
        p->transfer = t;
        return 0;
}

static int run_start(void *arg)
{
        struct transfer *t = arg;
        int r;

        r = set_method(t);
        if (r == 0)
                r = set_headers(t);
        if (r < 0)
                return r;
        if (t->host && curl_easy_setopt(t->easy, CURLOPT_RESOLVE, &t->resolve) != CURLE_OK)
                return -ENOMEM;
        return curl_multi_add_handle(t->client->multi, t->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static int run_withdraw(void *arg)
{
        struct transfer *t = arg;

        list_remove(&t->link);
        curl_multi_remove_handle(t->client->multi, t->easy);
        return 0;
}

static int wait_for_end(struct transfer *t)
{
        struct pen_loop *loop = t->client->loop;
        int r = 0;

        loop->n_events++;
        while (!t->done && r == 0)
                r = task_suspend(t->task, "an HTTP response");
        loop->n_events--;
        if (!t->done)
                pen_on_thread_stack(run_withdraw, t);
        return r;
}

static int error_of(const struct transfer *t)
{
        switch (t->code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
                if (t->refusal < 0)
                        return t->refusal;
                /* -EINVAL is for requests that cannot be sent at all. */
                return t->os_error == EINVAL ? -EADDRNOTAVAIL
                       : t->os_error > 0     ? (int)-t->os_error
                                             : -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_RESOLVE_HOST:
                return -ENXIO;
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
                return -ECONNRESET;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        case CURLE_URL_MALFORMAT:
                return -EINVAL;
        default:
                return -EPROTO;
        }
}

static int judge(struct transfer *t, char *error)
{
        int r = t->code != CURLE_OK && t->failure < 0 ? t->failure : error_of(t);

        if (r == -EFBIG)
                say(error, "the response is larger than allowed");
        else if (r < 0 && r == t->failure)
                say(error, r == -EPROTO ? "the response's headers are too long" : "%s",
                    strerror(-r));
        else if (r < 0 && r == t->refusal)
                say(error, "refused to connect: %s", strerror(-r));
        else if (r < 0)
                say(error, "%s", t->error[0] ? t->error : curl_easy_strerror(t->code));
        return r;
}

static int take_response(struct transfer *t, struct pen_http_response *ret_response)
{
        struct pen_http_response response = { .status = (int)t->status, .cut = t->cut };

        response.body = buffer_take(&t->body, &response.size);
        response.headers = buffer_take(&t->head, NULL);
        if (!response.body || !response.headers) {
                pen_http_response_deinit(&response);
                return -ENOMEM;
        }
        *ret_response = response;
        return 0;
}

static int perform(struct pen_http_client *client, const struct pen_http_request *request,
                   struct pen_http_response *ret_response, char *error)
{
        struct preparation p = { client, request, error, NULL };
        struct transfer *t;
        int r;

        r = pen_on_thread_stack(run_prepare, &p);
        if (r < 0)
                return r;
        t = p.transfer;
        t->task = client->loop->current;
        if (t->host)
                r = resolve(t, error);
        if (r == 0)
                r = pen_on_thread_stack(run_start, t);
        if (r == 0)
                r = wait_for_end(t);
        if (r == 0)
                r = judge(t, error);
        if (r == 0)
                r = take_response(t, ret_response);
        transfer_release(t);
        return r;
}

int pen_http_send(struct pen_http_client *client, const struct pen_http_request *request,
                  struct pen_http_response *ret_response, char error[ERROR_SIZE])
{
        struct pen_timeout scope;
        int r = task_checkpoint(client->loop->current);

        if (r < 0)
                return r;
        say(error, "%s", "");
        r = check_request(request, error);
        if (r == 0) {
                pen_timeout_begin(&scope, request->timeout > 0 ? request->timeout : PEN_FOREVER);
                r = pen_timeout_end(&scope, perform(client, request, ret_response, error));
        }
        if (r == -ETIME)
                say(error, "no response within %gs", (double)request->timeout / PEN_SEC);
        else if (r < 0 && error && !*error)
                say(error, "%s", strerror(-r));
        return r;
}

struct check {
        const struct pen_http_request *request;
        char *error;
};

static int run_check(void *arg)
{
        struct check *check = arg;
        uint16_t port;
        char *host;
        int r;

        r = parse_url(check->request->url, &host, &port, check->error);
        if (r == 0)
                free(host);
        return r;
}

int pen_http_check(const struct pen_http_request *request, char error[ERROR_SIZE])
{
        struct check check = { request, error };
        int r = check_request(request, error);

        return r < 0 ? r : pen_on_thread_stack(run_check, &check);
}

/* --- responses ---------------------------------------------------------------------------------- */

void pen_http_response_deinit(struct pen_http_response *response)
{
        free(response->body);
        free(response->headers);
        *response = (struct pen_http_response){ 0 };
}

int pen_http_response_header(const struct pen_http_response *response, const char *name,
                             char *value, size_t size)
{
        size_t length = strlen(name);

        for (const char *line = response->headers, *end; *line; line = end + 1) {
                end = strchrnul(line, '\n');
                if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
                        const char *start = line + length + 1;
                        size_t n;

                        start += strspn(start, " \t");
                        n = (size_t)(end - start);
                        while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t'))
                                n--;
                        if (n >= size)
                                return -EMSGSIZE;
                        memcpy(value, start, n);
                        value[n] = '\0';
                        return (int)n;
                }
                if (!*end)
                        break;
        }
        return -ENOENT;
}

int pen_http_raise_for_status(const struct pen_http_response *response)
{
        return response->status < 400 ? 0 : -EREMOTEIO;
}

/* --- clients ------------------------------------------------------------------------------------ */

static CURLcode global_result;

static void init_curl(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int run_create(void *arg)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct pen_http_client *c = arg;

        pthread_once(&once, init_curl);
        if (global_result != CURLE_OK)
                return -ENOMEM;
        c->multi = curl_multi_init();
        if (!c->multi)
                return -ENOMEM;
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
        curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
        curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, KEEP_MAX);
        curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                          (long)c->options.max_connections);
        curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->options.max_per_host);
        return 0;
}

int pen_http_client_create(const struct pen_http_options *options,
                           struct pen_http_client **ret_client)
{
        struct pen_http_client *c;
        int r;

        if (!current_loop)
                return -ENXIO;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = current_loop;
        c->options = *options;
        c->kick.fn = run_kick;
        list_init(&c->kick.link);
        list_init(&c->broken);
        evtimer_assign(&c->timer, c->loop->base, on_timer, c);
        c->user_agent = options->user_agent ? strdup(options->user_agent) : NULL;
        c->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
        r = (options->user_agent && !c->user_agent) || (options->ca_file && !c->ca_file)
                    ? -ENOMEM
                    : pen_on_thread_stack(run_create, c);
        if (r < 0) {
                pen_http_client_free(c);
                return r;
        }
        *ret_client = c;
        return 0;
}

static int run_cleanup(void *arg)
{
        struct pen_http_client *c = arg;

        while (c->idle) {
                struct transfer *t = c->idle;

                c->idle = t->next_idle;
                transfer_free(t);
        }
        if (c->multi)
                curl_multi_cleanup(c->multi);
        return 0;
}

void pen_http_client_free(struct pen_http_client *c)
{
        if (!c)
                return;
        pen_on_thread_stack(run_cleanup, c);
        for (size_t i = 0; i < c->n_sockets; i++)
                remove_socket(c, (int)i); /* what curl has closed without us */
        list_remove(&c->kick.link);
        event_del(&c->timer);
        free(c->sockets);
        free(c->user_agent);
        free(c->ca_file);
        free(c);
}

void pen_http_client_freep(struct pen_http_client **client)
{
        pen_http_client_free(*client);
}
