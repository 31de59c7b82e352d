/* libcurl's multi interface on the loop: its sockets, its time, its life. */
#include <async/debug.h>
#include <async/http.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- sockets ------------------------------------------------------------------------------------ */

/* Whether a connection could not be made in time. Since version 8 curl counts it as time of connecting
 * that a request waits for others to give theirs back: then it is handed over anew. */
static bool was_in_line(const struct transfer *t, CURLcode code)
{
        pen_usec most = t->client->options.connect_timeout / 10 * 9;

        return code == CURLE_OPERATION_TIMEDOUT &&
               (t->opened == 0 || loop_real_time() - t->opened < most);
}

static bool hand_over_anew(struct transfer *t)
{
        t->opened = 0;
        return curl_multi_add_handle(t->client->multi, t->easy) == CURLM_OK;
}

static void finish(struct transfer *t, CURLcode code)
{
        curl_multi_remove_handle(t->client->multi, t->easy);
        if (was_in_line(t, code) && hand_over_anew(t))
                return;
        list_remove(&t->link);
        list_remove(&t->running_link);
        t->code = code;
        if (code == CURLE_COULDNT_CONNECT)
                curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &t->os_error);
        t->done = true;
        if (t->task)
                task_wake(t->task);
}

static void give_up(struct transfer *t)
{
        list_remove(&t->link);
        list_append(&t->client->broken, &t->link);
        loop_defer(t->client->loop, &t->client->kick);
}

static void act(struct pen_http_client *c, int fd, int flags)
{
        struct transfer *t;
        CURLMsg *message;
        int n;

        loop_awake(c->loop);
        /* For want of memory it forgets a socket, and does not say whose. */
        if (curl_multi_socket_action(c->multi, fd, flags, &n) == CURLM_OUT_OF_MEMORY)
                list_for_each(i, &c->running)
                        give_up(list_entry(i, struct transfer, running_link));
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
                give_up(t);
        }
        return 0;
}

curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
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
        if (t->opened == 0)
                t->opened = loop_real_time();
        return fd;
}

int http_close_socket(void *arg, curl_socket_t fd)
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

/* What curl kept when it was paused comes at once, and may pause it again. */
static void resume(struct transfer *t)
{
        CURLcode code;

        list_remove(&t->link);
        t->paused = false;
        code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
        if (code != CURLE_OK)
                finish(t, code);
}

void http_resume(struct transfer *t)
{
        struct pen_http_client *c = t->client;

        if (!list_empty(&t->link))
                return;
        list_append(&c->resumed, &t->link);
        loop_defer(c->loop, &c->kick);
}

static void run_kick(struct deferred *deferred)
{
        struct pen_http_client *c = container_of(deferred, struct pen_http_client, kick);

        while (!list_empty(&c->broken)) {
                struct transfer *t = list_first(&c->broken, struct transfer, link);

                t->failure = -ENOMEM;
                finish(t, CURLE_OUT_OF_MEMORY);
        }
        while (!list_empty(&c->resumed))
                resume(list_first(&c->resumed, struct transfer, link));
        act(c, CURL_SOCKET_TIMEOUT, 0);
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

/* *to stays NULL if `text` is. */
static int copy_text(char **to, const char *text)
{
        *to = text ? strdup(text) : NULL;
        return text && !*to ? -ENOMEM : 0;
}

static int copy_options(struct pen_http_client *c, const struct pen_http_options *options)
{
        int r = copy_text(&c->user_agent, options->user_agent);

        if (r == 0)
                r = copy_text(&c->ca_file, options->ca_file);
        if (r == 0)
                r = copy_text(&c->unix_socket, options->unix_socket);
        c->options = *options;
        return r;
}

int pen_http_client_create(const struct pen_http_options *options,
                           struct pen_http_client **ret_client)
{
        struct pen_http_client *c;
        int r;

        if (!current_loop)
                return -ENXIO;
        if (options->unix_socket &&
            strlen(options->unix_socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
                return -ENAMETOOLONG;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = current_loop;
        c->kick.fn = run_kick;
        list_init(&c->kick.link);
        list_init(&c->running);
        list_init(&c->broken);
        list_init(&c->resumed);
        evtimer_assign(&c->timer, c->loop->base, on_timer, c);
        r = copy_options(c, options);
        if (r == 0)
                r = pen_on_thread_stack(run_create, c);
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
                http_transfer_free(t);
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
        free(c->unix_socket);
        free(c);
}

void pen_http_client_freep(struct pen_http_client **client)
{
        pen_http_client_free(*client);
}
