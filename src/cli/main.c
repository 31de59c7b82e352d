/* penstock: the command line. One verb a file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Were one of 0, 1, 2 closed, the next file opened would be taken for it. */
static void fill_standard_descriptors(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        close(fd);
}

int main(int argc, char **argv)
{
        const char *name = argc > 1 ? argv[1] : NULL;

        fill_standard_descriptors();
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
