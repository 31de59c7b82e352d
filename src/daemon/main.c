/* penstockd: reads its options and its configuration, and runs the daemon in the foreground. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include <base/log.h>
#include <daemon/daemon.h>
#include <penstock/loop.h>

enum {
        EXIT_WELL = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_CONFIG = 78,
};

struct options {
        const char *path;
        bool check, print, verbose;
};

struct run {
        const char *path;
        struct config *config;
};

static void print_help(FILE *to)
{
        fprintf(to,
                "Usage: penstockd [-c FILE] [--check | --print-config] [-v] [-V]\n\n"
                "Runs jobs from the store that FILE names, in the foreground, until SIGTERM.\n\n"
                "  -c, --config FILE   else $PENSTOCK_CONFIG, else /etc/penstock/penstock.yaml\n"
                "      --check         read the configuration, print its errors, and exit\n"
                "      --print-config  print it with all defaults, and exit\n"
                "  -v, --verbose       log level debug\n"
                "  -V, --version\n"
                "  -h, --help\n\n"
                "TERM, INT: drain and exit; a second one: at once. TSTP: fetch no more; CONT: again.\n"
                "HUP: read the configuration again. TTIN: log every running job.\n");
}

/* Less than 0: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
        static const struct option names[] = {
                { "config", required_argument, NULL, 'c' },
                { "check", no_argument, NULL, 1 },
                { "print-config", no_argument, NULL, 2 },
                { "verbose", no_argument, NULL, 'v' },
                { "version", no_argument, NULL, 'V' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "c:vVh", names, NULL)) >= 0) {
                switch (c) {
                case 'c':
                        o->path = optarg;
                        break;
                case 1:
                        o->check = true;
                        break;
                case 2:
                        o->print = true;
                        break;
                case 'v':
                        o->verbose = true;
                        break;
                case 'V':
                        printf("penstockd %s\n", PACKAGE_VERSION);
                        return EXIT_WELL;
                case 'h':
                        print_help(stdout);
                        return EXIT_WELL;
                default:
                        print_help(stderr);
                        return EXIT_USAGE;
                }
        }
        if (optind == argc)
                return -1;
        fprintf(stderr, "penstockd: `%s` is no option\n\n", argv[optind]);
        print_help(stderr);
        return EXIT_USAGE;
}

static int print_config(const struct config *config)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };

        if (config_print(config, &text) < 0)
                return EXIT_FAILED;
        fwrite(buffer_data(&text), 1, buffer_size(&text), stdout);
        return fflush(stdout) == EOF ? EXIT_FAILED : EXIT_WELL;
}

static int load(const char *path, struct config **ret_config)
{
        PEN_CLEANUP(buffer_deinit) struct buffer errors = { 0 };
        int r = config_load(path, &errors, ret_config);

        if (r < 0)
                fprintf(stderr, "%.*s", (int)buffer_size(&errors), buffer_data(&errors));
        return r;
}

static int run_daemon(void *arg)
{
        const struct run *run = arg;

        return daemon_run(run->path, run->config);
}

int main(int argc, char **argv)
{
        PEN_CLEANUP(config_unrefp) struct config *config = NULL;
        struct options o = { 0 };
        struct run run;
        int code = read_options(argc, argv, &o);

        if (code >= 0)
                return code;
        run.path = config_path(o.path);
        if (load(run.path, &config) < 0)
                return EXIT_CONFIG;
        if (o.print)
                return print_config(config);
        if (o.check) {
                printf("%s: well\n", run.path);
                return EXIT_WELL;
        }
        log_setup(o.verbose ? LOG_DEBUG : config->log.level, config->log.format, STDERR_FILENO);
        run.config = config;
        code = pen_run(run_daemon, &run) < 0 ? EXIT_FAILED : EXIT_WELL;
        log_flush(PEN_SEC);
        return code;
}
