/* The scanner checks and skips; what needs bytes decodes them later from a span it has accepted.
 * The text itself is json_text.h's.
 */
#include <job/json.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <job/json_text.h>

#define QUOTE(x) #x
#define NUMBER(x) QUOTE(x)

struct scanner {
        const char *text, *i, *end;
        struct json_error *error;
};

void json_excerpt(char *to, size_t room, struct bytes data)
{
        size_t n = 0, cut = 0;

        for (size_t i = 0; i < data.size; i++) {
                unsigned char c = (unsigned char)data.data[i];
                char shown[sizeof("\\x00")];
                size_t size;

                size = (size_t)sprintf(shown, c >= ' ' && c <= '~' ? "%c" : "\\x%02x", c);
                if (n + size >= room) {
                        memcpy(to + cut, "...", sizeof("..."));
                        return;
                }
                memcpy(to + n, shown, size);
                n += size;
                if (n + sizeof("...") <= room)
                        cut = n;
        }
        to[n] = '\0';
}

static int refuse(const struct scanner *s, const char *expected)
{
        char found[8];

        s->error->offset = (size_t)(s->i - s->text);
        json_excerpt(found, sizeof(found), (struct bytes){ s->i, s->i < s->end });
        if (s->i < s->end)
                snprintf(s->error->text, sizeof(s->error->text), "found '%s', expected %s", found,
                         expected);
        else
                snprintf(s->error->text, sizeof(s->error->text), "the text ends, expected %s",
                         expected);
        return -EINVAL;
}

/* At the end it is NUL, which the grammar has no place for. */
static char peek(const struct scanner *s)
{
        return s->i < s->end ? *s->i : '\0';
}

static bool skip(struct scanner *s, char c)
{
        if (s->i == s->end || *s->i != c)
                return false;
        s->i++;
        return true;
}

static void skip_space(struct scanner *s)
{
        while (s->i < s->end && (*s->i == ' ' || *s->i == '\t' || *s->i == '\n' || *s->i == '\r'))
                s->i++;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(const char **i, const char *end, uint32_t *ret)
{
        *ret = 0;
        for (int n = 0; n < 4; n++, (*i)++) {
                int digit = *i < end ? hex_digit(**i) : -1;

                if (digit < 0)
                        return false;
                *ret = *ret << 4 | (uint32_t)digit;
        }
        return true;
}

/* Reads an escape; *i is left behind it. Answers what was expected at *i, or NULL for success. */
static const char *read_escape(const char **i, const char *end, uint32_t *ret_code)
{
        const char *letter;
        uint32_t low;

        ++*i;
        letter = *i < end && **i ? strchr(escape_letters, **i) : NULL;
        if (letter) {
                ++*i;
                *ret_code = (uint32_t)escape_codes[letter - escape_letters];
                return NULL;
        }
        if (*i == end || **i != 'u')
                return "one of \" \\ / b f n r t u";
        ++*i;
        if (!read_hex4(i, end, ret_code))
                return "four hexadecimal digits";
        if (*ret_code < 0xd800 || *ret_code > 0xdfff)
                return NULL;
        if (*ret_code > 0xdbff)
                return "the first half of a surrogate pair before this";
        if (end - *i < 2 || (*i)[0] != '\\' || (*i)[1] != 'u')
                return "the second half of a surrogate pair";
        *i += 2;
        if (!read_hex4(i, end, &low))
                return "four hexadecimal digits";
        if (low < 0xdc00 || low > 0xdfff)
                return "the second half of a surrogate pair before this";
        *ret_code = 0x10000 + ((*ret_code & 0x3ff) << 10 | (low & 0x3ff));
        return NULL;
}

static int scan_string(struct scanner *s)
{
        const char *expected;
        uint32_t code;
        size_t n;

        s->i++;
        for (;;) {
                s->i = skip_plain(s->i, s->end);
                if (s->i == s->end)
                        return refuse(s, "a closing quote");
                if (*s->i == '"') {
                        s->i++;
                        return 0;
                }
                if (*s->i == '\\') {
                        expected = read_escape(&s->i, s->end, &code);
                        if (expected)
                                return refuse(s, expected);
                        continue;
                }
                if ((unsigned char)*s->i < ' ')
                        return refuse(s, "an escape for a control character");
                n = utf8_length(s->i, s->end);
                if (n == 0)
                        return refuse(s, "valid UTF-8");
                s->i += n;
        }
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int scan_digits(struct scanner *s)
{
        if (!is_digit(peek(s)))
                return refuse(s, "a digit");
        while (is_digit(peek(s)))
                s->i++;
        return 0;
}

static int scan_number(struct scanner *s)
{
        int r;

        skip(s, '-');
        r = skip(s, '0') ? 0 : scan_digits(s);
        if (r < 0)
                return r;
        if (skip(s, '.')) {
                r = scan_digits(s);
                if (r < 0)
                        return r;
        }
        if (!skip(s, 'e') && !skip(s, 'E'))
                return 0;
        if (!skip(s, '-'))
                skip(s, '+');
        return scan_digits(s);
}

static int scan_word(struct scanner *s, const char *word)
{
        size_t n = strlen(word);

        if ((size_t)(s->end - s->i) < n || memcmp(s->i, word, n))
                return refuse(s, "a value");
        s->i += n;
        return 0;
}

static int scan_scalar(struct scanner *s)
{
        switch (peek(s)) {
        case '"':
                return scan_string(s);
        case '-':
        case '0' ... '9':
                return scan_number(s);
        case 'n':
                return scan_word(s, "null");
        case 't':
                return scan_word(s, "true");
        case 'f':
                return scan_word(s, "false");
        }
        return refuse(s, "a value");
}

/* The key and the colon behind it. */
static int scan_key(struct scanner *s, struct bytes *ret_key)
{
        int r;

        skip_space(s);
        if (peek(s) != '"')
                return refuse(s, "a key in quotes");
        ret_key->data = s->i;
        r = scan_string(s);
        if (r < 0)
                return r;
        ret_key->size = (size_t)(s->i - ret_key->data);
        skip_space(s);
        return skip(s, ':') ? 0 : refuse(s, "':'");
}

/* What is open at each level, a bit each. */
struct levels {
        uint8_t object[(JSON_DEPTH_MAX + 7) / 8];
        unsigned n;
};

static bool levels_in_object(const struct levels *l)
{
        return l->object[(l->n - 1) / 8] >> (l->n - 1) % 8 & 1;
}

static void levels_push(struct levels *l, bool object)
{
        unsigned bit = 1u << l->n % 8, rest = l->object[l->n / 8] & ~bit;

        l->object[l->n++ / 8] = (uint8_t)(object ? rest | bit : rest);
}

/* Behind a value: closes what ends here. 1: another value follows; 0: the outermost has ended. */
static int scan_close(struct scanner *s, struct levels *levels)
{
        struct bytes key;
        int r;

        for (; levels->n > 0; levels->n--) {
                bool object = levels_in_object(levels);

                skip_space(s);
                if (skip(s, ',')) {
                        r = object ? scan_key(s, &key) : 0;
                        return r < 0 ? r : 1;
                }
                if (!skip(s, object ? '}' : ']'))
                        return refuse(s, object ? "',' or '}'" : "',' or ']'");
        }
        return 0;
}

/* At an opening bracket. 1: a value follows; 0: it was empty, and closed. */
static int scan_open(struct scanner *s, struct levels *levels)
{
        bool object = *s->i == '{';
        struct bytes key;
        int r;

        if (levels->n == JSON_DEPTH_MAX)
                return refuse(s, "at most " NUMBER(JSON_DEPTH_MAX) " levels of nesting");
        s->i++;
        skip_space(s);
        if (skip(s, object ? '}' : ']'))
                return 0;
        levels_push(levels, object);
        r = object ? scan_key(s, &key) : 0;
        return r < 0 ? r : 1;
}

static enum json_type type_of(char first)
{
        switch (first) {
        case '{':
                return JSON_OBJECT;
        case '[':
                return JSON_ARRAY;
        case '"':
                return JSON_STRING;
        case 'n':
                return JSON_NULL;
        case 't':
                return JSON_TRUE;
        case 'f':
                return JSON_FALSE;
        }
        return JSON_NUMBER;
}

static int scan_value(struct scanner *s, enum json_type *ret_type, struct bytes *ret_value)
{
        struct levels levels = { .n = 0 };
        const char *start;
        int r;

        skip_space(s);
        start = s->i;
        do {
                skip_space(s);
                if (peek(s) == '{' || peek(s) == '[') {
                        r = scan_open(s, &levels);
                        if (r == 1)
                                continue;
                } else {
                        r = scan_scalar(s);
                }
                if (r == 0)
                        r = scan_close(s, &levels);
        } while (r == 1);
        if (r < 0)
                return r;
        *ret_type = type_of(*start);
        *ret_value = (struct bytes){ start, (size_t)(s->i - start) };
        return 0;
}

int json_scan(const char *text, size_t size, enum json_type *ret_type, struct bytes *ret_value,
              struct json_error *error)
{
        struct scanner s = { text, text, end_of(text, size), error };
        struct bytes value;
        enum json_type type;
        int r = scan_value(&s, &type, &value);

        if (r < 0)
                return r;
        skip_space(&s);
        if (s.i < s.end)
                return refuse(&s, "nothing behind the value");
        *ret_type = type;
        *ret_value = value;
        return 0;
}

static int refuse_key(struct json_error *error, const struct json_members *m, struct bytes source,
                      const char *what)
{
        char key[80];

        error->offset = m->key_offset;
        json_excerpt(key, sizeof(key), source);
        snprintf(error->text, sizeof(error->text), "%s %s", key, what);
        return -EINVAL;
}

static bool is_known_key(const struct json_members *m, const struct buffer *scratch,
                         struct bytes key)
{
        for (size_t i = 0; i < m->n; i++)
                if (m->keys[i].size == key.size &&
                    !memcmp(buffer_data(scratch) + m->keys[i].offset, key.data, key.size))
                        return true;
        return false;
}

static int take_key(struct json_members *m, struct buffer *scratch, struct bytes source,
                    struct bytes *ret_key, struct json_error *error)
{
        size_t offset = buffer_size(scratch);
        int r;

        m->key_offset = (size_t)(source.data - m->object.data);
        if (m->n == JSON_MEMBERS_MAX)
                return refuse_key(error, m, source,
                                  "is one too many: at most " NUMBER(JSON_MEMBERS_MAX) " members");
        r = json_decode_string(source, scratch);
        if (r < 0)
                return r;
        ret_key->size = buffer_size(scratch) - offset;
        r = buffer_append(scratch, "", 1);
        if (r < 0)
                return r;
        ret_key->data = buffer_data(scratch) + offset;
        if (memchr(ret_key->data, '\0', ret_key->size))
                return refuse_key(error, m, source, "contains NUL, which a key must not");
        if (is_known_key(m, scratch, *ret_key))
                return refuse_key(error, m, source, "is there twice");
        m->keys[m->n].offset = offset;
        m->keys[m->n++].size = ret_key->size;
        return 0;
}

int json_next_member(struct json_members *m, struct buffer *scratch, struct bytes *ret_key,
                     enum json_type *ret_type, struct bytes *ret_value, struct json_error *error)
{
        const char *text = m->object.size > 0 ? m->object.data : "";
        struct scanner s = { text, text + m->position, text + m->object.size, error };
        struct bytes source, key, value;
        enum json_type type;
        int r;

        skip_space(&s);
        if (m->position == 0 && !skip(&s, '{'))
                return refuse(&s, "an object");
        skip_space(&s);
        if (skip(&s, '}')) {
                skip_space(&s);
                return s.i == s.end ? 0 : refuse(&s, "nothing behind the object");
        }
        if (m->n > 0 && !skip(&s, ','))
                return refuse(&s, "',' or '}'");
        r = scan_key(&s, &source);
        if (r < 0)
                return r;
        r = take_key(m, scratch, source, &key, error);
        if (r < 0)
                return r;
        r = scan_value(&s, &type, &value);
        if (r < 0)
                return r;
        m->position = (size_t)(s.i - text);
        *ret_key = key;
        *ret_type = type;
        *ret_value = value;
        return 1;
}

int json_next_item(struct bytes *rest, enum json_type *ret_type, struct bytes *ret_value)
{
        struct json_error error;
        struct scanner s = { rest->data, rest->data, end_of(rest->data, rest->size), &error };
        int r;

        if (rest->size == 0)
                return 0;
        if (!skip(&s, '[') && !skip(&s, ','))
                return -EINVAL;
        skip_space(&s);
        rest->size = 0;
        if (skip(&s, ']'))
                return 0;
        r = scan_value(&s, ret_type, ret_value);
        if (r < 0)
                return r;
        skip_space(&s);
        if (s.i < s.end && *s.i == ',')
                *rest = (struct bytes){ s.i, (size_t)(s.end - s.i) };
        return 1;
}

static char *put_utf8(char *to, uint32_t code)
{
        static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

        for (int i = n - 1; i > 0; i--, code >>= 6)
                to[i] = (char)(0x80 | (code & 0x3f));
        to[0] = (char)(leads[n] | code);
        return to + n;
}

int json_decode_string(struct bytes source, struct buffer *to)
{
        const char *i = source.data + 1, *end = source.data + source.size - 1;
        char *start, *out;
        int r = buffer_reserve(to, source.size, &start);

        if (r < 0)
                return r;
        out = start;
        while (i < end) {
                const char *escape = memchr(i, '\\', (size_t)(end - i));
                size_t n = (size_t)((escape ? escape : end) - i);
                uint32_t code;

                memcpy(out, i, n);
                out += n;
                i += n;
                if (escape && !read_escape(&i, end, &code))
                        out = put_utf8(out, code);
        }
        buffer_added(to, (size_t)(out - start));
        return 0;
}
