/* penstock: the command line. One verb a file. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include <cli/cli.h>

static const struct verb *const verbs[] = { &verb_run };

static void print_help(FILE *to)
{
        fprintf(to, "Usage: penstock VERB [OPTION…]\n\n");
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                fprintf(to, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
        fprintf(to, "\n`penstock VERB --help` tells more; `penstock --version` the version.\n");
}

int main(int argc, char **argv)
{
        const char *name = argc > 1 ? argv[1] : NULL;

        if (!name) {
                print_help(stderr);
                return EXIT_USAGE;
        }
        if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
                print_help(stdout);
                return EXIT_WELL;
        }
        if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
                printf("penstock %s\n", PACKAGE_VERSION);
                return EXIT_WELL;
        }
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (!strcmp(name, verbs[i]->name))
                        return verbs[i]->run(argc - 1, argv + 1);
        fprintf(stderr, "penstock: there is no verb `%s`\n\n", name);
        print_help(stderr);
        return EXIT_USAGE;
}
