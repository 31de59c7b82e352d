#include "../runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <base/random.h>
#include <job/json.h>

/* A copy that ends where its memory ends, for the sanitizers to see a step too far. */
static char *exact_copy(const char *text, size_t size)
{
        char *copy = malloc(size > 0 ? size : 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, size);
        return copy;
}

static void assert_error_is_fit_to_print(const struct json_error *error, size_t size)
{
        bool printable = true;

        ck_assert_uint_le(error->offset, size);
        ck_assert_uint_gt(strlen(error->text), 0);
        for (const char *i = error->text; *i; i++)
                printable = printable && *i >= ' ' && *i <= '~';
        ck_assert_msg(printable, "not printable: %s", error->text);
}

/* Answers what json_scan does, and what it says about the error. */
static int scan(const char *text, size_t size, struct json_error *error)
{
        char *copy = exact_copy(text, size);
        struct bytes value;
        enum json_type type;
        int r;

        memset(error, 0, sizeof(*error));
        r = json_scan(copy, size, &type, &value, error);
        if (r < 0) {
                ck_assert_int_eq(r, -EINVAL);
                assert_error_is_fit_to_print(error, size);
        } else {
                ck_assert(value.data >= copy);
                ck_assert_uint_gt(value.size, 0);
                ck_assert(value.data + value.size <= copy + size);
        }
        free(copy);
        return r;
}

static bool accepts(const char *text)
{
        struct json_error error;

        return scan(text, strlen(text), &error) == 0;
}

static void assert_refused(const char *text, size_t offset, const char *message)
{
        struct json_error error;

        ck_assert_msg(scan(text, strlen(text), &error) == -EINVAL, "accepted: %s", text);
        ck_assert_str_eq(error.text, message);
        ck_assert_uint_eq(error.offset, offset);
}

static const char *const documents[] = {
        "null",
        "true",
        "false",
        "0.5e-7",
        "\"\"",
        "\"a\\u0000\\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude00\u00e9\u20ac\U0001f600\"",
        "[]",
        "{}",
        "[[],{},[{}],{\"a\":[]}]",
        "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":{\"e\":-0.0E+10}}}",
        " {\r\n\t\"a\" : [ 1 , 2 ] , \"b\" : { } } ",
};

START_TEST(every_kind_of_value_is_accepted_with_its_type_and_exact_text)
{
        static const struct {
                const char *text, *value;
                enum json_type type;
        } cases[] = {
                { "null", "null", JSON_NULL },
                { " true ", "true", JSON_TRUE },
                { "\r\n\tfalse", "false", JSON_FALSE },
                { "12345678901234567890.10", "12345678901234567890.10", JSON_NUMBER },
                { "-0", "-0", JSON_NUMBER },
                { "1E+2 ", "1E+2", JSON_NUMBER },
                { " \" a \" ", "\" a \"", JSON_STRING },
                { " [ 1 , 2 ]\n", "[ 1 , 2 ]", JSON_ARRAY },
                { "{ \"a\" :  1.0 }", "{ \"a\" :  1.0 }", JSON_OBJECT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct json_error error;
                struct bytes value;
                enum json_type type;

                ck_assert_int_eq(
                        json_scan(cases[i].text, strlen(cases[i].text), &type, &value, &error), 0);
                ck_assert_int_eq(type, cases[i].type);
                ck_assert_uint_eq(value.size, strlen(cases[i].value));
                ck_assert_mem_eq(value.data, cases[i].value, value.size);
        }
}
END_TEST

START_TEST(what_json_is_not_is_refused)
{
        static const char *const refused[] = {
                "",
                " ",
                "nul",
                "nulll",
                "True",
                "NaN",
                "Infinity",
                "undefined",
                "'a'",
                "a",
                "01",
                "-",
                "+1",
                ".5",
                "1.",
                "1.e1",
                "1e",
                "1e+",
                "0x10",
                "--1",
                "1 2",
                "[",
                "]",
                "[1",
                "[1,]",
                "[,1]",
                "[1 2]",
                "[1}",
                "{",
                "}",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{,}",
                "{1:2}",
                "{a:1}",
                "{\"a\":1]",
                "{\"a\" 1}",
                "{\"a\",1}",
                "{\"a\":1 \"b\":2}",
                "// x\n1",
                "/**/1",
                "\"a",
                "\"\\\"",
                "\"\t\"",
                "\"\n\"",
                "\"\\x41\"",
                "\"\\u12g4\"",
                "\"\\u123\"",
                "\"\\\n\"",
                "\xef\xbb\xbf{}",
                "1\v",
                "[] []",
                "{} x",
                "\"a\" \"b\"",
        };

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ck_assert_msg(!accepts(refused[i]), "accepted: %s", refused[i]);
        for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
                ck_assert_msg(accepts(documents[i]), "refused: %s", documents[i]);
}
END_TEST

START_TEST(errors_say_where_what_was_found_and_what_is_allowed)
{
        assert_refused("", 0, "the text ends, expected a value");
        assert_refused("[1, x]", 4, "found 'x', expected a value");
        assert_refused("{\"a\":1", 6, "the text ends, expected ',' or '}'");
        assert_refused("{\"a\" 1}", 5, "found '1', expected ':'");
        assert_refused("[1;2]", 2, "found ';', expected ',' or ']'");
        assert_refused("{} {}", 3, "found '{', expected nothing behind the value");
        assert_refused("\"\x1b[31m\"", 1,
                       "found '\\x1b', expected an escape for a control character");
        assert_refused("\"\xff\"", 1, "found '\\xff', expected valid UTF-8");
        assert_refused("\"\\q\"", 2, "found 'q', expected one of \" \\ / b f n r t u");
        assert_refused("\"\\ud800\"", 7,
                       "found '\"', expected the second half of a surrogate pair");
        assert_refused("-a", 1, "found 'a', expected a digit");
        assert_refused("{1:2}", 1, "found '1', expected a key in quotes");
}
END_TEST

START_TEST(nul_bytes_outside_and_inside_of_strings_are_refused)
{
        struct json_error error;

        ck_assert_int_eq(scan("\0", 1, &error), -EINVAL);
        ck_assert_int_eq(scan("1\0", 2, &error), -EINVAL);
        ck_assert_int_eq(scan("[\0]", 3, &error), -EINVAL);
        ck_assert_int_eq(scan("\"\0\"", 3, &error), -EINVAL);
        ck_assert_int_eq(scan("\"\\\0\"", 4, &error), -EINVAL);
        ck_assert_int_eq(scan("\"\\u\0\"", 5, &error), -EINVAL);
}
END_TEST

static const char *const invalid_utf8[] = {
        "\x80",                 /* continuation alone */
        "\xbf",                 /* the same */
        "\xc0\x80",             /* overlong NUL */
        "\xc1\xbf",             /* overlong, 2 bytes */
        "\xe0\x80\xaf",         /* overlong, 3 bytes */
        "\xe0\x9f\xbf",         /* the longest of them */
        "\xf0\x80\x80\xaf",     /* overlong, 4 bytes */
        "\xf0\x8f\xbf\xbf",     /* the longest of them */
        "\xed\xa0\x80",         /* U+D800 */
        "\xed\xbf\xbf",         /* U+DFFF */
        "\xf4\x90\x80\x80",     /* U+110000 */
        "\xf5\x80\x80\x80",     /* past the last lead */
        "\xf8\x88\x80\x80\x80", /* 5 bytes */
        "\xfc\x84\x80\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3", /* cut off */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(", /* interrupted */
        "\xe2(\xa1",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
};

static const char *const valid_utf8[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
};

/* As a string, and cut off by the end of the text. */
static void assert_utf8(const char *bytes, bool valid)
{
        struct json_error error;
        char text[32];
        size_t size = (size_t)sprintf(text, "\"%s\"", bytes);

        ck_assert_int_eq(json_is_utf8(bytes, strlen(bytes)), valid);
        ck_assert_int_eq(scan(text, size, &error), valid ? 0 : -EINVAL);
        ck_assert_int_eq(scan(text, size - 1, &error), -EINVAL);
}

START_TEST(only_valid_utf8_is_accepted)
{
        for (size_t i = 0; i < ARRAY_SIZE(valid_utf8); i++)
                assert_utf8(valid_utf8[i], true);
        for (size_t i = 0; i < ARRAY_SIZE(invalid_utf8); i++)
                assert_utf8(invalid_utf8[i], false);
        ck_assert(json_is_utf8(NULL, 0));
        ck_assert(!json_is_utf8("good \xff bad", 10));
}
END_TEST

START_TEST(surrogates_are_accepted_in_pairs_only)
{
        ck_assert(accepts("\"\\ud800\\udc00\""));
        ck_assert(accepts("\"\\uDBFF\\uDFFF\""));
        ck_assert(!accepts("\"\\ud800\""));
        ck_assert(!accepts("\"\\ud800x\""));
        ck_assert(!accepts("\"\\ud800\\n\""));
        ck_assert(!accepts("\"\\ud800\\u0041\""));
        ck_assert(!accepts("\"\\ud800\\ud800\""));
        ck_assert(!accepts("\"\\udc00\""));
        ck_assert(!accepts("\"\\udc00\\ud800\""));
        ck_assert(!accepts("\"\\udc00\\udc00\""));
        ck_assert(!accepts("\"\\ud800\\u\""));
}
END_TEST

/* n brackets, all of them closed again; with keys where they are braces. */
static char *nested(size_t n, bool objects, size_t *ret_size)
{
        struct buffer b = { 0 };
        int r = 0;

        for (size_t i = 0; i < n; i++)
                r |= objects ? buffer_append(&b, "{\"k\":", 5) : buffer_append(&b, "[", 1);
        r |= buffer_append(&b, "0", 1);
        for (size_t i = 0; i < n; i++)
                r |= buffer_append(&b, objects ? "}" : "]", 1);
        ck_assert_int_eq(r, 0);
        return buffer_take(&b, ret_size);
}

static int scan_nested(size_t n, bool objects)
{
        struct json_error error;
        size_t size;
        char *text = nested(n, objects, &size);
        int r = scan(text, size, &error);

        if (r < 0)
                ck_assert_str_eq(error.text,
                                 objects ? "found '{', expected at most 1000 levels of nesting"
                                         : "found '[', expected at most 1000 levels of nesting");
        free(text);
        return r;
}

START_TEST(nesting_ends_at_1000_levels)
{
        for (int objects = 0; objects < 2; objects++) {
                ck_assert_int_eq(scan_nested(JSON_DEPTH_MAX, objects), 0);
                ck_assert_int_eq(scan_nested(JSON_DEPTH_MAX + 1, objects), -EINVAL);
                ck_assert_int_eq(scan_nested(100000, objects), -EINVAL);
        }
        ck_assert(!accepts("[{]}"));
        ck_assert(!accepts("{\"a\":[}]"));
}
END_TEST

static void *scan_deeply(void *arg)
{
        scan_nested(JSON_DEPTH_MAX, true);
        scan_nested(100000, false);
        return arg;
}

START_TEST(stack_of_a_task_is_enough)
{
        pthread_attr_t attr;
        pthread_t thread;

        ck_assert_int_eq(pthread_attr_init(&attr), 0);
        ck_assert_int_eq(pthread_attr_setstacksize(&attr, small_stack()), 0);
        ck_assert_int_eq(pthread_create(&thread, &attr, scan_deeply, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attr);
}
END_TEST

START_TEST(no_document_is_accepted_cut_short)
{
        struct json_error error;

        for (size_t i = 4; i < ARRAY_SIZE(documents); i++) {
                size_t size = strlen(documents[i]);

                while (documents[i][size - 1] == ' ')
                        size--;
                ck_assert_int_eq(scan(documents[i], size, &error), 0);
                while (size-- > 0)
                        ck_assert_int_eq(scan(documents[i], size, &error), -EINVAL);
        }
}
END_TEST

START_TEST(random_damage_is_never_worse_than_an_error)
{
        static const char nasty[] = "\"\\{}[]:,0-.eEu\0\x1f\x7f\x80\xc3\xed\xf0\xff tn";
        struct random r;
        int accepted = 0;

        random_seed(&r, 1);
        for (int i = 0; i < 20000; i++) {
                const char *document = documents[random_below(&r, ARRAY_SIZE(documents))];
                size_t size = strlen(document);
                struct json_error error;
                char text[100];

                memcpy(text, document, size);
                for (uint64_t n = 1 + random_below(&r, 3); n > 0; n--)
                        text[random_below(&r, size)] = nasty[random_below(&r, sizeof(nasty) - 1)];
                accepted += scan(text, size, &error) == 0;
        }
        /* Damage inside of a string or a number may leave it one. */
        ck_assert_int_gt(accepted, 300);
        ck_assert_int_lt(accepted, 15000);
}
END_TEST

/* Reads all members to "key=value;" each; the result of the last call. */
static int read_members(const char *text, struct buffer *all, struct json_error *error)
{
        struct json_members members = { .object = { text, strlen(text) } };
        struct buffer scratch = { 0 };
        struct bytes key, value;
        enum json_type type;
        int r;

        buffer_clear(all);
        while ((r = json_next_member(&members, &scratch, &key, &type, &value, error)) > 0) {
                ck_assert_int_eq(key.data[key.size], '\0');
                ck_assert_int_eq(
                        buffer_printf(all, "%s=%.*s;", key.data, (int)value.size, value.data), 0);
        }
        if (r == 0)
                ck_assert_int_eq(json_next_member(&members, &scratch, &key, &type, &value, error),
                                 0);
        else
                assert_error_is_fit_to_print(error, strlen(text));
        ck_assert_int_eq(buffer_append(all, "", 1), 0);
        buffer_deinit(&scratch);
        return r;
}

START_TEST(members_come_in_order_with_decoded_keys_and_exact_values)
{
        struct buffer all = { 0 };
        struct json_error error;

        ck_assert_int_eq(
                read_members(" { \"a\" : 1.0 ,\"\\u0062\\n\":[ 1, {\"a\":2}],\"\":\"\\n\"} ", &all,
                             &error),
                0);
        ck_assert_str_eq(buffer_data(&all), "a=1.0;b\n=[ 1, {\"a\":2}];=\"\\n\";");
        ck_assert_int_eq(read_members("{}", &all, &error), 0);
        ck_assert_str_eq(buffer_data(&all), "");
        buffer_deinit(&all);
}
END_TEST

static void assert_members_refused(const char *text, size_t offset, const char *message)
{
        struct buffer all = { 0 };
        struct json_error error;

        ck_assert_int_eq(read_members(text, &all, &error), -EINVAL);
        ck_assert_str_eq(error.text, message);
        ck_assert_uint_eq(error.offset, offset);
        buffer_deinit(&all);
}

START_TEST(key_that_is_there_twice_is_refused_however_it_is_spelt)
{
        assert_members_refused("{\"id\":1,\"x\":2,\"id\":1}", 14, "\"id\" is there twice");
        assert_members_refused("{\"id\":1,\"\\u0069d\":2}", 8, "\"\\u0069d\" is there twice");
        assert_members_refused("{\"\":1,\"\":2}", 6, "\"\" is there twice");
}
END_TEST

START_TEST(key_with_nul_is_refused)
{
        assert_members_refused("{\"a\\u0000\":1}", 1,
                               "\"a\\u0000\" contains NUL, which a key must not");
}
END_TEST

START_TEST(members_of_what_is_no_object_are_refused)
{
        assert_members_refused("[1]", 0, "found '[', expected an object");
        assert_members_refused("", 0, "the text ends, expected an object");
        assert_members_refused("{", 1, "the text ends, expected a key in quotes");
        assert_members_refused("{\"a\":1,}", 7, "found '}', expected a key in quotes");
        assert_members_refused("{,\"a\":1}", 1, "found ',', expected a key in quotes");
        assert_members_refused("{\"a\":1 \"b\":2}", 7, "found '\"', expected ',' or '}'");
        assert_members_refused("{\"a\":1} x", 8, "found 'x', expected nothing behind the object");
        assert_members_refused("{\"a\":[1}", 7, "found '}', expected ',' or ']'");
}
END_TEST

/* An object with the members k0 to k(n-1). */
static char *object_of(int n)
{
        struct buffer b = { 0 };

        ck_assert_int_eq(buffer_append(&b, "{", 1), 0);
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(buffer_printf(&b, "%s\"k%d\":%d", i > 0 ? "," : "", i, i), 0);
        ck_assert_int_eq(buffer_append(&b, "}", 1), 0);
        return buffer_take(&b, NULL);
}

START_TEST(members_past_the_limit_are_refused)
{
        char *fits = object_of(JSON_MEMBERS_MAX), *too_many = object_of(JSON_MEMBERS_MAX + 1);
        struct buffer all = { 0 };
        struct json_error error;

        ck_assert_int_eq(read_members(fits, &all, &error), 0);
        ck_assert_int_eq(read_members(too_many, &all, &error), -EINVAL);
        ck_assert_str_eq(error.text, "\"k32\" is one too many: at most 32 members");
        buffer_deinit(&all);
        free(fits);
        free(too_many);
}
END_TEST

static void assert_decodes(const char *source, const char *bytes, size_t size)
{
        char *copy = exact_copy(source, strlen(source));
        struct buffer b = { 0 };

        ck_assert(accepts(source));
        ck_assert_int_eq(buffer_append(&b, "kept", 4), 0);
        ck_assert_int_eq(json_decode_string((struct bytes){ copy, strlen(source) }, &b), 0);
        ck_assert_uint_eq(buffer_size(&b), 4 + size);
        ck_assert_mem_eq(buffer_data(&b) + 4, bytes, size);
        buffer_deinit(&b);
        free(copy);
}

START_TEST(strings_decode_to_the_bytes_they_stand_for)
{
        assert_decodes("\"\"", "", 0);
        assert_decodes("\"plain\"", "plain", 5);
        assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
        assert_decodes("\"a\\u0000b\"", "a\0b", 3);
        assert_decodes("\"\\u007f\\u0080\\u07ff\\u0800\\uFfFf\"",
                       "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11);
        assert_decodes("\"\\ud800\\udc00\\uD83D\\uDE00\\udbff\\udfff\"",
                       "\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 12);
        assert_decodes("\"\xc3\xa9\\u00e9\"", "\xc3\xa9\xc3\xa9", 4);
}
END_TEST

static void assert_writes(const char *bytes, size_t size, const char *expected)
{
        struct buffer b = { 0 };

        ck_assert_int_eq(json_write_string(&b, bytes, size), 0);
        ck_assert_int_eq(buffer_append(&b, "", 1), 0);
        ck_assert_str_eq(buffer_data(&b), expected);
        buffer_deinit(&b);
}

START_TEST(writer_escapes_what_must_not_stand_for_itself)
{
        assert_writes(NULL, 0, "\"\"");
        assert_writes("plain / text", 12, "\"plain / text\"");
        assert_writes("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
        assert_writes("a\0b\x1b\x1f\x7f", 6, "\"a\\u0000b\\u001b\\u001f\\u007f\"");
        assert_writes("\xc2\x80\xc2\x9f\xc2\xa0", 6, "\"\\u0080\\u009f\xc2\xa0\"");
        assert_writes("\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
}
END_TEST

START_TEST(writer_replaces_what_is_not_utf8)
{
        assert_writes("a\xff"
                      "b",
                      3,
                      "\"a\xef\xbf\xbd"
                      "b\"");
        assert_writes("\xc3", 1, "\"\xef\xbf\xbd\"");
        assert_writes("\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
        for (size_t i = 0; i < ARRAY_SIZE(invalid_utf8); i++) {
                struct buffer b = { 0 };
                struct json_error error;

                ck_assert_int_eq(json_write_string(&b, invalid_utf8[i], strlen(invalid_utf8[i])),
                                 0);
                ck_assert_int_eq(scan(buffer_data(&b), buffer_size(&b), &error), 0);
                ck_assert(json_is_utf8(buffer_data(&b), buffer_size(&b)));
                buffer_deinit(&b);
        }
}
END_TEST

START_TEST(any_bytes_are_written_as_json_and_valid_ones_come_back)
{
        struct random r;
        int came_back = 0;

        random_seed(&r, 2);
        for (int i = 0; i < 5000; i++) {
                struct buffer b = { 0 }, back = { 0 };
                struct json_error error;
                char bytes[24];
                size_t size = random_below(&r, sizeof(bytes) + 1);

                /* Half of them ASCII with control characters, lest hardly one be valid. */
                for (size_t k = 0; k < size; k++)
                        bytes[k] = (char)random_below(&r, i % 2 ? 128 : 256);
                ck_assert_int_eq(json_write_string(&b, bytes, size), 0);
                ck_assert_int_eq(scan(buffer_data(&b), buffer_size(&b), &error), 0);
                ck_assert_int_eq(json_decode_string(
                                         (struct bytes){ buffer_data(&b), buffer_size(&b) }, &back),
                                 0);
                if (json_is_utf8(bytes, size)) {
                        ck_assert_uint_eq(buffer_size(&back), size);
                        if (size > 0)
                                ck_assert_mem_eq(buffer_data(&back), bytes, size);
                        came_back++;
                }
                buffer_deinit(&b);
                buffer_deinit(&back);
        }
        ck_assert_int_ge(came_back, 2500);
}
END_TEST

START_TEST(excerpts_are_printable_and_cut)
{
        char to[16];

        json_excerpt(to, sizeof(to), (struct bytes){ "", 0 });
        ck_assert_str_eq(to, "");
        json_excerpt(to, sizeof(to), (struct bytes){ "123456789012345", 15 });
        ck_assert_str_eq(to, "123456789012345");
        json_excerpt(to, sizeof(to), (struct bytes){ "1234567890123456", 16 });
        ck_assert_str_eq(to, "123456789012...");
        json_excerpt(to, sizeof(to), (struct bytes){ "\x1b[m\n\0", 5 });
        ck_assert_str_eq(to, "\\x1b[m\\x0a\\x00");
        json_excerpt(to, sizeof(to), (struct bytes){ "\xc3\xa9\xc3\xa9\xc3\xa9", 6 });
        ck_assert_str_eq(to, "\\xc3\\xa9\\xc3...");
}
END_TEST

static void assert_base64(const char *bytes, size_t size, const char *expected)
{
        char *copy = exact_copy(expected, strlen(expected));
        struct buffer text = { 0 }, back = { 0 };

        ck_assert_int_eq(base64_encode(&text, bytes, size), 0);
        ck_assert_uint_eq(buffer_size(&text), strlen(expected));
        if (size > 0)
                ck_assert_mem_eq(buffer_data(&text), expected, strlen(expected));
        ck_assert_int_eq(base64_decode(&back, copy, strlen(expected)), 0);
        ck_assert_uint_eq(buffer_size(&back), size);
        if (size > 0)
                ck_assert_mem_eq(buffer_data(&back), bytes, size);
        buffer_deinit(&text);
        buffer_deinit(&back);
        free(copy);
}

START_TEST(base64_is_that_of_rfc_4648)
{
        assert_base64(NULL, 0, "");
        assert_base64("f", 1, "Zg==");
        assert_base64("fo", 2, "Zm8=");
        assert_base64("foo", 3, "Zm9v");
        assert_base64("foob", 4, "Zm9vYg==");
        assert_base64("fooba", 5, "Zm9vYmE=");
        assert_base64("foobar", 6, "Zm9vYmFy");
        assert_base64(
                "\0\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96"
                "\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3"
                "\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf",
                48, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}
END_TEST

START_TEST(what_base64_is_not_is_refused_and_nothing_appended)
{
        static const char *const refused[] = {
                "Z",    "Zg",   "Zg=",  "Zg===", "Zg==\n",   "Zm9v\n",
                "Zm 9", "Zm9_", "Zm9-", "Z===",  "====",     "=Zm9",
                "Zm=v", "Zg=v", "Zh==", "Zm9=",  "Zg==Zg==", "Zm\xc3\xa9"
        };
        struct buffer b = { 0 };

        ck_assert_int_eq(buffer_append(&b, "kept", 4), 0);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ck_assert_msg(base64_decode(&b, refused[i], strlen(refused[i])) == -EINVAL,
                              "accepted: %s", refused[i]);
        ck_assert_int_eq(base64_decode(&b, "Zm\0v", 4), -EINVAL);
        ck_assert_uint_eq(buffer_size(&b), 4);
        buffer_deinit(&b);
}
END_TEST

START_TEST(any_bytes_survive_base64)
{
        struct random r;

        random_seed(&r, 3);
        for (size_t size = 0; size < 300; size++) {
                struct buffer text = { 0 }, back = { 0 };
                char bytes[300];

                for (size_t i = 0; i < size; i++)
                        bytes[i] = (char)random_next(&r);
                ck_assert_int_eq(base64_encode(&text, bytes, size), 0);
                ck_assert_int_eq(base64_decode(&back, buffer_data(&text), buffer_size(&text)), 0);
                ck_assert_uint_eq(buffer_size(&back), size);
                if (size > 0)
                        ck_assert_mem_eq(buffer_data(&back), bytes, size);
                buffer_deinit(&text);
                buffer_deinit(&back);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "json", every_kind_of_value_is_accepted_with_its_type_and_exact_text,
                what_json_is_not_is_refused, errors_say_where_what_was_found_and_what_is_allowed,
                nul_bytes_outside_and_inside_of_strings_are_refused, only_valid_utf8_is_accepted,
                surrogates_are_accepted_in_pairs_only, nesting_ends_at_1000_levels,
                stack_of_a_task_is_enough, no_document_is_accepted_cut_short,
                random_damage_is_never_worse_than_an_error,
                members_come_in_order_with_decoded_keys_and_exact_values,
                key_that_is_there_twice_is_refused_however_it_is_spelt, key_with_nul_is_refused,
                members_of_what_is_no_object_are_refused, members_past_the_limit_are_refused,
                strings_decode_to_the_bytes_they_stand_for,
                writer_escapes_what_must_not_stand_for_itself, writer_replaces_what_is_not_utf8,
                any_bytes_are_written_as_json_and_valid_ones_come_back,
                excerpts_are_printable_and_cut, base64_is_that_of_rfc_4648,
                what_base64_is_not_is_refused_and_nothing_appended, any_bytes_survive_base64);
}
