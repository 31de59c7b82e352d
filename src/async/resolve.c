/* Every look-up is a task of its own: callers come and go, the look-up goes on and leaves its answer
 * in the table. It ends with its answer or with the loop.
 *
 * A name is in the table while it is looked up, and after that until its answer is too old or
 * NAMES_MAX younger ones have come.
 */
#include <async/resolve.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <async/loop.h>
#include <async/thread.h>
#include <base/hash.h>

#define THREADS_MAX 8
#define NAMES_MAX 1024
#define ADDRESSES_MAX 32 /* of one name */
#define NAME_SIZE_MAX 254
#define KEPT (1 * PEN_MINUTE)
#define FAILURE_KEPT (5 * PEN_SEC)

int (*resolver_getaddrinfo)(const char *, const char *, const struct addrinfo *,
                            struct addrinfo **) = getaddrinfo;

/* Shared with the thread that looks it up, which may outlive the loop. */
struct answer {
        atomic_uint refs;
        size_t n;
        struct pen_address addresses[ADDRESSES_MAX];
        char host[];
};

struct name {
        struct hash_node node;
        struct list link; /* among the known ones */
        struct list line; /* who waits for the answer */
        unsigned refs;    /* the table's, and one for each that waits */
        bool known;
        int error; /* what came instead of an answer */
        pen_usec expires;
        struct answer *answer;
};

struct resolver {
        struct hash names;
        struct list known; /* the oldest first */
        size_t n_known;
};

static void answer_unref(void *arg)
{
        struct answer *answer = arg;

        if (answer && atomic_fetch_sub(&answer->refs, 1) == 1)
                free(answer);
}

static void name_unref(struct name *name)
{
        if (--name->refs > 0)
                return;
        answer_unref(name->answer);
        free(name);
}

/* Takes it out of the table. */
static void forget(struct resolver *resolver, struct name *name)
{
        hash_remove(&resolver->names, &name->node);
        if (!list_empty(&name->link))
                resolver->n_known--;
        list_remove(&name->link);
        name_unref(name);
}

static int get_resolver(struct pen_loop *loop, struct resolver **ret_resolver)
{
        struct resolver *resolver;
        int r;

        if (!loop->resolver_threads) {
                r = thread_pool_create(loop, THREADS_MAX, &loop->resolver_threads);
                if (r < 0)
                        return r;
        }
        if (!loop->resolver) {
                resolver = calloc(1, sizeof(*resolver));
                if (!resolver || hash_init(&resolver->names) < 0) {
                        free(resolver);
                        return -ENOMEM;
                }
                list_init(&resolver->known);
                loop->resolver = resolver;
        }
        *ret_resolver = loop->resolver;
        return 0;
}

void loop_resolver_free(struct pen_loop *loop)
{
        struct resolver *resolver = TAKE(loop->resolver);

        thread_pool_free(TAKE(loop->resolver_threads));
        if (!resolver)
                return;
        list_for_each_safe(i, &resolver->known)
                forget(resolver, list_entry(i, struct name, link));
        hash_deinit(&resolver->names);
        free(resolver);
}

/* --- in the thread ------------------------------------------------------------------------------ */

static int error_of(int eai)
{
        switch (eai) {
        case 0:
                return 0;
        case EAI_AGAIN:
        case EAI_FAIL:
        case EAI_SYSTEM:
                return -EAGAIN;
        case EAI_MEMORY:
                return -ENOMEM;
        default:
                return -ENXIO;
        }
}

static int look_up(void *arg)
{
        /* Without AI_ADDRCONFIG: it hides localhost where there is no network. */
        static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct answer *answer = arg;
        struct addrinfo *list;
        int r;

        r = error_of(resolver_getaddrinfo(answer->host, NULL, &hints, &list));
        if (r < 0)
                return r;
        for (struct addrinfo *i = list; i && answer->n < ADDRESSES_MAX; i = i->ai_next) {
                struct pen_address *address = &answer->addresses[answer->n];

                if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
                        continue;
                memcpy(&address->any, i->ai_addr, i->ai_addrlen);
                address->size = i->ai_addrlen;
                answer->n++;
        }
        freeaddrinfo(list);
        return answer->n > 0 ? 0 : -ENXIO;
}

/* --- the task of a look-up ---------------------------------------------------------------------- */

/* Others may wait for it still: they hold it. */
static void learn(struct pen_loop *loop, struct name *name, int error)
{
        struct resolver *resolver = loop->resolver;

        name->known = true;
        name->error = error;
        name->expires = loop->now + (error < 0 ? FAILURE_KEPT : KEPT);
        waiters_wake_all(&name->line);
        if (error == -ENOMEM) {
                forget(resolver, name); /* that says nothing of the name */
                return;
        }
        list_append(&resolver->known, &name->link);
        if (++resolver->n_known > NAMES_MAX)
                forget(resolver, list_first(&resolver->known, struct name, link));
}

static int run_lookup(void *arg)
{
        struct pen_loop *loop = current_loop;
        struct name *name = arg;
        int r, result;

        atomic_fetch_add(&name->answer->refs, 1);
        r = thread_pool_run_detached(loop->resolver_threads, look_up, name->answer, answer_unref,
                                     &result);
        if (r == -ECANCELED)
                r = -EAGAIN; /* the loop ends; who waits for us need not have been cancelled */
        learn(loop, name, r < 0 ? r : result);
        return 0;
}

static int start_lookup(struct resolver *resolver, const char *host, size_t size,
                        struct name **ret_name)
{
        static const struct pen_spawn_options options = { .name = "name look-up" };
        struct answer *answer = malloc(sizeof(*answer) + size + 1);
        struct name *name = malloc(sizeof(*name));
        int r = -ENOMEM;

        if (!answer || !name)
                goto fail;
        atomic_init(&answer->refs, 1);
        answer->n = 0;
        memcpy(answer->host, host, size + 1);
        *name = (struct name){ .refs = 1, .answer = answer };
        list_init(&name->link);
        list_init(&name->line);
        r = pen_spawn_with(&options, run_lookup, name, NULL);
        if (r < 0)
                goto fail;
        hash_insert(&resolver->names, &name->node, answer->host, size);
        *ret_name = name;
        return 0;

fail:
        free(answer);
        free(name);
        return r;
}

/* --- the caller --------------------------------------------------------------------------------- */

static int give(const struct pen_address *from, size_t n, uint16_t port, struct pen_address *to,
                size_t max)
{
        n = MIN(n, max);
        for (size_t i = 0; i < n; i++) {
                to[i] = from[i];
                if (to[i].any.sa_family == AF_INET)
                        to[i].in.sin_port = htons(port);
                else
                        to[i].in6.sin6_port = htons(port);
        }
        return (int)n;
}

/* An address in digits. Half-written ones (127.1, 0x7f000001), which getaddrinfo(3) would take, are
 * nobody's name: what was checked as text shall be what is connected to. */
static int read_literal(const char *host, struct pen_address *ret)
{
        struct in_addr legacy;

        *ret = (struct pen_address){ .size = 0 };
        if (inet_pton(AF_INET, host, &ret->in.sin_addr) == 1) {
                ret->in.sin_family = AF_INET;
                ret->size = sizeof(ret->in);
        } else if (inet_pton(AF_INET6, host, &ret->in6.sin6_addr) == 1) {
                ret->in6.sin6_family = AF_INET6;
                ret->size = sizeof(ret->in6);
        } else if (inet_aton(host, &legacy)) {
                return -ENXIO;
        }
        return ret->size > 0;
}

static int wait_for_answer(struct pen_task *task, struct name *name, uint16_t port,
                           struct pen_address *addresses, size_t max)
{
        int r = 0;

        name->refs++;
        while (!name->known && r == 0)
                r = waiters_wait(&name->line, task, "a name", NULL);
        if (r == 0)
                r = name->error;
        if (r == 0)
                r = give(name->answer->addresses, name->answer->n, port, addresses, max);
        name_unref(name);
        return r;
}

static int find_name(struct pen_loop *loop, const char *host, struct name **ret_name)
{
        char key[NAME_SIZE_MAX + 1];
        size_t size = strlen(host);
        struct resolver *resolver;
        struct hash_node *node;
        int r;

        r = get_resolver(loop, &resolver);
        if (r < 0)
                return r;
        for (size_t i = 0; i <= size; i++)
                key[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 0x20 : host[i]);
        node = hash_find(&resolver->names, key, size);
        if (node) {
                struct name *name = container_of(node, struct name, node);

                if (!name->known || name->expires > loop->now) {
                        *ret_name = name;
                        return 0;
                }
                forget(resolver, name);
        }
        return start_lookup(resolver, key, size, ret_name);
}

int pen_getaddrinfo(const char *host, uint16_t port, struct pen_address *addresses, size_t max)
{
        struct pen_loop *loop = current_loop;
        size_t size = strnlen(host, NAME_SIZE_MAX + 1);
        struct pen_address literal;
        struct name *name;
        int r;

        if (!loop)
                return -EDEADLK;
        r = task_checkpoint(loop->current);
        if (r < 0)
                return r;
        if (size == 0 || size > NAME_SIZE_MAX)
                return -EINVAL;
        r = read_literal(host, &literal);
        if (r != 0)
                return r < 0 ? r : give(&literal, 1, port, addresses, max);
        r = find_name(loop, host, &name);
        return r < 0 ? r : wait_for_answer(loop->current, name, port, addresses, max);
}
