/* The configuration's reader against any bytes: it answers, and what it took it prints, reads again
 * and finds equal. For libFuzzer (clang -fsanitize=fuzzer,address -DFUZZER); otherwise a program that
 * runs the files and folders it is given, once each.
 *
 * Bytes that name a file of secrets are not run: what they lead to is not the bytes' doing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <config/config.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void differs(void *data, const char *key, const char *before, const char *after)
{
        (void)data;
        fprintf(stderr, "%s: %s read again is %s\n", key, before ? before : "nothing",
                after ? after : "nothing");
        abort();
}

/* Secrets come back as `***`, so twice printed and read there is nothing left to lose. */
static struct config *print_and_read(const struct config *config)
{
        struct buffer text = { 0 }, errors = { 0 };
        struct config *again = NULL;

        if (config_print(config, &text) < 0)
                abort();
        if (config_parse("again", buffer_data(&text), buffer_size(&text), &errors, &again) < 0) {
                fprintf(stderr, "%.*s%.*s", (int)buffer_size(&text), buffer_data(&text),
                        (int)buffer_size(&errors), buffer_data(&errors));
                abort();
        }
        buffer_deinit(&text);
        buffer_deinit(&errors);
        return again;
}

/* Every line of the errors names the file; there are some if and only if nothing was made. */
static void judge(int r, struct buffer *errors)
{
        const char *line = buffer_data(errors), *end;

        if ((r < 0) != (buffer_size(errors) > 0))
                abort();
        if (r == 0)
                return;
        for (end = line + buffer_size(errors); line < end;
             line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1)
                if (strncmp(line, "f:", 2) != 0)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config *config = NULL, *masked, *again;
        struct buffer errors = { 0 };
        int r;

        if (memmem(data, size, "_file", 5))
                return 0;
        r = config_parse("f", (const char *)data, size, &errors, &config);
        judge(r, &errors);
        buffer_deinit(&errors);
        if (r < 0)
                return 0;
        masked = print_and_read(config);
        again = print_and_read(masked);
        if (config_compare(masked, again, differs, NULL) < 0)
                abort();
        config_unref(config);
        config_unref(masked);
        config_unref(again);
        return 0;
}

#ifndef FUZZER
#include <dirent.h>
#include <sys/stat.h>

#include <config/file.h>

static int run_file(const char *path)
{
        struct buffer text = { 0 };
        struct stat st;
        int r = file_read(path, (size_t)2 << 20, true, &st, &text);

        if (r == 0)
                LLVMFuzzerTestOneInput((const uint8_t *)buffer_data(&text), buffer_size(&text));
        else
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
        buffer_deinit(&text);
        return r;
}

static int run_folder(const char *path)
{
        DIR *folder = opendir(path);
        struct dirent *entry;
        int r = 0;

        if (!folder)
                return run_file(path);
        while (r == 0 && (entry = readdir(folder))) {
                char file[4096];

                if (*entry->d_name == '.')
                        continue;
                snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
                r = run_file(file);
        }
        closedir(folder);
        return r;
}

int main(int argc, char **argv)
{
        int r = 0;

        for (int i = 1; r == 0 && i < argc; i++)
                r = run_folder(argv[i]);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
#endif
