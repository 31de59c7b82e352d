#include <config/keys.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <sys/un.h>

#include <base/parse.h>
#include <config/value.h>

#define FIELD(record, member) \
        .offset = offsetof(struct record, member), .size = sizeof(((struct record *)NULL)->member)
#define BESIDE(record, member) .beside = offsetof(struct record, member)

#define NAMES_MAX 10000
#define YEAR (365 * PEN_DAY)

/* --- what texts may be ---------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
        return parse_is_name(text, strlen(text));
}

static bool is_prefix(const char *text)
{
        return parse_is_id(text, strlen(text));
}

static bool is_absolute(const char *text)
{
        return *text == '/';
}

static bool is_something(const char *text)
{
        return *text != '\0';
}

static bool is_method(const char *text)
{
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

        return n > 0 && n <= 16 && !text[n];
}

/* DIGITS:PORT or [DIGITS]:PORT: what can be listened at without asking a name server. */
static bool is_ip_and_port(const char *text)
{
        bool v6 = *text == '[';
        const char *colon = strrchr(text, ':');
        char host[INET6_ADDRSTRLEN + 2], address[sizeof(struct in6_addr)];
        uint64_t port;
        size_t n;

        if (!colon || (size_t)(colon - text) >= sizeof(host) || parse_u64(colon + 1, &port) < 0 ||
            port > UINT16_MAX)
                return false;
        n = (size_t)(colon - text);
        if (v6 && (n < 2 || text[n - 1] != ']'))
                return false;
        n -= v6 ? 2 : 0;
        memcpy(host, text + v6, n);
        host[n] = '\0';
        return inet_pton(v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

static bool is_listen_address(const char *text)
{
        static const char unix_prefix[] = "unix:";
        size_t n = strlen(unix_prefix);

        if (strncmp(text, unix_prefix, n) != 0)
                return is_ip_and_port(text);
        return text[n] == '/' && strlen(text + n) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/* --- words ---------------------------------------------------------------------------------------- */

static const struct choice store_kinds[] = {
        { "memory", STORE_MEMORY, false },
        { "redis", STORE_REDIS, false },
        { "sqlite", 0, true },
        { 0 },
};

static const struct choice log_levels[] = {
        { "debug", LOG_DEBUG, false },
        { "info", LOG_INFO, false },
        { "warn", LOG_WARN, false },
        { "error", LOG_ERROR, false },
        { 0 },
};

static const struct choice log_formats[] = {
        { "auto", LOG_AUTO, false },
        { "logfmt", LOG_LOGFMT, false },
        { "json", LOG_JSON, false },
        { "journal", LOG_JOURNAL, true },
        { 0 },
};

static const struct choice log_jobs[] = {
        { "all", LOG_JOBS_ALL, false },
        { "failures", LOG_JOBS_FAILURES, false },
        { "none", LOG_JOBS_NONE, false },
        { 0 },
};

static const struct choice backoffs[] = {
        { "exponential", BACKOFF_EXPONENTIAL, false },
        { "linear", BACKOFF_LINEAR, false },
        { "constant", BACKOFF_CONSTANT, false },
        { "list", BACKOFF_LIST, false },
        { 0 },
};

static const struct choice jitters[] = {
        { "none", JITTER_NONE, false },
        { "full", JITTER_FULL, false },
        { "equal", JITTER_EQUAL, false },
        { 0 },
};

/* --- the top -------------------------------------------------------------------------------------- */

static const struct key store_keys[] = {
        { "kind", KEY_VALUE, &type_word, "memory", .choices = store_kinds,
          FIELD(config, store.kind),
          .help = "where jobs live: in this process until it ends, or in Redis" },
        { "url", KEY_VALUE, &type_store_url, "null", NULL_IS_ZERO, .secret = true,
          FIELD(config, store.url), .help = "of Redis; needed by `kind: redis`" },
        { "password_file", KEY_VALUE, &type_secret_file, "null", NULL_IS_ZERO,
          FIELD(config, store.password_file), BESIDE(config, store.password),
          .help = "a file with the password of Redis" },
        { "prefix", KEY_VALUE, &type_text, "penstock", .accepts = is_prefix,
          .form = "1 to 128 of A-Z a-z 0-9 _ . : -", FIELD(config, store.prefix),
          .help = "what the names of all keys in Redis begin with" },
        { "lease", KEY_VALUE, &type_duration, "15s", .min = 3 * PEN_SEC, .max = PEN_HOUR,
          FIELD(config, store.lease),
          .help = "a daemon unheard of for so long loses its jobs to others; it is renewed three "
                  "times in that span" },
        { "path", KEY_NOT_YET, .help = "the file of `kind: sqlite`" },
        { 0 },
};

static const struct key http_keys[] = {
        { "listen", KEY_VALUE, &type_texts, "[unix:/run/penstock/penstock.sock]",
          .accepts = is_listen_address, .form = "unix:/PATH, ADDRESS:PORT or [ADDRESS]:PORT",
          FIELD(config, http.listen), BESIDE(config, http.n_listen),
          .help = "where the HTTP interface is; `[]` for none, TCP needs token_file" },
        { "mode", KEY_VALUE, &type_mode, "\"0660\"", .max = 0777, FIELD(config, http.mode),
          .help = "permissions of the Unix socket" },
        { "group", KEY_VALUE, &type_text, "null", NULL_IS_ZERO, .accepts = is_something,
          .form = "the name of a group", FIELD(config, http.group),
          .help = "group of the Unix socket; `null` for the daemon's own" },
        { "token_file", KEY_VALUE, &type_secret_file, "null", NULL_IS_ZERO,
          FIELD(config, http.token_file), BESIDE(config, http.token),
          .help = "a file with the token that clients must present" },
        { 0 },
};

static const struct key log_keys[] = {
        { "level", KEY_VALUE, &type_word, "info", .choices = log_levels, FIELD(config, log.level),
          .help = "the least that is said" },
        { "format", KEY_VALUE, &type_word, "auto", .choices = log_formats,
          FIELD(config, log.format), .help = "`auto` is logfmt, in colour on a terminal" },
        { "jobs", KEY_VALUE, &type_word, "all", .choices = log_jobs, FIELD(config, log.jobs),
          .help = "which ends of jobs are worth a line" },
        { "stats", KEY_VALUE, &type_duration, "60s", .max = PEN_DAY, FIELD(config, log.stats),
          .help = "how often each queue's figures are said; `0` for never" },
        { 0 },
};

static const struct key limits_keys[] = {
        { "payload", KEY_VALUE, &type_size, "1MiB", .min = 1, .max = (uint64_t)512 << 20,
          FIELD(config, limits.payload), .help = "of one job" },
        { "buffer", KEY_VALUE, &type_size, "64MiB", .min = 1, .max = (uint64_t)64 << 30,
          FIELD(config, limits.buffer),
          .help = "of all jobs that are fetched and have not ended; not less than one payload" },
        { "result", KEY_VALUE, &type_size, "64KiB", .max = (uint64_t)64 << 20,
          FIELD(config, limits.result), .help = "kept of what a handler answers" },
        { "delay", KEY_VALUE, &type_duration, "365d", .max = JOB_DELAY_MAX,
          FIELD(config, limits.delay), .help = "how far in the future a job's start may be" },
        { 0 },
};

/* --- handlers ------------------------------------------------------------------------------------- */

static const struct key exec_keys[] = {
        { "argv", KEY_VALUE, &type_texts, NULL, .least = 1, FIELD(config_handler, exec.argv),
          BESIDE(config_handler, exec.n_argv),
          .help = "program (an absolute path) and arguments; there is no shell" },
        { "env", KEY_VALUE, &type_env, "{}", .form = "NAME: VALUE", .secret = true,
          FIELD(config_handler, exec.env), BESIDE(config_handler, exec.n_env),
          .help = "added to PATH, LANG, HOME, TZ and the job's own variables" },
        { "cwd", KEY_VALUE, &type_text, "null", NULL_IS_ZERO, .accepts = is_absolute,
          .form = "an absolute path", FIELD(config_handler, exec.cwd),
          .help = "where the program runs; `null` for the daemon's own" },
        { "kill_after", KEY_VALUE, &type_duration, "5s", .max = PEN_HOUR,
          FIELD(config_handler, exec.kill_after),
          .help = "from TERM to KILL, for a program past its time" },
        { "reject_exit", KEY_VALUE, &type_wholes, "[65]", .min = 1, .max = 255,
          FIELD(config_handler, exec.reject_exit), BESIDE(config_handler, exec.n_reject_exit),
          .help = "exit codes that say: never again" },
        { "umask", KEY_NOT_YET, .help = "of the program" },
        { "rlimits", KEY_NOT_YET, .help = "of the program" },
        { "nice", KEY_NOT_YET, .help = "of the program" },
        { 0 },
};

static const struct key http_handler_keys[] = {
        { "url", KEY_VALUE, &type_url, NULL, .secret = true, FIELD(config_handler, http.url),
          .help = "where each job is sent" },
        { "method", KEY_VALUE, &type_text, "POST", .accepts = is_method,
          .form = "a method like POST or PUT", FIELD(config_handler, http.method),
          .help = "GET and HEAD send no payload" },
        { "timeout", KEY_VALUE, &type_duration, "0", .max = YEAR,
          FIELD(config_handler, http.timeout),
          .help = "of a request; `0` for the time of the attempt alone" },
        { "headers", KEY_VALUE, &type_headers, "{}", .form = "NAME: VALUE", .secret = true,
          FIELD(config_handler, http.headers), BESIDE(config_handler, http.n_headers),
          .help = "sent besides Penstock's own" },
        { "reject_status", KEY_VALUE, &type_wholes, "[400, 410, 413, 415, 422]", .min = 300,
          .max = 599, FIELD(config_handler, http.reject_status),
          BESIDE(config_handler, http.n_reject_status), .help = "answers that say: never again" },
        { "retry_status", KEY_VALUE, &type_wholes, "[408, 425, 429]", .min = 300, .max = 599,
          FIELD(config_handler, http.retry_status), BESIDE(config_handler, http.n_retry_status),
          .help = "answers that say: later; 5xx and whatever is in neither list do, too" },
        { "secret_file", KEY_NOT_YET, .help = "a file with the key that signs requests" },
        { "allow_hosts", KEY_NOT_YET, .help = "hosts that a job may name though not public" },
        { 0 },
};

static const struct key noop_keys[] = {
        { "run", KEY_VALUE, &type_duration, "0", .max = YEAR, FIELD(config_handler, noop.run),
          .help = "how long each job takes" },
        { "fail", KEY_VALUE, &type_decimal, "0", .max = 1, FIELD(config_handler, noop.fail),
          .help = "the probability that a job fails" },
        { 0 },
};

static const struct key handler_keys[] = {
        { "exec", KEY_VARIANT, .keys = exec_keys, .variant = HANDLER_EXEC,
          FIELD(config_handler, kind), .help = "runs a program" },
        { "http", KEY_VARIANT, .keys = http_handler_keys, .variant = HANDLER_HTTP,
          FIELD(config_handler, kind), .help = "makes a request" },
        { "noop", KEY_VARIANT, .keys = noop_keys, .variant = HANDLER_NOOP,
          FIELD(config_handler, kind), .help = "pretends, for trials" },
        { "worker", KEY_NOT_YET, .help = "a pool of long-lived processes" },
        { "plugin", KEY_NOT_YET, .help = "a shared object" },
        { 0 },
};

/* --- queues --------------------------------------------------------------------------------------- */

static const struct key retry_keys[] = {
        { "max_attempts", KEY_VALUE, &type_whole, "8", .min = 1, .max = 10000,
          FIELD(config_queue, retry.max_attempts),
          .help = "failures and timeouts together, the first run included" },
        { "backoff", KEY_VALUE, &type_word, "exponential", .choices = backoffs,
          FIELD(config_queue, retry.backoff),
          .help = "delay × factor^(n-1), delay × n, delay, or the list's" },
        { "delay", KEY_VALUE, &type_duration, "1s", .max = YEAR, FIELD(config_queue, retry.delay),
          .help = "after the first failure" },
        { "factor", KEY_VALUE, &type_decimal, "2", .min = 1, .max = 100,
          FIELD(config_queue, retry.factor), .help = "of `exponential`" },
        { "max_delay", KEY_VALUE, &type_duration, "10m", .max = YEAR,
          FIELD(config_queue, retry.max_delay),
          .help = "of `exponential`, `linear`, and what a handler asks for" },
        { "jitter", KEY_VALUE, &type_word, "full", .choices = jitters,
          FIELD(config_queue, retry.jitter),
          .help = "none; between 0 and the delay; between half of it and all" },
        { "list", KEY_VALUE, &type_durations, "null", NULL_IS_ZERO, .least = 1, .max = YEAR,
          FIELD(config_queue, retry.list), BESIDE(config_queue, retry.n_list),
          .help = "the delays of `backoff: list`, like [1s, 5s, 1m]; the last for all further" },
        { 0 },
};

static const struct key dead_keys[] = {
        { "keep", KEY_VALUE, &type_duration, "90d", NULL_IS_ALL_ONES, .max = 100 * YEAR,
          FIELD(config_queue, dead_keep),
          .help = "how long dead letters are kept; `null` for ever, `0` for not at all" },
        { "max", KEY_VALUE, &type_whole, "null", NULL_IS_ZERO, .min = 1, .max = 1000000000,
          FIELD(config_queue, dead_max),
          .help = "how many are kept; past it the oldest is dropped, logged and counted" },
        { 0 },
};

static const struct key queue_keys[] = {
        { "handler", KEY_VALUE, &type_text, "null", NULL_IS_ZERO, .accepts = is_name,
          .form = "the name of a handler", FIELD(config_queue, handler),
          .help = "runs the jobs whose type is not in `types`; `null`: such jobs are refused" },
        { "types", KEY_VALUE, &type_types, "{}", .form = "TYPE: HANDLER",
          FIELD(config_queue, types), BESIDE(config_queue, n_types),
          .help = "TYPE: HANDLER, where one queue serves several" },
        { "concurrency", KEY_VALUE, &type_whole, "50", .min = 1, .max = 100000,
          FIELD(config_queue, concurrency), .help = "consumers of this queue" },
        { "maxsize", KEY_VALUE, &type_whole, "100", .min = 1, .max = 100000,
          FIELD(config_queue, maxsize),
          .help = "of the bounded queue between fetcher and consumers" },
        { "capacity", KEY_VALUE, &type_whole, "100000", NULL_IS_ZERO, .min = 1, .max = 1000000000,
          FIELD(config_queue, capacity),
          .help = "ready and delayed jobs; past it a push waits or is refused; `null`: no limit" },
        { "rate", KEY_VALUE, &type_rate, "null", NULL_IS_ZERO, .max = 1000000000,
          FIELD(config_queue, rate), .help = "how many jobs may start; `null`: no limit" },
        { "weight", KEY_VALUE, &type_whole, "1", .min = 1, .max = 1000, FIELD(config_queue, weight),
          .help = "share of the consumers where `concurrency` at the top is what limits" },
        { "priority", KEY_VALUE, &type_whole, "0", .max = 100, FIELD(config_queue, priority),
          .help = "a queue with more goes strictly before one with less" },
        { "dedupe", KEY_VALUE, &type_duration, "10m", .max = YEAR, FIELD(config_queue, dedupe),
          .help = "how long the id of a job that has ended is remembered" },
        { "timeout", KEY_VALUE, &type_duration, "30s", .max = YEAR, FIELD(config_queue, timeout),
          .help = "of one attempt; `0` for none" },
        { "keep_results", KEY_NOT_YET, .initial = "0",
          .help = "how long outcome and result can be read after the end" },
        { "retry", KEY_GROUP, .keys = retry_keys, .help = "what follows a failure" },
        { "max_crashes", KEY_VALUE, &type_whole, "3", .min = 1, .max = 10000,
          FIELD(config_queue, retry.max_crashes),
          .help = "a job is dead when so many processes have died of it" },
        { "dead", KEY_GROUP, .keys = dead_keys, .help = "the dead letters" },
        { "list", KEY_NOT_YET, .help = "a Redis list to take payloads from" },
        { 0 },
};

const struct key config_keys[] = {
        { "instance", KEY_VALUE, &type_instance, "\"%H\"", FIELD(config, instance),
          .accepts = is_name, .form = "a name: 1 to 64 of A-Z a-z 0-9 _ . -",
          .help = "this daemon's name: `%H` is the host, `%i` the systemd instance, `%%` a %" },
        { "concurrency", KEY_VALUE, &type_whole, "256", .min = 1, .max = 100000,
          FIELD(config, concurrency), .help = "consumers over all queues" },
        { "shutdown_timeout", KEY_VALUE, &type_duration, "25s", .max = PEN_DAY,
          FIELD(config, shutdown_timeout),
          .help = "what running jobs get to finish at a stop; the rest goes back" },
        { "store", KEY_GROUP, .keys = store_keys, .help = "where jobs live" },
        { "http", KEY_GROUP, .keys = http_keys, .help = "the HTTP interface" },
        { "log", KEY_GROUP, .keys = log_keys, .help = "what is said" },
        { "limits", KEY_GROUP, .keys = limits_keys, .help = "against floods" },
        { "handlers", KEY_RECORDS, .keys = handler_keys, .max = NAMES_MAX,
          .record_size = sizeof(struct config_handler), FIELD(config, handlers),
          BESIDE(config, n_handlers), .help = "what runs jobs: NAME, and one kind each" },
        { "queues", KEY_RECORDS, .keys = queue_keys, .max = NAMES_MAX,
          .record_size = sizeof(struct config_queue), FIELD(config, queues),
          BESIDE(config, n_queues), .help = "what jobs are pushed to" },
        { "cron", KEY_NOT_YET, .help = "jobs by the calendar" },
        { 0 },
};

_Static_assert(offsetof(struct config_handler, name) == 0, "record_name");
_Static_assert(offsetof(struct config_queue, name) == 0, "record_name");

const struct key *key_find(const struct key *keys, const char *name)
{
        key_for_each(k, keys)
                if (!strcmp(k->name, name))
                        return k;
        return NULL;
}

const struct key *key_variant(const struct key *keys, const void *record)
{
        key_for_each(k, keys)
                if (k->shape == KEY_VARIANT && *(unsigned *)key_field(k, record) == k->variant)
                        return k;
        return NULL;
}
