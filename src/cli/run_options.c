#include <cli/run_options.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/parse.h>
#include <cli/cli.h>
#include <penstock/http.h>

#define CONCURRENCY_DEFAULT 10
#define CONCURRENCY_MAX 100000
#define RETRIES_DEFAULT 2
#define RETRIES_MAX 1000000
#define HTTP_TIMEOUT (30 * PEN_SEC)

static const char help[] =
        "Usage: penstock run [OPTION…] FILE|- -- COMMAND [ARG…]\n"
        "       penstock run [OPTION…] FILE|- --url URL\n"
        "\n"
        "Runs every job of a file here and now, and waits until all have ended.\n"
        "\n"
        "A job is a line: a JSON object, as {\"payload\": \"…\", \"delay\": \"5s\"}, or with --lines\n"
        "any text. `{}` in COMMAND's arguments or in URL stands for its payload; without it the\n"
        "payload is the standard input, or the body of a POST. Blank lines are skipped, and a\n"
        "carriage return at the end of a line of text is no part of it.\n"
        "\n"
        "  -j, --jobs N        run N at once, never more (default 10)\n"
        "      --lines         a job is a line of text, not JSON\n"
        "      --retries N     try a failed job again up to N times (default 2), after about 1s,\n"
        "                      2s, 4s, …, with jitter\n"
        "      --timeout D     limit of one attempt, like 500ms, 30s, 5m (default: 30s with --url,\n"
        "                      none for commands)\n"
        "      --rate R        start at most R jobs in a time, like 10/s or 100/m\n"
        "      --url URL       make an HTTP request for each job\n"
        "      --results FILE  write a line of JSON for each job that has ended (- for standard output)\n"
        "      --json          print the summary as JSON to standard output\n"
        "  -h, --help          this\n"
        "\n"
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
        "  seq 100 | penstock run --lines --rate 10/s - -- ./work.sh {}\n";

enum {
        OPTION_LINES = 256,
        OPTION_RETRIES,
        OPTION_TIMEOUT,
        OPTION_RATE,
        OPTION_URL,
        OPTION_RESULTS,
        OPTION_JSON,
};

static const struct option long_options[] = {
        { "jobs", required_argument, NULL, 'j' },
        { "lines", no_argument, NULL, OPTION_LINES },
        { "retries", required_argument, NULL, OPTION_RETRIES },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        { "rate", required_argument, NULL, OPTION_RATE },
        { "url", required_argument, NULL, OPTION_URL },
        { "results", required_argument, NULL, OPTION_RESULTS },
        { "json", no_argument, NULL, OPTION_JSON },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int bad_value(const char *option, const char *found, const char *allowed)
{
        return cli_usage_error("run", "%s %s: must be %s", option, found, allowed);
}

/* One option; -1: well. */
static int take_option(int option, const char *value, const char *word, struct run_options *o)
{
        uint64_t number;

        switch (option) {
        case 'j':
                if (parse_u64(value, &number) < 0 || number == 0 || number > CONCURRENCY_MAX)
                        return bad_value("-j", value, "a whole number from 1 to 100000");
                o->concurrency = number;
                return -1;
        case OPTION_RETRIES:
                if (parse_u64(value, &number) < 0 || number > RETRIES_MAX)
                        return bad_value("--retries", value, "a whole number from 0 to 1000000");
                o->retry.max_attempts = (unsigned)number + 1;
                return -1;
        case OPTION_TIMEOUT:
                if (parse_duration(value, &o->timeout) < 0)
                        return bad_value("--timeout", value, parse_duration_form);
                if (o->timeout == 0)
                        return bad_value("--timeout", value, "more than 0");
                return -1;
        case OPTION_RATE:
                if (parse_rate(value, &o->rate) < 0)
                        return bad_value("--rate", value, parse_rate_form);
                return -1;
        case OPTION_LINES:
                o->lines = true;
                return -1;
        case OPTION_URL:
                o->url = value;
                return -1;
        case OPTION_RESULTS:
                o->results = value;
                return -1;
        case OPTION_JSON:
                o->json = true;
                return -1;
        case 'h':
                fputs(help, stdout);
                return EXIT_WELL;
        case ':':
                return cli_usage_error("run", "%s: its value is missing", word);
        default:
                if (optopt > 0 && optopt < 256)
                        return cli_usage_error("run", "-%c is not an option", optopt);
                return cli_usage_error("run", "%s is not an option", word);
        }
}

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
        const char *problem;
        int end = 0, option, r;

        *ret = (struct run_options){
                .concurrency = CONCURRENCY_DEFAULT,
                .retry = RETRY_POLICY_DEFAULT,
        };
        ret->retry.max_attempts = RETRIES_DEFAULT + 1;

        /* The command is behind the first `--`; getopt sees only what stands before. */
        while (end < argc && strcmp(argv[end], "--") != 0)
                end++;
        opterr = 0;
        while ((option = getopt_long(end, argv, ":j:h", long_options, NULL)) >= 0) {
                r = take_option(option, optarg, argv[optind - 1], ret);
                if (r >= 0)
                        return r;
        }
        problem = describe_ambiguity(end < argc, ret->url, end - optind);
        if (problem)
                return cli_usage_error("run", "%s", problem);
        r = end < argc ? take_command(argv + end + 1, ret) : check_url(ret->url);
        if (r >= 0)
                return r;
        ret->file = argv[optind];
        if (ret->timeout == 0)
                ret->timeout = ret->url ? HTTP_TIMEOUT : PEN_FOREVER;
        return -1;
}
