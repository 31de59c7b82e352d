/* More jobs at once than this machine allows. */
#include "load.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define NOOP "handlers: {h: {noop: {}}}\n"
#define EXEC(argv) "handlers:\n  h: {exec: {argv: " argv "}}\n"

/* In a process of its own, for a hard limit cannot be taken back. */
static int load_with_descriptors(rlim_t hard, const char *text, const char *expected)
{
        struct rlimit limit = { hard, hard };
        struct buffer errors = { 0 };
        struct config *config = NULL;
        pid_t child = fork();
        int status, r;

        ck_assert_int_ge(child, 0);
        if (child > 0) {
                ck_assert_int_eq(waitpid(child, &status, 0), child);
                return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                _exit(10);
        r = config_parse("f", text, strlen(text), &errors, &config);
        if (buffer_append(&errors, "", 1) < 0)
                _exit(11);
        r = r == (expected ? -EINVAL : 0) && (!expected || !strcmp(buffer_data(&errors), expected));
        if (!r)
                fprintf(stderr, "%s", buffer_data(&errors));
        config_unref(config);
        buffer_deinit(&errors);
        _exit(r ? 0 : 1);
}

START_TEST(concurrency_past_the_descriptors_is_refused_with_both_numbers)
{
        static const char text[] =
                "concurrency: 100\n" NOOP "queues: {q: {handler: h, concurrency: "
                "200}}\n";
        static const char commands[] = EXEC("[/bin/cat]") "queues: {q: {handler: h}}\n";

        ck_assert_int_eq(load_with_descriptors(328, text, NULL), 0);
        ck_assert_int_eq(
                load_with_descriptors(327, text,
                                      "f:1:14: concurrency: 100 jobs at once need 328 file "
                                      "descriptors; allowed: 327, the hard limit of this "
                                      "process (ulimit -Hn, LimitNOFILE=)\n"),
                0);
        /* What the queues can have counts, and programs take more. */
        ck_assert_int_eq(load_with_descriptors(378, commands, NULL), 0);
        ck_assert_int_eq(load_with_descriptors(377, commands,
                                               "f: concurrency: 50 jobs at once need 378 file "
                                               "descriptors; allowed: 377, the hard limit of this "
                                               "process (ulimit -Hn, LimitNOFILE=)\n"),
                         0);
}
END_TEST

START_TEST(concurrency_past_the_mappings_is_refused_with_both_numbers)
{
        FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
        char text[200], expected[200];
        unsigned long max = 0, jobs;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%lu", &max), 1);
        fclose(file);
        jobs = (max - 2048) / 2 + 1;
        if (jobs > 100000)
                return; /* this machine has room for all that can be said */
        snprintf(text, sizeof(text),
                 "concurrency: %lu\n" NOOP "queues: {q: {handler: h, concurrency: 100000}}\n",
                 jobs);
        snprintf(expected, sizeof(expected),
                 "concurrency: %lu jobs at once may need %lu memory mappings; allowed: %lu, "
                 "vm.max_map_count (sysctl)\n",
                 jobs, 2048 + 2 * jobs, max);
        ASSERT_TELLS(text, expected);
}
END_TEST

int main(void)
{
        return RUN_SUITE("config_limits",
                         concurrency_past_the_descriptors_is_refused_with_both_numbers,
                         concurrency_past_the_mappings_is_refused_with_both_numbers);
}
