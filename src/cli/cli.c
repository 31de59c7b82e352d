#include <cli/cli.h>

#include <stdarg.h>
#include <stdio.h>

int cli_usage_error(const char *verb, const char *format, ...)
{
        va_list args;

        fprintf(stderr, "penstock %s: ", verb);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, "\nTry `penstock %s --help`.\n", verb);
        return EXIT_USAGE;
}
