#include <cli/options.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/parse.h>
#include <cli/cli.h>

#define ROWS_MAX 32
#define HELP_COLUMN_MIN 22
#define NAME_MAX_SIZE 64
#define HELP_LETTER 'h'

/* --- help --------------------------------------------------------------------------------------- */

/* What stands left of the help. */
static void name_row(const struct option_row *row, char *to, size_t size)
{
        char letter[8] = "    ";

        if (row->letter)
                snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(to, size, "  %s--%s%s%s", letter, row->name, row->value ? " " : "",
                 row->value ? row->value : "");
}

static size_t help_column(const struct option_table *table)
{
        size_t column = HELP_COLUMN_MIN;
        char left[NAME_MAX_SIZE];

        for (size_t i = 0; i < table->n_rows; i++) {
                name_row(&table->rows[i], left, sizeof(left));
                if (table->rows[i].help)
                        column = MAX(column, strlen(left) + 2);
        }
        return column;
}

static void print_row(const struct option_row *row, size_t column)
{
        const char *line = row->help;
        char left[NAME_MAX_SIZE];
        size_t size;

        name_row(row, left, sizeof(left));
        for (; *line; line += size + (line[size] == '\n'), left[0] = '\0') {
                size = strcspn(line, "\n");
                printf("%-*s%.*s\n", (int)column, left, (int)size, line);
        }
}

void options_print_help(const struct option_table *table)
{
        static const struct option_row help = { .name = "help",
                                                .letter = HELP_LETTER,
                                                .help = "this" };
        size_t column = help_column(table);

        fputs(table->head, stdout);
        for (size_t i = 0; i < table->n_rows; i++)
                if (table->rows[i].help)
                        print_row(&table->rows[i], column);
        print_row(&help, column);
        if (table->tail)
                fputs(table->tail, stdout);
}

/* --- values ------------------------------------------------------------------------------------- */

static const char *take_number(uint64_t *to, const struct option_row *row, const char *value)
{
        static char allowed[80];
        uint64_t number;

        if (parse_u64(value, &number) == 0 && number >= row->min && number <= row->max) {
                *to = number;
                return NULL;
        }
        snprintf(allowed, sizeof(allowed), "a whole number from %" PRIu64 " to %" PRIu64, row->min,
                 row->max);
        return allowed;
}

static const char *take_duration(pen_usec *to, const char *value)
{
        pen_usec duration;

        if (parse_duration(value, &duration) < 0)
                return parse_duration_form;
        if (duration == 0)
                return "more than 0";
        *to = duration;
        return NULL;
}

/* NULL, or what the value must be. */
static const char *take_value(void *options, const struct option_row *row, const char *value)
{
        void *to = (char *)options + row->offset;

        switch (row->kind) {
        case OPTION_FLAG:
                *(bool *)to = true;
                return NULL;
        case OPTION_TEXT:
                *(const char **)to = value;
                return NULL;
        case OPTION_NUMBER:
                return take_number(to, row, value);
        case OPTION_DURATION:
                return take_duration(to, value);
        case OPTION_RATE:
                return parse_rate(value, to) < 0 ? parse_rate_form : NULL;
        case OPTION_TAKEN:
                break;
        }
        return row->take(options, row, value);
}

/* --- getopt ------------------------------------------------------------------------------------- */

#define ROW_BASE 256 /* what getopt answers for the first row */

struct getopt_tables {
        char letters[2 * ROWS_MAX + 4];
        struct option names[ROWS_MAX + 2];
};

static void fill_tables(struct getopt_tables *to, const struct option_table *table)
{
        char *letter = to->letters;

        *letter++ = table->stops ? '+' : ':';
        if (table->stops)
                *letter++ = ':';
        for (size_t i = 0; i < table->n_rows; i++) {
                const struct option_row *row = &table->rows[i];

                to->names[i] = (struct option){
                        .name = row->name,
                        .has_arg = row->value ? required_argument : no_argument,
                        .val = ROW_BASE + (int)i,
                };
                if (row->letter)
                        *letter++ = row->letter;
                if (row->letter && row->value)
                        *letter++ = ':';
        }
        to->names[table->n_rows] =
                (struct option){ .name = "help", .has_arg = no_argument, .val = HELP_LETTER };
        to->names[table->n_rows + 1] = (struct option){ 0 };
        *letter++ = HELP_LETTER;
        *letter = '\0';
}

static const struct option_row *find_row(const struct option_table *table, int option)
{
        for (size_t i = 0; i < table->n_rows; i++)
                if (option == ROW_BASE + (int)i || option == table->rows[i].letter)
                        return &table->rows[i];
        return NULL;
}

static int refuse_value(const struct option_table *table, const struct option_row *row,
                        const char *value, const char *allowed)
{
        char name[48];

        if (row->letter)
                snprintf(name, sizeof(name), "-%c", row->letter);
        else
                snprintf(name, sizeof(name), "--%s", row->name);
        return cli_usage_error(table->verb, "%s %s: must be %s", name, value, allowed);
}

static int refuse_option(const struct option_table *table, int option, const char *word)
{
        if (option == ':')
                return cli_usage_error(table->verb, "%s: its value is missing", word);
        if (optopt > 0 && optopt < ROW_BASE)
                return cli_usage_error(table->verb, "-%c is not an option", optopt);
        if (optopt >= ROW_BASE)
                return cli_usage_error(table->verb, "%s: it takes no value", word);
        return cli_usage_error(table->verb, "%s is not an option", word);
}

int options_parse(const struct option_table *table, int argc, char **argv, void *options,
                  int *ret_index)
{
        struct getopt_tables tables;
        const struct option_row *row;
        const char *allowed;
        int option;

        fill_tables(&tables, table);
        opterr = 0;
        optind = 0; /* begin anew: penstock's own options were read before the verb's */
        while ((option = getopt_long(argc, argv, tables.letters, tables.names, NULL)) >= 0) {
                if (option == HELP_LETTER && !table->head)
                        break; /* a word for the dispatcher */
                if (option == HELP_LETTER) {
                        options_print_help(table);
                        return EXIT_WELL;
                }
                row = find_row(table, option);
                if (!row)
                        return refuse_option(table, option, argv[optind - 1]);
                allowed = take_value(options, row, optarg);
                if (allowed)
                        return refuse_value(table, row, optarg, allowed);
        }
        *ret_index = option == HELP_LETTER ? optind - 1 : optind;
        return -1;
}
