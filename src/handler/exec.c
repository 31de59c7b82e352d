#include <handler/exec.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <base/buffer.h>
#include <penstock/process.h>

struct exec {
        struct handler handler;
        char **argv;
        char **env; /* but for what an attempt adds */
        char *placeholder, *cwd;
        bool replaces; /* argv has the placeholder */
        int *reject_exit;
        size_t n_reject_exit;
        size_t result_max;
        pen_usec kill_after;
        uint64_t max_fds;
};

/* --- lists of strings ------------------------------------------------------------------------- */

/* A NULL-terminated list under construction. The first error stays. */
struct strings {
        struct buffer text; /* one behind the other, each with its NUL */
        size_t n;
        int error;
};

static void add_bytes(struct strings *s, const char *data, size_t size)
{
        if (s->error == 0)
                s->error = buffer_append(&s->text, data, size);
}

static void end_string(struct strings *s)
{
        add_bytes(s, "", 1);
        s->n++;
}

static void add(struct strings *s, const char *string)
{
        add_bytes(s, string, strlen(string));
        end_string(s);
}

__attribute__((format(printf, 2, 3))) static void addf(struct strings *s, const char *format, ...)
{
        char *string;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&string, format, args);
        va_end(args);
        if (n >= 0) {
                add(s, string);
                free(string);
        } else {
                s->error = -ENOMEM;
        }
}

static void strings_deinit(struct strings *s)
{
        buffer_deinit(&s->text);
}

/* One block, for free. The list is empty afterwards. */
static int strings_take(struct strings *s, char ***ret_list)
{
        size_t size = buffer_size(&s->text), array = (s->n + 1) * sizeof(char *);
        char **list = s->error == 0 ? malloc(array + size) : NULL;
        char *text;

        if (!list)
                return -ENOMEM;
        text = (char *)list + array;
        if (size > 0)
                memcpy(text, buffer_data(&s->text), size);
        for (size_t i = 0; i < s->n; i++) {
                list[i] = text;
                text += strlen(text) + 1;
        }
        list[s->n] = NULL;
        strings_deinit(s);
        *s = (struct strings){ 0 };
        *ret_list = list;
        return 0;
}

/* --- environment ------------------------------------------------------------------------------ */

static size_t name_size(const char *variable)
{
        return strcspn(variable, "=");
}

static bool same_name(const char *a, const char *b)
{
        size_t n = name_size(a);

        return n == name_size(b) && memcmp(a, b, n) == 0;
}

static bool has(const char *const *list, size_t n, const char *variable)
{
        for (size_t i = 0; i < n; i++)
                if (same_name(list[i], variable))
                        return true;
        return false;
}

/* Of an attempt: one from elsewhere would be a lie. */
static bool is_reserved(const char *variable)
{
        static const char *const names[] = {
                "PENSTOCK_ID",           "PENSTOCK_QUEUE",    "PENSTOCK_TYPE",  "PENSTOCK_ATTEMPT",
                "PENSTOCK_MAX_ATTEMPTS", "PENSTOCK_DEADLINE", "PENSTOCK_TOKEN", "TRACEPARENT",
        };

        return has(names, ARRAY_SIZE(names), variable) ||
               strncmp(variable, "PENSTOCK_META_", strlen("PENSTOCK_META_")) == 0;
}

static bool is_handed_on(const struct exec_options *o, const char *variable)
{
        static const char *const names[] = { "PATH", "LANG", "HOME", "TZ" };

        return !is_reserved(variable) &&
               (o->inherit_environment || has(names, ARRAY_SIZE(names), variable));
}

static int make_base_environment(const struct exec_options *o, char ***ret_env)
{
        PEN_CLEANUP(strings_deinit) struct strings s = { 0 };
        size_t n = 0;

        for (; o->env && o->env[n]; n++) {
                if (!strchr(o->env[n], '='))
                        return -EINVAL;
                if (!is_reserved(o->env[n]))
                        add(&s, o->env[n]);
        }
        for (char **i = environ; i && *i; i++)
                if (is_handed_on(o, *i) && !has(o->env, n, *i))
                        add(&s, *i);
        return strings_take(&s, ret_env);
}

/* PENSTOCK_META_NAME=value */
static void add_meta(struct strings *s, const struct job_meta *meta)
{
        static const char prefix[] = "PENSTOCK_META_";
        char c;

        add_bytes(s, prefix, sizeof(prefix) - 1);
        for (const char *i = meta->name; *i; i++) {
                c = *i;
                if (c >= 'a' && c <= 'z')
                        c = (char)(c - 'a' + 'A');
                else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
                        c = '_';
                add_bytes(s, &c, 1);
        }
        add_bytes(s, "=", 1);
        add(s, meta->value);
}

static int make_environment(const struct exec *e, const struct attempt *a, char ***ret_env)
{
        PEN_CLEANUP(strings_deinit) struct strings s = { 0 };
        const struct job_fields *f = &a->job->fields;

        if (f->id)
                addf(&s, "PENSTOCK_ID=%s", f->id);
        if (f->type)
                addf(&s, "PENSTOCK_TYPE=%s", f->type);
        if (f->traceparent)
                addf(&s, "TRACEPARENT=%s", f->traceparent);
        if (a->deadline > 0)
                addf(&s, "PENSTOCK_DEADLINE=%" PRIu64, a->deadline);
        addf(&s, "PENSTOCK_QUEUE=%s", a->queue);
        addf(&s, "PENSTOCK_ATTEMPT=%u", a->number);
        addf(&s, "PENSTOCK_MAX_ATTEMPTS=%u", a->max_attempts);
        addf(&s, "PENSTOCK_TOKEN=%" PRIu64, a->job->deliveries);
        for (size_t i = 0; i < f->n_meta; i++)
                add_meta(&s, &f->meta[i]);
        for (char **i = e->env; *i; i++)
                add(&s, *i);
        return strings_take(&s, ret_env);
}

static int make_arguments(const struct exec *e, struct bytes payload, char ***ret_argv)
{
        PEN_CLEANUP(strings_deinit) struct strings s = { 0 };

        add(&s, e->argv[0]);
        for (char **i = e->argv + 1; *i; i++) {
                const char *from = *i, *at;

                while (e->replaces && (at = strstr(from, e->placeholder))) {
                        add_bytes(&s, from, (size_t)(at - from));
                        add_bytes(&s, payload.data, payload.size);
                        from = at + strlen(e->placeholder);
                }
                add(&s, from);
        }
        return strings_take(&s, ret_argv);
}

/* --- running ---------------------------------------------------------------------------------- */

/* That of a child which could not be made is ours to mend, unless the job asks for too much. */
static void report_not_started(struct report *report, const struct exec *e, int r)
{
        if (r == -E2BIG && e->replaces)
                report_fail(report, OUTCOME_REJECTED,
                            "%s cannot be run: the payload is too long for an argument",
                            e->argv[0]);
        else
                report_fail(report, OUTCOME_UNAVAILABLE, "%s cannot be run: %s", e->argv[0],
                            strerror(-r));
}

static int start(const struct exec *e, const struct attempt *attempt, bool has_input,
                 struct pen_process **ret_process)
{
        PEN_CLEANUP(freep) char **argv = NULL, **env = NULL;
        struct pen_process_options options = {
                .in = has_input ? PEN_STDIO_PIPE : PEN_STDIO_NULL,
                .out = PEN_STDIO_PIPE,
                .err = PEN_STDIO_PIPE,
                .cwd = e->cwd,
                .max_fds = e->max_fds,
        };
        int r;

        r = make_arguments(e, attempt->job->fields.payload, &argv);
        if (r == 0)
                r = make_environment(e, attempt, &env);
        if (r < 0)
                return r;
        options.argv = (const char *const *)argv;
        options.env = (const char *const *)env;
        return pen_process_spawn(&options, ret_process);
}

/* Makes a C string's contents of what a program has written last. */
static int tidy(struct pen_process_capture *text)
{
        while (text->size > 0 && text->data[text->size - 1] == '\n')
                text->size--;
        for (size_t i = 0; i < text->size; i++)
                if (text->data[i] == '\0')
                        text->data[i] = '?';
        return (int)text->size;
}

static void name_cause(char *cause, size_t size, int status)
{
        int signo = WTERMSIG(status);
        const char *name = sigabbrev_np(signo), *core = WCOREDUMP(status) ? " (core dumped)" : "";

        if (WIFEXITED(status))
                snprintf(cause, size, "exit %d", WEXITSTATUS(status));
        else if (name)
                snprintf(cause, size, "killed by SIG%s%s", name, core);
        else
                snprintf(cause, size, "killed by signal %d%s", signo, core);
}

static bool rejects(const struct exec *e, int status)
{
        for (size_t i = 0; i < e->n_reject_exit; i++)
                if (WIFEXITED(status) && WEXITSTATUS(status) == e->reject_exit[i])
                        return true;
        return false;
}

static void report_end(struct report *report, const struct exec *e, int status,
                       struct pen_process_capture *err)
{
        char cause[64];
        int size = tidy(err);

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                report->outcome = OUTCOME_DONE;
                return;
        }
        name_cause(cause, sizeof(cause), status);
        report_fail(report, rejects(e, status) ? OUTCOME_REJECTED : OUTCOME_FAILED, "%s%s%.*s",
                    cause, size > 0 ? ": " : "", size, err->data);
}

static int exec_run(struct handler *handler, const struct attempt *attempt, struct report *report)
{
        struct exec *e = container_of(handler, struct exec, handler);
        struct bytes payload = attempt->job->fields.payload;
        struct pen_process_capture out = { .max = e->result_max };
        struct pen_process_capture err = { .max = EXEC_ERROR_MAX, .tail = true };
        PEN_CLEANUP(pen_process_freep) struct pen_process *process = NULL;
        size_t input = e->replaces ? 0 : payload.size;
        int r, status;

        if (e->replaces && payload.size > 0 && memchr(payload.data, '\0', payload.size)) {
                report_fail(report, OUTCOME_REJECTED,
                            "the payload has a NUL byte, which no argument can have");
                return 0;
        }
        r = start(e, attempt, input > 0, &process);
        if (r < 0) {
                report_not_started(report, e, r);
                return 0;
        }
        r = pen_process_communicate(process, payload.data, input, &out, &err, &status);
        if (r < 0)
                pen_process_terminate(process, e->kill_after);
        if (r == -ECANCELED)
                return r;
        if (r < 0) {
                report_fail(report, OUTCOME_FAILED, "%s: %s", e->argv[0], strerror(-r));
                return 0;
        }
        report_end(report, e, status, &err);
        free(err.data);
        report->result = out.data;
        report->result_size = out.size;
        report->result_cut = out.cut;
        return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static void exec_free(struct handler *handler)
{
        struct exec *e = container_of(handler, struct exec, handler);

        free(e->argv);
        free(e->env);
        free(e->placeholder);
        free(e->cwd);
        free(e->reject_exit);
        free(e);
}

static int copy_options(struct exec *e, const struct exec_options *o)
{
        PEN_CLEANUP(strings_deinit) struct strings s = { 0 };
        size_t size = o->n_reject_exit * sizeof(*o->reject_exit);
        int r;

        for (size_t i = 0; o->argv[i]; i++) {
                add(&s, o->argv[i]);
                if (i > 0 && o->placeholder && strstr(o->argv[i], o->placeholder))
                        e->replaces = true;
        }
        r = strings_take(&s, &e->argv);
        if (r == 0)
                r = make_base_environment(o, &e->env);
        if (r < 0)
                return r;
        e->placeholder = strdup(o->placeholder ? o->placeholder : "");
        e->reject_exit = malloc(size + 1);
        e->cwd = o->cwd ? strdup(o->cwd) : NULL;
        if (!e->placeholder || !e->reject_exit || (o->cwd && !e->cwd))
                return -ENOMEM;
        if (size > 0)
                memcpy(e->reject_exit, o->reject_exit, size);
        e->n_reject_exit = o->n_reject_exit;
        return 0;
}

static const struct handler_class exec_class = { "exec", exec_run, exec_free };

int exec_handler_create(const struct exec_options *options, struct handler **ret_handler)
{
        struct exec *e;
        int r;

        if (!options->argv || !options->argv[0] || options->argv[0][0] != '/')
                return -EINVAL;
        if (options->placeholder && !options->placeholder[0])
                return -EINVAL;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->handler.class = &exec_class;
        e->result_max = options->result_max;
        e->kill_after = options->kill_after;
        e->max_fds = options->max_fds;
        r = copy_options(e, options);
        if (r < 0) {
                exec_free(&e->handler);
                return r;
        }
        *ret_handler = &e->handler;
        return 0;
}
