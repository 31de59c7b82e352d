/* What stands in other files: secrets, and the configuration itself. */
#include "load.h"

#include <fcntl.h>
#include <sys/stat.h>

struct folder {
        char path[40], file[60], text[300];
};

static struct folder folder_with_secret(const char *secret, size_t size, mode_t mode)
{
        struct folder f = { .path = "/tmp/penstock-test-XXXXXX" };
        int fd;

        ck_assert_ptr_nonnull(mkdtemp(f.path));
        snprintf(f.file, sizeof(f.file), "%s/token", f.path);
        fd = open(f.file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, secret, size), (ssize_t)size);
        ck_assert_int_eq(fchmod(fd, mode), 0);
        close(fd);
        snprintf(f.text, sizeof(f.text), "http:\n  token_file: %s\n", f.file);
        return f;
}

static void folder_remove(const struct folder *f)
{
        unlink(f->file);
        rmdir(f->path);
}

START_TEST(a_secret_is_what_its_file_holds_without_the_line_end)
{
        struct folder f = folder_with_secret("geheim\n", 7, 0640);
        struct config *c = load_text(f.text);

        ck_assert_str_eq(c->http.token, "geheim");
        ck_assert_str_eq(c->http.token_file, f.file);
        config_unref(c);
        folder_remove(&f);

        f = folder_with_secret("geh eim", 7, 0600);
        snprintf(f.text, sizeof(f.text),
                 "store: {kind: redis, url: \"unix:///x\", password_file: %s}\n"
                 "http: {token_file: %s, listen: [\"0.0.0.0:80\"]}\n",
                 f.file, f.file);
        c = load_text(f.text);
        ck_assert_str_eq(c->store.password, "geh eim");
        config_unref(c);
        folder_remove(&f);
}
END_TEST

START_TEST(a_secret_that_everybody_may_read_is_refused)
{
        static const mode_t modes[] = { 0644, 0604, 0602 };

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct folder f = folder_with_secret("geheim\n", 7, modes[i]);
                char expected[200];

                snprintf(
                        expected, sizeof(expected),
                        "f:2:15: http.token_file: everybody may read or write %s (mode %04o): chmod "
                        "600 it\n",
                        f.file, modes[i]);
                ASSERT_REFUSES(f.text, expected);
                folder_remove(&f);
        }
}
END_TEST

START_TEST(a_secret_is_one_line)
{
        static const struct {
                const char *data;
                size_t size;
                const char *fault;
        } cases[] = {
                { "", 0, " is empty; allowed: one line, the secret\n" },
                { "\n", 1, " is empty; " },
                { "a\nb\n", 4, " has control characters or more than one line; " },
                { "a\n\n", 3, " has control characters or more than one line; " },
                { "a\r\n", 3, " has control characters or more than one line; " },
                { "a\0b", 3, " has control characters or more than one line; " },
        };
        char *large = malloc(5000);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct folder f = folder_with_secret(cases[i].data, cases[i].size, 0600);

                ASSERT_TELLS(f.text, cases[i].fault);
                folder_remove(&f);
        }
        memset(large, 'x', 5000);
        for (size_t size = 4096; size <= 4097; size++) {
                struct folder f = folder_with_secret(large, size, 0600);

                if (size == 4096)
                        config_unref(load_text(f.text));
                else
                        ASSERT_TELLS(f.text, " has more than 4096 bytes\n");
                folder_remove(&f);
        }
        free(large);
}
END_TEST

START_TEST(a_secret_is_a_file_that_is_there)
{
        struct folder f = folder_with_secret("x", 1, 0600);

        ASSERT_REFUSES("http: {token_file: /nowhere/x}\n",
                       "f:1:20: http.token_file: /nowhere/x: No such file or directory\n");
        ASSERT_REFUSES("http: {token_file: /}\n",
                       "f:1:20: http.token_file: /: not a regular file\n");
        ASSERT_REFUSES("http: {token_file: /dev/zero}\n",
                       "f:1:20: http.token_file: /dev/zero: not a regular file\n");
        unlink(f.file);
        ck_assert_int_eq(mkfifo(f.file, 0600), 0);
        ASSERT_TELLS(f.text, ": not a regular file\n"); /* and nobody waits for its writer */
        folder_remove(&f);
}
END_TEST

START_TEST(a_relative_secret_is_a_credential_of_systemd)
{
        struct folder f = folder_with_secret("geheim\n", 7, 0400);
        struct config *c;

        setenv("CREDENTIALS_DIRECTORY", f.path, 1);
        c = load_text("http: {token_file: token}\n");
        ck_assert_str_eq(c->http.token, "geheim");
        ck_assert_str_eq(c->http.token_file, "token");
        config_unref(c);
        unsetenv("CREDENTIALS_DIRECTORY");
        ASSERT_TELLS("http: {token_file: token}\n",
                     "f:1:20: http.token_file: found the relative path \"token\", and no "
                     "CREDENTIALS_DIRECTORY in the environment; allowed: ");
        folder_remove(&f);
}
END_TEST

START_TEST(a_file_is_read_whole)
{
        struct folder f = folder_with_secret("log: {level: warn}\nconcurrency: no\n", 35, 0644);
        struct buffer errors = { 0 };
        struct config *c = NULL;
        char expected[200];
        int fd;

        ck_assert_int_eq(config_load(f.file, &errors, &c), -EINVAL);
        ck_assert_int_eq(buffer_append(&errors, "", 1), 0);
        snprintf(expected, sizeof(expected),
                 "%s:2:14: concurrency: found \"no\"; allowed: a whole number from 1 to 100000\n",
                 f.file);
        ck_assert_str_eq(buffer_data(&errors), expected);
        buffer_clear(&errors);

        fd = open(f.file, O_WRONLY | O_TRUNC | O_CLOEXEC);
        ck_assert_int_eq(write(fd, "log: {level: warn}\n", 19), 19);
        close(fd);
        ck_assert_int_eq(config_load(f.file, &errors, &c), 0);
        ck_assert_int_eq(c->log.level, LOG_WARN);
        ck_assert_str_eq(c->path, f.file);
        config_unref(c);
        buffer_deinit(&errors);
        folder_remove(&f);
}
END_TEST

int main(void)
{
        return RUN_SUITE("config_secrets", a_secret_is_what_its_file_holds_without_the_line_end,
                         a_secret_that_everybody_may_read_is_refused, a_secret_is_one_line,
                         a_secret_is_a_file_that_is_there,
                         a_relative_secret_is_a_credential_of_systemd, a_file_is_read_whole);
}
