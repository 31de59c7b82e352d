/* What stands in files beside the table of keys says the same as the table: the example that an
 * operator copies, and the reference. */
#include "load.h"

#include <stdio.h>

#include <config/file.h>
#include <config/tree.h>
#include <config/value.h>

#define PATH_MAX_SHOWN 100

static char *read_text(const char *path)
{
        struct buffer text = { 0 };
        struct stat st;

        ck_assert_int_eq(file_read(path, (size_t)1 << 20, true, &st, &text), 0);
        ck_assert_int_eq(buffer_append(&text, "", 1), 0);
        return buffer_take(&text, NULL);
}

/* The options without their "# "; prose ("##") stays a comment, a lone "#" parts the lines. */
static char *uncomment(const char *text)
{
        char *out = malloc(strlen(text) + 1), *to = out;

        for (const char *line = text, *end; *line; line = end + 1) {
                const char *from = line;

                end = strchrnul(line, '\n');
                if (!strncmp(line, "# ", 2))
                        from = line + 2;
                memcpy(to, from, (size_t)(end - from));
                to += end - from;
                *to++ = '\n';
                if (!*end)
                        break;
        }
        *to = '\0';
        return out;
}

static char *example(void)
{
        char *commented = read_text(TREE "/etc/penstock.yaml"), *text = uncomment(commented);

        free(commented);
        return text;
}

/* --- the example -------------------------------------------------------------------------------- */

static void tell(void *data, const char *key, const char *before, const char *after)
{
        (void)data;
        ck_abort_msg("%s: %s by default, %s in the example", key, before, after);
}

START_TEST(the_example_is_all_comments)
{
        char *text = read_text(TREE "/etc/penstock.yaml");

        for (const char *line = text; *line; line = strchr(line, '\n') + 1)
                ck_assert_msg(*line == '#' || *line == '\n', "%.40s", line);
        free(text);
}
END_TEST

START_TEST(the_example_uncommented_is_the_defaults)
{
        char *text = example();
        struct config *c = load_text(text);
        struct config *defaults =
                load_text("handlers:\n"
                          "  receipt: {exec: {argv: [/bin/cat, \"-\"]}}\n"
                          "  send_mail: {http: {url: \"http://127.0.0.1:8025/send\"}}\n"
                          "  pretend: {noop: {}}\n"
                          "queues:\n"
                          "  emails: {handler: send_mail}\n");

        ck_assert_int_eq(config_compare(defaults, c, tell, NULL), 0);
        config_unref(defaults);
        config_unref(c);
        free(text);
}
END_TEST

static void expect_keys(const struct key *keys, const struct node *node);

/* With the default that the table has, to the letter; if it must be written, with any. */
static void expect_value(const struct key *key, const struct node *node)
{
        size_t n;

        if (!key->initial || strchr("[{", *key->initial) || !strcmp(key->name, "handler"))
                return; /* compared by its meaning above; a queue needs a handler */
        n = strlen(key->initial) - 2;
        if (*key->initial == '"')
                ck_assert_msg(!strncmp(key->initial + 1, node->text, n) && !node->text[n], "%s",
                              key->name);
        else
                ck_assert_msg(!strcmp(key->initial, node->text), "%s: %s", key->name, node->text);
}

static void expect_key(const struct key *key, const struct node *node)
{
        ck_assert_msg(node, "etc/penstock.yaml has no %s", key->name);
        if (key->shape == KEY_VALUE || key->shape == KEY_NOT_YET)
                expect_value(key, node);
        else
                expect_keys(key->keys, node);
}

/* One of the records that has it; each kind of handler has one. */
static void expect_records(const struct key *records, const struct node *node)
{
        key_for_each(k, records->keys) {
                const struct node *found = NULL;

                for (const struct node *i = node->first; i && !found; i = i->next)
                        found = node_child(i, k->name);
                if (k->shape != KEY_NOT_YET || k->initial)
                        expect_key(k, found);
        }
}

static void expect_keys(const struct key *keys, const struct node *node)
{
        key_for_each(k, keys) {
                const struct node *child = node_child(node, k->name);

                if (k->shape == KEY_RECORDS)
                        expect_records(k, child);
                else if (k->shape != KEY_NOT_YET || k->initial)
                        expect_key(k, child);
        }
}

START_TEST(the_example_has_every_key_of_the_table)
{
        struct errors errors = { .file = "f" };
        struct arena arena = { 0 };
        struct node *root = NULL;
        char *text = example();

        ck_assert_int_eq(tree_parse(&errors, &arena, text, strlen(text), &root), 0);
        ck_assert_uint_eq(errors.n, 0);
        expect_keys(config_keys, root);
        errors_deinit(&errors);
        arena_deinit(&arena);
        free(text);
}
END_TEST

/* --- the reference ------------------------------------------------------------------------------ */

struct reference {
        const char *text;
        unsigned rows, missing;
};

/* "| `queues.NAME.rate` | a rate …; or null | `null` | how many … |" */
static void expect_row(struct reference *ref, const struct key *key, const char *path)
{
        struct buffer row = { 0 };

        ck_assert_int_eq(buffer_printf(&row, "\n| `%s` | ", path), 0);
        if (key->shape == KEY_VALUE)
                ck_assert_int_eq(value_describe(key, &row), 0);
        else
                ck_assert_int_eq(buffer_printf(&row, "not carried out yet"), 0);
        if (key->initial)
                ck_assert_int_eq(buffer_printf(&row, " | `%s` | ", key->initial), 0);
        else
                ck_assert_int_eq(
                        buffer_printf(&row, " | %s | ",
                                      key->shape == KEY_VALUE ? "must be written" : "none"),
                        0);
        ck_assert_int_eq(buffer_printf(&row, "%s |\n", key->help), 0);
        ck_assert_int_eq(buffer_append(&row, "", 1), 0);
        ref->rows++;
        if (!strstr(ref->text, buffer_data(&row))) {
                fprintf(stderr, "docs/configuration.md lacks:%s", buffer_data(&row));
                ref->missing++;
        }
        buffer_deinit(&row);
}

static void expect_rows(struct reference *ref, const struct key *keys, const char *path)
{
        key_for_each(k, keys) {
                char own[PATH_MAX_SHOWN];

                snprintf(own, sizeof(own), "%s%s%s%s", path, *path ? "." : "", k->name,
                         k->shape == KEY_RECORDS ? ".NAME" : "");
                if (k->keys)
                        expect_rows(ref, k->keys, own);
                else
                        expect_row(ref, k, own);
        }
}

START_TEST(the_reference_has_a_row_for_every_key_and_no_other)
{
        char *text = read_text(TREE "/docs/configuration.md");
        struct reference ref = { .text = text };
        unsigned rows = 0;

        expect_rows(&ref, config_keys, "");
        for (const char *i = text; (i = strstr(i, "\n| `")); i++)
                rows++;
        ck_assert_uint_eq(ref.missing, 0);
        ck_assert_uint_eq(rows, ref.rows);
        free(text);
}
END_TEST

int main(void)
{
        return RUN_SUITE("config_files", the_example_is_all_comments,
                         the_example_uncommented_is_the_defaults,
                         the_example_has_every_key_of_the_table,
                         the_reference_has_a_row_for_every_key_and_no_other);
}
