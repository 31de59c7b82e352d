#include "failing.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "last_words.h"

#define LIVE_MAX 65536 /* a power of two */
#define SSL_STEP 97    /* of its thousands only some fail: all of them takes minutes */

extern const char __executable_start[];

static struct {
        pthread_mutex_t lock;
        unsigned whose; /* 0: nothing is counted */
        size_t n, nth;
        bool on_and_on;
        struct live {
                const void *block;
                const void *caller;
                size_t n;
        } live[LIVE_MAX]; /* by address, open */
} failing = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- what is alive -------------------------------------------------------------------------------- */

static size_t place_of(const void *block)
{
        return ((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15 >> 48;
}

static struct live *find(const void *block)
{
        size_t i = place_of(block) % LIVE_MAX;

        while (failing.live[i].block && failing.live[i].block != block)
                i = (i + 1) % LIVE_MAX;
        return &failing.live[i];
}

/* Closes the gap: those behind it may have been put there because it was taken. */
static void forget(struct live *gone)
{
        size_t i = (size_t)(gone - failing.live);

        gone->block = NULL;
        for (i = (i + 1) % LIVE_MAX; failing.live[i].block; i = (i + 1) % LIVE_MAX) {
                struct live moved = failing.live[i];

                failing.live[i].block = NULL;
                *find(moved.block) = moved;
        }
}

static void removed(const void *block)
{
        pthread_mutex_lock(&failing.lock);
        if (block && find(block)->block)
                forget(find(block));
        pthread_mutex_unlock(&failing.lock);
}

static void *added(const void *block, const void *caller)
{
        pthread_mutex_lock(&failing.lock);
        if (block && failing.whose)
                *find(block) = (struct live){ block, caller, failing.n };
        pthread_mutex_unlock(&failing.lock);
        return (void *)(uintptr_t)block;
}

static bool must_fail(unsigned whose)
{
        bool fails;

        pthread_mutex_lock(&failing.lock);
        fails = (failing.whose & whose) && ++failing.n >= failing.nth &&
                (failing.n == failing.nth || failing.on_and_on);
        pthread_mutex_unlock(&failing.lock);
        if (fails)
                errno = ENOMEM;
        return fails;
}

/* --- in place of the C library's -------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *block, size_t n, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *block);
void *__real_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t n, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

#define CALLER __builtin_return_address(0)

static void *allocate(unsigned whose, size_t n, size_t size, const void *caller)
{
        return must_fail(whose) ? NULL : added(__real_calloc(n, size), caller);
}

static void *reallocate(unsigned whose, void *block, size_t n, size_t size, const void *caller)
{
        void *moved;

        if (must_fail(whose))
                return NULL;
        moved = __real_reallocarray(block, n, size);
        if (!moved)
                return NULL;
        removed(block);
        return added(moved, caller);
}

void *__wrap_malloc(size_t size)
{
        return must_fail(FAILING_OURS) ? NULL : added(__real_malloc(size), CALLER);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return allocate(FAILING_OURS, n, size, CALLER);
}

void *__wrap_realloc(void *block, size_t size)
{
        return reallocate(FAILING_OURS, block, 1, size, CALLER);
}

void *__wrap_reallocarray(void *block, size_t n, size_t size)
{
        return reallocate(FAILING_OURS, block, n, size, CALLER);
}

char *__wrap_strdup(const char *text)
{
        return must_fail(FAILING_OURS) ? NULL : added(__real_strdup(text), CALLER);
}

void __wrap_free(void *block)
{
        removed(block);
        __real_free(block);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        void *p = MAP_FAILED;

        if (!must_fail(FAILING_OURS))
                p = __real_mmap64(at, size, protection, flags, fd, offset);
        if (p != MAP_FAILED)
                added(p, CALLER);
        return p;
}

/* The same by its other name: which it is depends on the machine. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        return __wrap_mmap64(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
        removed(at);
        return __real_munmap(at, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
        return must_fail(FAILING_OURS) ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}

/* --- in place of the libraries' ----------------------------------------------------------------- */

static void *event_malloc(size_t size)
{
        return allocate(FAILING_EVENT, 1, size, CALLER);
}

static void *event_realloc(void *block, size_t size)
{
        return reallocate(FAILING_EVENT, block, 1, size, CALLER);
}

static void *curl_malloc(size_t size)
{
        return allocate(FAILING_CURL, 1, size, CALLER);
}

static void *curl_calloc(size_t n, size_t size)
{
        return allocate(FAILING_CURL, n, size, CALLER);
}

static void *curl_realloc(void *block, size_t size)
{
        return reallocate(FAILING_CURL, block, 1, size, CALLER);
}

static char *curl_strdup(const char *text)
{
        return must_fail(FAILING_CURL) ? NULL : added(__real_strdup(text), CALLER);
}

/* --- one failure -------------------------------------------------------------------------------- */

/* OpenSSL keeps what it has made for the process or the thread: what it leaves is not looked at. */
static void *ssl_malloc(size_t size, const char *file, int line)
{
        (void)file, (void)line;
        return must_fail(FAILING_SSL) ? NULL : __real_malloc(size);
}

static void *ssl_realloc(void *block, size_t size, const char *file, int line)
{
        (void)file, (void)line;
        return must_fail(FAILING_SSL) ? NULL : __real_reallocarray(block, 1, size);
}

static void ssl_free(void *block, const char *file, int line)
{
        (void)file, (void)line;
        __real_free(block);
}

void failing_init(void)
{
        CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
        event_set_mem_functions(event_malloc, event_realloc, __wrap_free);
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, __wrap_free, curl_realloc,
                             curl_strdup, curl_calloc);
}

void failing_begin(unsigned whose, size_t nth, bool on_and_on)
{
        memset(failing.live, 0, sizeof(failing.live));
        failing.n = 0;
        failing.nth = nth;
        failing.on_and_on = on_and_on;
        failing.whose = whose;
}

bool failing_end(void)
{
        pthread_mutex_lock(&failing.lock);
        failing.whose = 0;
        pthread_mutex_unlock(&failing.lock);
        return failing.n >= failing.nth;
}

static size_t count_live(void)
{
        size_t n = 0;

        pthread_mutex_lock(&failing.lock);
        for (size_t i = 0; i < LIVE_MAX; i++)
                n += failing.live[i].block != NULL;
        pthread_mutex_unlock(&failing.lock);
        return n;
}

size_t failing_leaks(void)
{
        for (size_t i = 0; i < LIVE_MAX; i++) {
                const struct live *l = &failing.live[i];

                if (l->block)
                        fprintf(stderr, "left: allocation %zu, made at 0x%zx (addr2line -e)\n",
                                l->n, (size_t)((const char *)l->caller - __executable_start));
        }
        return count_live();
}

/* --- all of them -------------------------------------------------------------------------------- */

static size_t open_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void say_nothing(void *log_data, enum pen_log_level level, const char *message)
{
        (void)log_data, (void)level, (void)message;
}

/* OpenSSL does not always say that it was memory. */
static bool may_answer(const struct failing_scenario *s, unsigned whose, int r)
{
        return r >= 0 || r == -ENOMEM || r == s->other_error || (whose & FAILING_SSL);
}

/* A thread that nobody waits for, as the one that tells a child's end where there are no pidfds. */
static void wait_for_stragglers(size_t fds)
{
        for (int i = 0; i < 5000 && (count_live() > 0 || open_fds() > fds); i++)
                usleep(1000);
}

/* Answers whether there was an Nth. */
static bool run_nth(const struct failing_scenario *s, const char *name, unsigned whose, size_t nth,
                    bool on_and_on)
{
        struct pen_options options = { .clock = s->clock, .threads = 2, .log = say_nothing };
        size_t fds = open_fds();
        bool came;
        int r;

        last_words("%s: ends the process when allocation %zu fails\n", name, nth);
        alarm(30);
        failing_begin(whose, nth, on_and_on);
        r = pen_run_with(&options, s->body, NULL);
        came = failing_end();
        alarm(0);
        wait_for_stragglers(fds);
        ck_assert_msg(came ? may_answer(s, whose, r) : r >= 0,
                      "%s answers %d when allocation %zu fails", name, r, nth);
        ck_assert_msg(failing_leaks() == 0, "%s leaks when allocation %zu fails", name, nth);
        ck_assert_msg(open_fds() == fds, "%s leaves a descriptor open when allocation %zu fails",
                      name, nth);
        last_words("%s", "");
        return came;
}

/* Answers how many there were, or more by less than `step`. */
static size_t run_all(const struct failing_scenario *s, const char *name, unsigned whose,
                      bool on_and_on)
{
        size_t step = whose & FAILING_SSL ? SSL_STEP : 1, n = 1;

        while (run_nth(s, name, whose, n, on_and_on))
                n += step;
        return n - 1;
}

void failing_run(const struct failing_scenario *s, const char *name)
{
        unsigned all = FAILING_OURS | FAILING_EVENT | s->whose;
        size_t n_ours, n_all;

        ck_assert_int_ge(pen_run(s->body, NULL), 0); /* what is made once for the process */
        n_ours = run_all(s, name, FAILING_OURS, false);
        n_all = run_all(s, name, all, false);
        run_all(s, name, all, true);
        printf("%-24s N = %zu, with the libraries' %s%zu\n", name, n_ours,
               all & FAILING_SSL ? "about " : "", n_all);
}
