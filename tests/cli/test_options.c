#include "../runner.h"

#include <stdio.h>
#include <string.h>

#include <cli/cli.h>
#include <cli/options.h>

struct words {
        bool flag;
        const char *text;
        uint64_t number;
        pen_usec duration;
        double rate;
        char taken[64];
};

static const char *take(void *options, const struct option_row *row, const char *value)
{
        struct words *words = options;

        if (!strcmp(value, "bad"))
                return "anything else";
        strcat(words->taken, row->name);
        strcat(words->taken, value);
        return NULL;
}

static const struct option_row rows[] = {
        OPTION(FLAG, struct words, flag, .name = "flag", .letter = 'f', .help = "a flag"),
        OPTION(TEXT, struct words, text, .name = "text", .letter = 't', .value = "T",
               .help = "one line\nand another"),
        OPTION(NUMBER, struct words, number, .name = "number", .value = "N", .min = 2, .max = 9,
               .help = "a number"),
        OPTION(DURATION, struct words, duration, .name = "duration", .value = "D", .help = "D"),
        OPTION(RATE, struct words, rate, .name = "rate", .value = "R", .help = "R"),
        { .name = "take", .value = "X", .kind = OPTION_TAKEN, .take = take },
};

static const struct option_table table = {
        .verb = "try",
        .head = "HEAD\n",
        .tail = "TAIL\n",
        .rows = rows,
        .n_rows = ARRAY_SIZE(rows),
};

/* What was said on standard output and error while fn ran. */
static char said[4096];

static int parse(const struct option_table *t, struct words *words, int *index, char **argv)
{
        FILE *file = tmpfile();
        int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), argc = 0, r;
        size_t n;

        while (argv[argc])
                argc++;
        fflush(stdout);
        dup2(fileno(file), STDOUT_FILENO);
        dup2(fileno(file), STDERR_FILENO);
        r = options_parse(t, argc, argv, words, index);
        fflush(stdout);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        close(out);
        close(err);
        rewind(file);
        n = fread(said, 1, sizeof(said) - 1, file);
        said[n] = '\0';
        fclose(file);
        return r;
}

#define ARGV(...) ((char **)(const char *[]){ "try", __VA_ARGS__, NULL })
#define PARSE(words, index, ...) parse(&table, (words), (index), ARGV(__VA_ARGS__))

static void assert_refused(const char *wanted, char **argv)
{
        struct words words = { .flag = false };
        int index;

        ck_assert_int_eq(parse(&table, &words, &index, argv), EXIT_USAGE);
        ck_assert_msg(strstr(said, wanted), "'%s' is not in:\n%s", wanted, said);
        ck_assert_ptr_nonnull(strstr(said, "Try `penstock try --help`."));
}

START_TEST(each_kind_finds_its_place)
{
        struct words words = { .flag = false };
        int index = 0;

        ck_assert_int_eq(PARSE(&words, &index, "-f", "--text=a b", "--number", "9", "--duration",
                               "250ms", "--rate", "10/s", "--take", "1", "--take", "2"),
                         -1);
        ck_assert(words.flag);
        ck_assert_str_eq(words.text, "a b");
        ck_assert_uint_eq(words.number, 9);
        ck_assert_uint_eq(words.duration, 250 * PEN_MSEC);
        ck_assert_double_eq(words.rate, 10);
        ck_assert_str_eq(words.taken, "take1take2");
        ck_assert_int_eq(index, 13);
}
END_TEST

START_TEST(words_may_stand_anywhere_and_behind_two_dashes)
{
        char **argv = ARGV("one", "-t", "x", "two", "--", "-f");
        struct words words = { .flag = false };
        int index = 0;

        ck_assert_int_eq(parse(&table, &words, &index, argv), -1);
        ck_assert_str_eq(words.text, "x");
        ck_assert(!words.flag);
        ck_assert_str_eq(argv[index], "one");
        ck_assert_str_eq(argv[index + 1], "two");
        ck_assert_str_eq(argv[index + 2], "-f");
        ck_assert_ptr_null(argv[index + 3]);
}
END_TEST

START_TEST(table_that_stops_leaves_the_rest_to_a_verb)
{
        struct option_table stops = table;
        char **argv = ARGV("-t", "x", "verb", "-f");
        struct words words = { .flag = false };
        int index = 0;

        stops.stops = true;
        ck_assert_int_eq(parse(&stops, &words, &index, argv), -1);
        ck_assert_str_eq(words.text, "x");
        ck_assert(!words.flag);
        ck_assert_str_eq(argv[index], "verb");

        /* Without a help of its own it leaves that word too. */
        stops.head = NULL;
        argv = ARGV("-t", "x", "--help");
        ck_assert_int_eq(parse(&stops, &words, &index, argv), -1);
        ck_assert_str_eq(argv[index], "--help");
}
END_TEST

START_TEST(wrong_values_are_told_with_what_is_allowed)
{
        assert_refused("penstock try: --number 1: must be a whole number from 2 to 9",
                       ARGV("--number", "1"));
        assert_refused("--number 10: must be", ARGV("--number", "10"));
        assert_refused("--number 0x4: must be", ARGV("--number", "0x4"));
        assert_refused("--duration 5: must be", ARGV("--duration", "5"));
        assert_refused("--duration 0: must be more than 0", ARGV("--duration", "0"));
        assert_refused("--rate 10: must be", ARGV("--rate", "10"));
        assert_refused("--take bad: must be anything else", ARGV("--take", "bad"));
}
END_TEST

START_TEST(what_is_no_option_is_named)
{
        assert_refused("-x is not an option", ARGV("-x"));
        assert_refused("--nonsense is not an option", ARGV("--nonsense"));
        assert_refused("--flag=1: it takes no value", ARGV("--flag=1"));
        assert_refused("--text: its value is missing", ARGV("--text"));
        assert_refused("-t: its value is missing", ARGV("-t"));
        assert_refused("\\x1b", ARGV("--\x1b[31m")); /* and does not paint the terminal */
}
END_TEST

START_TEST(help_shows_the_table)
{
        struct words words = { .flag = false };
        int index;

        ck_assert_int_eq(PARSE(&words, &index, "--help"), EXIT_WELL);
        ck_assert_str_eq(said, "HEAD\n"
                               "  -f, --flag          a flag\n"
                               "  -t, --text T        one line\n"
                               "                      and another\n"
                               "      --number N      a number\n"
                               "      --duration D    D\n"
                               "      --rate R        R\n"
                               "  -h, --help          this\n"
                               "TAIL\n");
}
END_TEST

int main(void)
{
        return RUN_SUITE("options", each_kind_finds_its_place,
                         words_may_stand_anywhere_and_behind_two_dashes,
                         table_that_stops_leaves_the_rest_to_a_verb,
                         wrong_values_are_told_with_what_is_allowed, what_is_no_option_is_named,
                         help_shows_the_table);
}
