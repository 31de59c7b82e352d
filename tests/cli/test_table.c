#include "../runner.h"

#include <string.h>

#include <cli/table.h>
#include <cli/terminal.h>

static const struct table_column columns[] = {
        { .title = "NAME", .shrinks = true },
        { .title = "N", .right = true },
        { .title = "WHY", .shrinks = true },
};

static void add(struct table *t, const char *name, unsigned n, const char *why)
{
        ck_assert_int_eq(table_add(t, TABLE_PLAIN, "%s", name), 0);
        ck_assert_int_eq(table_add(t, n > 0 ? TABLE_BAD : TABLE_PLAIN, "%u", n), 0);
        ck_assert_int_eq(table_add(t, TABLE_PLAIN, "%s", why), 0);
}

/* malloc'ed */
static char *text_of(const struct table *t, unsigned width, bool colour)
{
        PEN_CLEANUP(buffer_deinit) struct buffer to = { 0 };

        ck_assert_int_eq(table_write(t, &to, width, colour), 0);
        return buffer_take(&to, NULL);
}

static void assert_text(const struct table *t, unsigned width, bool colour, const char *wanted)
{
        PEN_CLEANUP(freep) char *text = text_of(t, width, colour);

        ck_assert_str_eq(text, wanted);
}

START_TEST(columns_are_as_wide_as_they_must_be)
{
        PEN_CLEANUP(table_deinit) struct table t;

        table_init(&t, columns, 3);
        add(&t, "emails", 0, "");
        add(&t, "a", 12345, "it broke");
        assert_text(&t, 0, false,
                    "NAME        N  WHY\n"
                    "emails      0  \n"
                    "a       12345  it broke\n");
}
END_TEST

START_TEST(no_line_is_wider_than_the_terminal)
{
        PEN_CLEANUP(table_deinit) struct table t;
        PEN_CLEANUP(freep) char *text = NULL;

        table_init(&t, columns, 3);
        add(&t, "a name of forty characters, no less, yes", 1,
            "and a reason of which nobody wants to read more than the beginning");
        text = text_of(&t, 60, false);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                ck_assert_uint_le(terminal_width(line), 60);
        free(TAKE(text));

        text = text_of(&t, 60, false);
        ck_assert_ptr_nonnull(strstr(text, "\xe2\x80\xa6  1  and a reason"));
        ck_assert_ptr_nonnull(strstr(text, "\xe2\x80\xa6\n"));
        free(TAKE(text));
        text = text_of(&t, 0, false); /* no terminal: nothing is cut */
        ck_assert_ptr_nonnull(strstr(text, "than the beginning\n"));
}
END_TEST

START_TEST(narrowest_terminal_keeps_the_numbers)
{
        PEN_CLEANUP(table_deinit) struct table t;
        PEN_CLEANUP(freep) char *text = NULL;

        table_init(&t, columns, 3);
        add(&t, "a name that is long", 4294967295, "a reason that is long");
        text = text_of(&t, 10, false);
        ck_assert_ptr_nonnull(
                strstr(text, "a name \xe2\x80\xa6  4294967295  a reaso\xe2\x80\xa6\n"));
}
END_TEST

START_TEST(cut_does_not_split_a_character)
{
        PEN_CLEANUP(table_deinit) struct table t;

        table_init(&t, columns, 3);
        add(&t, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4",
            0, "x");
        assert_text(&t, 16, false,
                    "NAME      N  WHY\n"
                    "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xe2\x80\xa6  0  x\n");
}
END_TEST

START_TEST(colour_marks_and_takes_no_room)
{
        PEN_CLEANUP(table_deinit) struct table t;

        table_init(&t, columns, 3);
        add(&t, "a", 7, "b");
        assert_text(&t, 80, true,
                    "\033[2mNAME\033[0m  \033[2mN\033[0m  \033[2mWHY\033[0m\n"
                    "a     \033[31m7\033[0m  b\n");
}
END_TEST

START_TEST(what_a_job_wrote_reaches_no_terminal)
{
        PEN_CLEANUP(table_deinit) struct table t;

        table_init(&t, columns, 3);
        add(&t, "a\033[31mb", 0, "one\ntwo\r\xc2\x9b\xe2\x80\xae x");
        assert_text(&t, 0, false,
                    "NAME        N  WHY\n"
                    "a\\x1b[31mb  0  one | two\\x0d\\xc2\\x9b\\xe2\\x80\\xae x\n");
}
END_TEST

START_TEST(escapes_keep_what_is_harmless)
{
        PEN_CLEANUP(buffer_deinit) struct buffer to = { 0 };

        ck_assert_int_eq(terminal_escape(&to, "\xe2\x82\xac 5\xc2\xa0\xc3\xa9", 9), 0);
        ck_assert_int_eq(terminal_escape(&to, "\xff\x80", 2), 0);
        ck_assert_int_eq(buffer_append(&to, "", 1), 0);
        ck_assert_str_eq(buffer_data(&to), "\xe2\x82\xac 5\xc2\xa0\xc3\xa9\\xff\\x80");
}
END_TEST

int main(void)
{
        return RUN_SUITE("table", columns_are_as_wide_as_they_must_be,
                         no_line_is_wider_than_the_terminal, narrowest_terminal_keeps_the_numbers,
                         cut_does_not_split_a_character, colour_marks_and_takes_no_room,
                         what_a_job_wrote_reaches_no_terminal, escapes_keep_what_is_harmless);
}
