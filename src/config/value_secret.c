/* Secrets: the file says where, the record keeps that and what is there. A file that all the world
 * may read holds no secret. */
#include <config/value.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <config/file.h>

#define SECRET_MAX ((size_t)4 << 10)

/* Relative ones are systemd's credentials. *ret_path (malloc'ed) is NULL when that was refused. */
static int locate(const struct reading *in, const struct node *node, const char *text,
                  char **ret_path)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");

        *ret_path = NULL;
        if (*text != '/' && !directory)
                return node_refuse(in->errors, node,
                                   "found the relative path \"%s\", and no CREDENTIALS_DIRECTORY "
                                   "in the environment; allowed: an absolute path, or the name of "
                                   "a systemd credential (LoadCredential=)",
                                   text);
        if (asprintf(ret_path, "%s%s%s", *text == '/' ? "" : directory, *text == '/' ? "" : "/",
                     text) < 0) {
                *ret_path = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* What is wrong with it; NULL: nothing. */
static const char *find_fault(const struct buffer *secret)
{
        const char *data = buffer_data(secret);
        size_t size = buffer_size(secret);

        if (size == 0)
                return "is empty";
        for (size_t i = 0; i < size; i++)
                if ((unsigned char)data[i] < ' ' || data[i] == 0x7f)
                        return "has control characters or more than one line";
        return NULL;
}

/* Reads it, without its line end. *ret is NULL when it was refused. */
static int read_secret(const struct reading *in, const struct node *node, const char *path,
                       struct buffer *secret, const char **ret)
{
        struct stat st = { 0 };
        const char *fault;
        int r = file_read(path, SECRET_MAX, true, &st, secret);

        if (r == -ENOMEM)
                return r;
        if (r == -EFBIG)
                return node_refuse(in->errors, node, "%s has more than %zu bytes", path,
                                   SECRET_MAX);
        if (r < 0)
                return node_refuse(in->errors, node, "%s: %s", path,
                                   r == -EINVAL ? "not a regular file" : strerror(-r));
        if (st.st_mode & (S_IROTH | S_IWOTH))
                return node_refuse(in->errors, node,
                                   "everybody may read or write %s (mode %04o): chmod 600 it", path,
                                   st.st_mode & 07777);
        if (buffer_size(secret) > 0 && buffer_data(secret)[buffer_size(secret) - 1] == '\n')
                secret->end--;
        fault = find_fault(secret);
        if (fault)
                return node_refuse(in->errors, node, "%s %s; allowed: one line, the secret", path,
                                   fault);
        *ret = arena_copy(in->arena, buffer_data(secret), buffer_size(secret));
        return *ret ? 0 : -ENOMEM;
}

static int read_secret_file(const struct reading *in, const struct key *key,
                            const struct node *node, void *record)
{
        PEN_CLEANUP(freep) char *path = NULL;
        const char *text, *held = NULL;
        struct buffer secret = { 0 };
        int r = value_keep(in, node, &text);

        if (r < 0 || !text)
                return r;
        if (!*text)
                return value_refuse(in, key, node);
        r = locate(in, node, text, &path);
        if (r < 0 || !path)
                return r;
        r = read_secret(in, node, path, &secret, &held);
        if (held) {
                *(const char **)key_field(key, record) = text;
                *(const char **)key_beside(key, record) = held;
        }
        buffer_deinit(&secret);
        return r;
}

/* Where it is is no secret; what it holds is only looked at to see whether it is another one. */
static int write_secret_file(const struct key *key, const void *record, bool reveal,
                             struct buffer *to)
{
        int r = value_write_text(*(const char *const *)key_field(key, record), to);

        if (r < 0 || !reveal)
                return r;
        return value_write_text(*(const char *const *)key_beside(key, record), to);
}

static int describe_secret_file(const struct key *key, struct buffer *to)
{
        (void)key;
        return buffer_printf(to, "the path of a file that not everybody may read");
}

const struct value_type type_secret_file = { NODE_SCALAR, read_secret_file, write_secret_file,
                                             describe_secret_file };
