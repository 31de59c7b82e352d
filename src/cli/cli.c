#include <cli/cli.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/buffer.h>
#include <cli/terminal.h>

static void vsay(const char *verb, const char *format, va_list args)
{
        PEN_CLEANUP(buffer_deinit) struct buffer escaped = { 0 };
        PEN_CLEANUP(freep) char *text = NULL;

        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        if (text && terminal_escape(&escaped, text, strlen(text)) == 0)
                fprintf(stderr, "penstock%s%s: %.*s\n", verb ? " " : "", verb ? verb : "",
                        (int)buffer_size(&escaped), buffer_data(&escaped));
}

void cli_say(const char *verb, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsay(verb, format, args);
        va_end(args);
}

int cli_usage_error(const char *verb, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsay(verb, format, args);
        va_end(args);
        fprintf(stderr, "Try `penstock%s%s --help`.\n", verb ? " " : "", verb ? verb : "");
        return EXIT_USAGE;
}

int cli_flush(const char *verb)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return EXIT_WELL;
        cli_say(verb, "standard output: %s", strerror(errno));
        return EXIT_JOBS_FAILED;
}

static void print_verbs(FILE *to, const char *of, const struct verb *const *verbs, size_t n)
{
        fprintf(to, "Usage: penstock%s%s VERB [OPTION…]\n\n",
                of ? " " : " [-c FILE | --store URL | --socket PATH]", of ? of : "");
        for (size_t i = 0; i < n; i++)
                fprintf(to, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
        fprintf(to, "\n`penstock %s%sVERB --help` tells more%s\n", of ? of : "", of ? " " : "",
                of ? "." : "; `penstock --version` the version.");
}

int cli_dispatch(const char *of, const struct verb *const *verbs, size_t n,
                 const struct place *place, int argc, char **argv)
{
        const char *name = argc > 1 ? argv[1] : NULL;

        if (!name) {
                print_verbs(stderr, of, verbs, n);
                return EXIT_USAGE;
        }
        if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
                print_verbs(stdout, of, verbs, n);
                return EXIT_WELL;
        }
        for (size_t i = 0; i < n; i++)
                if (!strcmp(name, verbs[i]->name))
                        return verbs[i]->run(place, argc - 1, argv + 1);
        fprintf(stderr, "penstock%s%s: there is no verb `%s`\n\n", of ? " " : "", of ? of : "",
                name);
        print_verbs(stderr, of, verbs, n);
        return EXIT_USAGE;
}
