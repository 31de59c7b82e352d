#include <cli/run_options.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cli/cli.h>
#include <cli/options.h>
#include <penstock/http.h>

#define CONCURRENCY_DEFAULT 10
#define CONCURRENCY_MAX 100000
#define RETRIES_DEFAULT 2
#define RETRIES_MAX 1000000
#define HTTP_TIMEOUT (30 * PEN_SEC)

/* As they are written: numbers that the run wants otherwise. */
struct words {
        struct run_options run;
        uint64_t jobs, retries;
};

static const struct option_row rows[] = {
        OPTION(NUMBER, struct words, jobs, .name = "jobs", .letter = 'j', .value = "N", .min = 1,
               .max = CONCURRENCY_MAX, .help = "run N at once, never more (default 10)"),
        OPTION(FLAG, struct words, run.lines, .name = "lines",
               .help = "a job is a line of text, not JSON"),
        OPTION(NUMBER, struct words, retries, .name = "retries", .value = "N", .max = RETRIES_MAX,
               .help = "try a failed job again up to N times (default 2), after about 1s,\n"
                       "2s, 4s, …, with jitter"),
        OPTION(DURATION, struct words, run.timeout, .name = "timeout", .value = "D",
               .help = "limit of one attempt, like 500ms, 30s, 5m (default: 30s with --url,\n"
                       "none for commands)"),
        OPTION(RATE, struct words, run.rate, .name = "rate", .value = "R",
               .help = "start at most R jobs in a time, like 10/s or 100/m"),
        OPTION(TEXT, struct words, run.url, .name = "url", .value = "URL",
               .help = "make an HTTP request for each job"),
        OPTION(TEXT, struct words, run.results, .name = "results", .value = "FILE",
               .help = "write a line of JSON for each job that has ended (- for standard output)"),
        OPTION(FLAG, struct words, run.json, .name = "json",
               .help = "print the summary as JSON to standard output"),
};

static const struct option_table table = {
        .verb = "run",
        .head = "Usage: penstock run [OPTION…] FILE|- -- COMMAND [ARG…]\n"
                "       penstock run [OPTION…] FILE|- --url URL\n"
                "\n"
                "Runs every job of a file here and now, and waits until all have ended.\n"
                "\n"
                "A job is a line: a JSON object, as {\"payload\": \"…\", \"delay\": \"5s\"}, or with --lines\n"
                "any text. `{}` in COMMAND's arguments or in URL stands for its payload; without it the\n"
                "payload is the standard input, or the body of a POST. Blank lines are skipped, and a\n"
                "carriage return at the end of a line of text is no part of it.\n"
                "\n",
        .tail = "\n"
                "Fields of a JSON job: payload (text, or any JSON value), payload_base64, id, type, delay,\n"
                "run_at, timeout, expires_at, max_attempts, meta, traceparent.\n"
                "\n"
                "Ctrl-C: starts no more, lets what runs finish (25s), tells what was left. Twice: stops\n"
                "what runs (a command that does not heed SIGTERM is killed 5s later).\n"
                "Exit: 0 all done, 1 some were not, 2 usage.\n"
                "\n"
                "Examples:\n"
                "  penstock run -j 10 --lines urls.txt -- curl -fsS {}\n"
                "  penstock run -j 200 --lines urls.txt --url '{}' --results out.jsonl\n"
                "  seq 100 | penstock run --lines --rate 10/s - -- ./work.sh {}\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

static bool is_program(const char *path)
{
        struct stat st;

        return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Absolute, links unresolved: a program may ask by which name it was called. */
static char *make_path(const char *dir, size_t size, const char *name)
{
        PEN_CLEANUP(freep) char *here = size > 0 && dir[0] == '/' ? NULL : getcwd(NULL, 0);
        char *path;

        if (asprintf(&path, "%s%s%.*s/%s", here ? here : "", here && size > 0 ? "/" : "", (int)size,
                     dir, name) < 0)
                return NULL;
        if (is_program(path))
                return path;
        free(path);
        return NULL;
}

/* Looks it up as a shell would; an empty piece of PATH is here. NULL: there is none. */
static char *find_program(const char *name)
{
        const char *dir = getenv("PATH");
        char *path = NULL;

        if (name[0] == '/')
                return is_program(name) ? strdup(name) : NULL;
        if (strchr(name, '/'))
                return make_path("", 0, name);
        for (size_t size; dir && *dir && !path; dir += size + (dir[size] == ':')) {
                size = strcspn(dir, ":");
                path = make_path(dir, size, name);
        }
        return path;
}

static int take_command(char **command, struct run_options *o)
{
        if (!command[0])
                return cli_usage_error("run", "there is no command behind `--`");
        o->program = find_program(command[0]);
        if (!o->program)
                return cli_usage_error("run", "%s: %s", command[0],
                                       strchr(command[0], '/') ? "not an executable file"
                                                               : "not found in PATH");
        command[0] = o->program;
        o->command = (const char *const *)command;
        return -1;
}

static int check_url(const char *url)
{
        char error[256] = "not usable";

        /* The placeholder stands for something that a URL can have. */
        if (strstr(url, "{}") ||
            pen_http_check(&(struct pen_http_request){ .url = url }, error) == 0)
                return -1;
        return cli_usage_error("run", "--url %s: %s", url, error);
}

static const char *describe_ambiguity(bool has_command, bool has_url, int n_files)
{
        if (n_files == 0)
                return "which FILE? (`-` is standard input)";
        if (n_files > 1)
                return "one FILE at a time; a command goes behind `--`";
        if (has_command && has_url)
                return "either a command or --url, not both";
        if (!has_command && !has_url)
                return "what shall run? Give `-- COMMAND`, or --url URL";
        return NULL;
}

int run_options_parse(int argc, char **argv, struct run_options *ret)
{
        struct words words = {
                .run = { .retry = RETRY_POLICY_DEFAULT },
                .jobs = CONCURRENCY_DEFAULT,
                .retries = RETRIES_DEFAULT,
        };
        const char *problem;
        int end = 0, index, r;

        /* The command is behind the first `--`; options are only what stands before. */
        while (end < argc && strcmp(argv[end], "--") != 0)
                end++;
        r = options_parse(&table, end, argv, &words, &index);
        if (r >= 0)
                return r;
        *ret = words.run;
        ret->concurrency = (size_t)words.jobs;
        ret->retry.max_attempts = (unsigned)words.retries + 1;
        problem = describe_ambiguity(end < argc, ret->url, end - index);
        if (problem)
                return cli_usage_error("run", "%s", problem);
        r = end < argc ? take_command(argv + end + 1, ret) : check_url(ret->url);
        if (r >= 0)
                return r;
        ret->file = argv[index];
        if (ret->timeout == 0)
                ret->timeout = ret->url ? HTTP_TIMEOUT : PEN_FOREVER;
        return -1;
}
