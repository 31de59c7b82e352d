/* Texts: words of a list, names and paths, URLs, this daemon's name. */
#include <config/value.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/parse.h>
#include <base/utf8.h>
#include <job/json.h>

/* --- quotes ------------------------------------------------------------------------------------- */

/* What libyaml does not take as it stands: control characters, line separators and marks. */
static bool needs_escape(uint32_t code)
{
        return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
               code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static uint32_t decode(const char *text, size_t n)
{
        uint32_t code = (unsigned char)*text & (n == 1 ? 0x7f : 0xff >> (n + 1));

        for (size_t i = 1; i < n; i++)
                code = code << 6 | ((unsigned char)text[i] & 0x3f);
        return code;
}

int value_write_text(const char *text, struct buffer *to)
{
        const char *end = text + strlen(text);
        int r = buffer_append(to, "\"", 1);

        while (r == 0 && text < end) {
                size_t n = MAX(utf8_length(text, end), (size_t)1);
                uint32_t code = decode(text, n);

                if (code == '"' || code == '\\')
                        r = buffer_printf(to, "\\%c", (int)code);
                else if (needs_escape(code))
                        r = buffer_printf(to, "\\u%04x", (unsigned)code);
                else if (!strncmp(text, "${", 2))
                        r = buffer_append(to, "$$", 2);
                else
                        r = buffer_append(to, text, n);
                text += n;
        }
        return r < 0 ? r : buffer_append(to, "\"", 1);
}

int value_write_key(const char *key, size_t size, struct buffer *to)
{
        PEN_CLEANUP(freep) char *copy = NULL;

        if (parse_is_name(key, size) && !strchr("0123456789.-", *key))
                return buffer_append(to, key, size);
        copy = strndup(key, size);
        return copy ? value_write_text(copy, to) : -ENOMEM;
}

/* --- any text ----------------------------------------------------------------------------------- */

/* A text that `accepts` accepts, kept in the record. */
static int read_checked(const struct reading *in, const struct key *key, const struct node *node,
                        bool (*accepts)(const char *text), void *record)
{
        const char *text;
        int r = value_keep(in, node, &text);

        if (r < 0 || !text)
                return r;
        if (accepts && !accepts(text))
                return value_refuse(in, key, node);
        *(const char **)key_field(key, record) = text;
        return 0;
}

static int read_text(const struct reading *in, const struct key *key, const struct node *node,
                     void *record)
{
        return read_checked(in, key, node, key->accepts, record);
}

static int write_text(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        (void)reveal;
        return value_write_text(*(const char *const *)key_field(key, record), to);
}

static int describe_text(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "%s", key->form ? key->form : "a text");
}

const struct value_type type_text = { NODE_SCALAR, read_text, write_text, describe_text };

/* --- words -------------------------------------------------------------------------------------- */

static int refuse_word_not_yet(const struct reading *in, const struct key *key,
                               const struct node *node, const char *word)
{
        struct buffer allowed = { 0 };
        int r = value_describe(key, &allowed);

        if (r == 0)
                r = buffer_append(&allowed, "", 1);
        if (r == 0)
                r = node_refuse(in->errors, node, "%s is not carried out yet; allowed: %s", word,
                                buffer_data(&allowed));
        buffer_deinit(&allowed);
        return r;
}

static int read_word(const struct reading *in, const struct key *key, const struct node *node,
                     void *record)
{
        const struct choice *c = key->choices;
        const char *text;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        while (c->name && strcmp(c->name, text) != 0)
                c++;
        if (!c->name)
                return value_refuse(in, key, node);
        if (c->not_yet)
                return refuse_word_not_yet(in, key, node, c->name);
        *(int *)key_field(key, record) = c->value;
        return 0;
}

static int write_word(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        int value = *(const int *)key_field(key, record);
        const struct choice *c = key->choices;

        (void)reveal;
        while (c->name && (c->not_yet || c->value != value))
                c++;
        return buffer_printf(to, "%s", c->name);
}

static int describe_word(const struct key *key, struct buffer *to)
{
        const char *before = "";

        for (const struct choice *c = key->choices; c->name; c++) {
                int r;

                if (c->not_yet)
                        continue;
                r = buffer_printf(to, "%s%s", before, c->name);
                if (r < 0)
                        return r;
                before = ", ";
        }
        return 0;
}

const struct value_type type_word = { NODE_SCALAR, read_word, write_word, describe_word };

/* --- URLs --------------------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *prefix)
{
        return !strncmp(text, prefix, strlen(prefix));
}

/* Something that could be on a request line: no spaces, control characters or foreign letters. */
static bool is_graphic(const char *text)
{
        while (*text > ' ' && *text <= '~')
                text++;
        return !*text;
}

static bool is_http_url(const char *text)
{
        const char *host;

        if (!begins_with(text, "http://") && !begins_with(text, "https://"))
                return false;
        host = strstr(text, "//") + 2;
        return is_graphic(text) && !strchr("/?#:@", *host);
}

static bool is_store_url(const char *text)
{
        if (begins_with(text, "unix://"))
                return text[strlen("unix://")] == '/';
        return begins_with(text, "redis://") && is_graphic(text) && text[strlen("redis://")];
}

/* Where user and password end, or NULL. A raw / in the password of a store is no reason to tell it;
 * in a request's URL what follows the host may well have an @. */
static const char *end_of_user(const char *authority, bool http)
{
        const char *end = authority + (http ? strcspn(authority, "/?#") : strlen(authority));

        return memrchr(authority, '@', (size_t)(end - authority));
}

char *value_mask_url(const char *url)
{
        const char *scheme = strstr(url, "://"), *user, *colon, *at;
        char *masked;

        if (!scheme || begins_with(url, "unix:"))
                return strdup(url);
        user = scheme + 3;
        at = end_of_user(user, begins_with(url, "http"));
        colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
        if (!colon)
                return strdup(url);
        return asprintf(&masked, "%.*s***%s", (int)(colon + 1 - url), url, at) < 0 ? NULL : masked;
}

static int write_url(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        const char *url = *(const char *const *)key_field(key, record);
        PEN_CLEANUP(freep) char *masked = NULL;

        if (reveal)
                return value_write_text(url, to);
        masked = value_mask_url(url);
        return masked ? value_write_text(masked, to) : -ENOMEM;
}

static int read_url(const struct reading *in, const struct key *key, const struct node *node,
                    void *record)
{
        return read_checked(in, key, node, is_http_url, record);
}

static int describe_url(const struct key *key, struct buffer *to)
{
        (void)key;
        return buffer_printf(to, "http://HOST… or https://HOST…");
}

const struct value_type type_url = { NODE_SCALAR, read_url, write_url, describe_url };

/* Its scheme alone: the rest is read by who connects. */
static int read_store_url(const struct reading *in, const struct key *key, const struct node *node,
                          void *record)
{
        static const char *const not_yet[] = { "rediss://", "redis-sentinel://",
                                               "redis-cluster://" };
        const char *text;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(not_yet); i++)
                if (begins_with(text, not_yet[i]))
                        return refuse_word_not_yet(in, key, node, not_yet[i]);
        return read_checked(in, key, node, is_store_url, record);
}

static int describe_store_url(const struct key *key, struct buffer *to)
{
        (void)key;
        return buffer_printf(to, "redis://[USER:PASSWORD@]HOST:PORT/DB or unix:///PATH");
}

const struct value_type type_store_url = { NODE_SCALAR, read_store_url, write_url,
                                           describe_store_url };

/* --- this daemon's name ------------------------------------------------------------------------- */

/* What stands behind a percent sign. NULL: nothing is known of it, and that was told. */
static int look_up(const struct reading *in, const struct node *node, char letter,
                   char host[HOST_NAME_MAX + 1], const char **ret)
{
        *ret = NULL;
        if (letter == '%')
                *ret = "%";
        else if (letter == 'H' && gethostname(host, HOST_NAME_MAX + 1) == 0)
                *ret = host;
        else if (letter == 'i')
                *ret = getenv("PENSTOCK_INSTANCE");
        if (*ret)
                return 0;
        if (letter == 'H')
                return node_refuse(in->errors, node, "this machine has no name to put for %%H");
        if (letter == 'i')
                return node_refuse(in->errors, node,
                                   "the environment has no PENSTOCK_INSTANCE, which %%i stands for "
                                   "(the unit penstockd@.service sets it)");
        return node_refuse(in->errors, node,
                           "found %% without H, i or %% behind it; allowed: %%H for the host, %%i "
                           "for the systemd instance, %%%% for one %%");
}

/* 1: appended; 0: it was refused. */
static int expand_percent(const struct reading *in, const struct node *node, const char *text,
                          struct buffer *to)
{
        char host[HOST_NAME_MAX + 1] = "";
        int r = 0;

        for (; r == 0 && *text; text++) {
                const char *value;

                if (*text != '%') {
                        r = buffer_append(to, text, 1);
                        continue;
                }
                r = look_up(in, node, *++text, host, &value);
                if (r < 0 || !value)
                        return r;
                r = buffer_append(to, value, strlen(value));
        }
        if (r == 0)
                r = buffer_append(to, "", 1);
        return r < 0 ? r : 1;
}

static int keep_instance(const struct reading *in, const struct key *key, const struct node *node,
                         const char *name, void *record)
{
        const char **field = key_field(key, record);
        char shown[80];

        if (!key->accepts(name)) {
                json_excerpt(shown, sizeof(shown), (struct bytes){ name, strlen(name) });
                return node_refuse(in->errors, node, "found \"%s\"; allowed: %s", shown, key->form);
        }
        *field = arena_copy(in->arena, name, strlen(name));
        return *field ? 0 : -ENOMEM;
}

static int read_instance(const struct reading *in, const struct key *key, const struct node *node,
                         void *record)
{
        struct buffer name = { 0 };
        const char *text;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        r = expand_percent(in, node, text, &name);
        if (r > 0)
                r = keep_instance(in, key, node, buffer_data(&name), record);
        buffer_deinit(&name);
        return r;
}

const struct value_type type_instance = { NODE_SCALAR, read_instance, write_text, describe_text };
