/* penstock config: what a configuration is, and whether it is one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cli/cli.h>
#include <cli/place.h>
#include <job/json.h>

struct config_options {
        struct place place;
        bool json;
};

#define CONFIG_ROW                                                                         \
        OPTION(TEXT, struct config_options, place.config, .name = "config", .letter = 'c', \
               .value = "FILE",                                                            \
               .help = "the same as FILE (default: $PENSTOCK_CONFIG, or\n"                 \
                       "/etc/penstock/penstock.yaml)")

static const struct option_row check_rows[] = {
        CONFIG_ROW,
        OPTION(FLAG, struct config_options, json, .name = "json",
               .help = "a line of JSON: the file, whether it is right, its errors"),
};

static const struct option_table check_table = {
        .verb = "config check",
        .head = "Usage: penstock config check [OPTION…] [FILE]\n"
                "\n"
                "Reads a configuration and tells all its errors, with line and column.\n"
                "\n",
        .tail = "\nExit: 0 it is right, 2 usage, 78 it is not.\n",
        .rows = check_rows,
        .n_rows = ARRAY_SIZE(check_rows),
};

static const struct option_row show_rows[] = { CONFIG_ROW };

static const struct option_table show_table = {
        .verb = "config show",
        .head = "Usage: penstock config show [OPTION…] [FILE]\n"
                "\n"
                "Prints a configuration as YAML, every key with the value that holds, defaults too;\n"
                "secrets as ***.\n"
                "\n",
        .tail = "\nExit: 0 well, 2 usage, 78 the configuration has errors, which are told.\n",
        .rows = show_rows,
        .n_rows = ARRAY_SIZE(show_rows),
};

/* *ret_file: the one to read. -1: well; else the exit code. */
static int read_options(const struct option_table *table, const struct place *place, int argc,
                        char **argv, struct config_options *options, const char **ret_file)
{
        int index, r;

        *options = (struct config_options){ .place = *place };
        r = options_parse(table, argc, argv, options, &index);
        if (r >= 0)
                return r;
        if (options->place.store || options->place.socket)
                return cli_usage_error(table->verb, "it reads a file: no --store or --socket");
        if (argc - index > 1)
                return cli_usage_error(table->verb, "one FILE at a time");
        if (index < argc && options->place.config)
                return cli_usage_error(table->verb, "either FILE or -c FILE");
        *ret_file = config_path(index < argc ? argv[index] : options->place.config);
        return -1;
}

/* --- check -------------------------------------------------------------------------------------- */

static int write_errors(struct buffer *to, const struct buffer *errors)
{
        const char *line = buffer_data(errors), *end = line + buffer_size(errors);
        int r = 0;

        for (bool first = true; line && line < end && r == 0; first = false) {
                const char *newline = memchr(line, '\n', (size_t)(end - line)) ?: end;

                if (!first)
                        r = buffer_append(to, ",", 1);
                if (r == 0)
                        r = json_write_string(to, line, (size_t)(newline - line));
                line = newline + 1;
        }
        return r;
}

static int print_json(const char *file, bool right, const struct buffer *errors)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        int r = buffer_printf(&text, "{\"file\":");

        if (r == 0)
                r = json_write_string(&text, file, strlen(file));
        if (r == 0)
                r = buffer_printf(&text, ",\"ok\":%s,\"errors\":[", right ? "true" : "false");
        if (r == 0)
                r = write_errors(&text, errors);
        if (r == 0)
                r = buffer_append(&text, "]}\n", 3);
        if (r == 0)
                fwrite(buffer_data(&text), 1, buffer_size(&text), stdout);
        return r;
}

static int check_verb(const struct place *place, int argc, char **argv)
{
        PEN_CLEANUP(config_unrefp) struct config *config = NULL;
        PEN_CLEANUP(buffer_deinit) struct buffer errors = { 0 };
        struct config_options options;
        const char *file;
        int r, flushed;

        r = read_options(&check_table, place, argc, argv, &options, &file);
        if (r >= 0)
                return r;
        r = config_load(file, &errors, &config);
        if (options.json && (r == 0 || r == -EINVAL))
                print_json(file, r == 0, &errors);
        else if (r == 0)
                printf("%s is right: handlers: %zu, queues: %zu\n", file, config->n_handlers,
                       config->n_queues);
        else if (r == -EINVAL)
                fwrite(buffer_data(&errors), 1, buffer_size(&errors), stderr);
        else
                cli_say("config check", "%s: %s", file, strerror(-r));
        flushed = cli_flush("config check");
        return r < 0 ? EXIT_CONFIGURATION : flushed;
}

static const struct verb verb_check = { "check", "tell all errors of a configuration", check_verb };

/* --- show --------------------------------------------------------------------------------------- */

static int show_verb(const struct place *place, int argc, char **argv)
{
        PEN_CLEANUP(config_unrefp) struct config *config = NULL;
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        struct config_options options;
        const char *file;
        int r;

        r = read_options(&show_table, place, argc, argv, &options, &file);
        if (r >= 0)
                return r;
        r = config_load(file, &text, &config);
        if (r == -EINVAL)
                fwrite(buffer_data(&text), 1, buffer_size(&text), stderr);
        else if (r == 0)
                r = config_print(config, &text);
        if (r < 0 && r != -EINVAL)
                cli_say("config show", "%s: %s", file, strerror(-r));
        if (r < 0)
                return EXIT_CONFIGURATION;
        fwrite(buffer_data(&text), 1, buffer_size(&text), stdout);
        return cli_flush("config show");
}

static const struct verb verb_show = { "show", "print a configuration with all defaults",
                                       show_verb };

static int config_verb(const struct place *place, int argc, char **argv)
{
        static const struct verb *const verbs[] = { &verb_check, &verb_show };

        return cli_dispatch("config", verbs, ARRAY_SIZE(verbs), place, argc, argv);
}

const struct verb verb_config = { "config", "check or show a configuration", config_verb };
