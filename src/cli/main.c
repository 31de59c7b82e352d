/* penstock: the command line. One verb a file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include <cli/cli.h>
#include <cli/place.h>

static const struct verb *const verbs[] = {
        &verb_run, &verb_push, &verb_status, &verb_join, &verb_dead, &verb_config,
};

/* Were one of 0, 1, 2 closed, the next file opened would be taken for it. */
static void fill_standard_descriptors(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        close(fd);
}

/* The options before the verb; then argv[1] is the verb. */
static int read_place(int *argc, char ***argv, struct place *place)
{
        static const struct option_row rows[] = { PLACE_OPTIONS(struct place, ) };
        static const struct option_table table = {
                .rows = rows,
                .n_rows = ARRAY_SIZE(rows),
                .stops = true,
        };
        int index, r = options_parse(&table, *argc, *argv, place, &index);

        if (r >= 0)
                return r;
        *argc -= index - 1;
        *argv += index - 1;
        return -1;
}

int main(int argc, char **argv)
{
        struct place place = { 0 };
        int r;

        fill_standard_descriptors();
        if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
                printf("penstock %s\n", PACKAGE_VERSION);
                return EXIT_WELL;
        }
        r = read_place(&argc, &argv, &place);
        if (r >= 0)
                return r;
        return cli_dispatch(NULL, verbs, ARRAY_SIZE(verbs), &place, argc, argv);
}
