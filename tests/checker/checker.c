/* The total-queue checker: pushes jobs and remembers what was acknowledged, and says at the end whether each was
 * run, and nothing else, and whether the queue is as empty as it should be.
 *
 *     checker produce [OPTION…]    the options of produce.h
 *     checker check [OPTION…]      exit 0: all is well, 1: it is not, and what is said
 *
 * The recorder's file tells what was run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "history.h"
#include "leftovers.h"
#include "produce.h"

static const char usage_text[] =
        "usage: checker produce --redis ADDRESS --key KEY --acknowledged FILE [--count N]\n"
        "               [--first N] [--seed N] [--longest MS] [--fails N] [--rate N]\n"
        "               [--ids PREFIX]\n"
        "       checker check --acknowledged FILE --runs FILE\n"
        "               [--redis ADDRESS --queue Q [--prefix P] [--daemons N] [--dead N]]\n"
        "ADDRESS is unix:/path or HOST:PORT.\n";

struct arguments {
        struct produce_options produce;
        struct leftovers_options leftovers;
        const char *runs;
};

static int usage(void)
{
        fputs(usage_text, stderr);
        return 2;
}

/* Every option has a value: a text, or a number. */
static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
        const struct {
                const char *name;
                const char **text;
                long *number;
        } options[] = {
                { "--redis", &a->produce.redis, NULL },
                { "--acknowledged", &a->produce.file, NULL },
                { "--key", &a->produce.key, NULL },
                { "--count", NULL, &a->produce.count },
                { "--first", NULL, &a->produce.first },
                { "--seed", NULL, &a->produce.seed },
                { "--longest", NULL, &a->produce.longest_ms },
                { "--fails", NULL, &a->produce.most_fails },
                { "--rate", NULL, &a->produce.rate },
                { "--ids", &a->produce.ids, NULL },
                { "--runs", &a->runs, NULL },
                { "--queue", &a->leftovers.queue, NULL },
                { "--prefix", &a->leftovers.prefix, NULL },
                { "--daemons", NULL, &a->leftovers.daemons },
                { "--dead", NULL, &a->leftovers.dead },
        };

        for (int i = 0; i < argc; i += 2) {
                size_t o = 0;
                char *end;

                while (o < ARRAY_SIZE(options) && strcmp(options[o].name, argv[i]) != 0)
                        o++;
                if (o == ARRAY_SIZE(options) || i + 1 == argc)
                        return false;
                if (options[o].text) {
                        *options[o].text = argv[i + 1];
                        continue;
                }
                *options[o].number = strtol(argv[i + 1], &end, 10);
                if (*end != '\0')
                        return false;
        }
        return a->produce.file;
}

static int run_produce(const struct arguments *a)
{
        int r;

        if (!a->produce.redis || !a->produce.key)
                return usage();
        r = produce(&a->produce);
        if (r < 0)
                fprintf(stderr, "checker produce: %s\n", strerror(-r));
        return r < 0;
}

static long check(const struct arguments *a, redisContext *redis, struct history *h)
{
        long bad;
        int r = history_read_acknowledged(h, a->produce.file);

        if (r == 0)
                r = history_read_runs(h, a->runs, stdout);
        if (r == 0 && redis)
                r = leftovers_read_dead(redis, &a->leftovers, h);
        if (r < 0)
                return r;
        bad = (long)history_judge(h, stdout);
        if (redis) {
                long left = leftovers_count(redis, &a->leftovers, stdout);

                bad = left < 0 ? left : bad + left;
        }
        return bad;
}

static int run_check(const struct arguments *a)
{
        PEN_CLEANUP(history_deinit) struct history h = { 0 };
        PEN_CLEANUP(redis_freep) redisContext *redis = NULL;
        long bad;

        if (!a->runs || (a->produce.redis && !a->leftovers.queue))
                return usage();
        if (a->produce.redis) {
                redis = redis_connect(a->produce.redis);
                if (!redis) {
                        fprintf(stderr, "checker check: %s does not answer\n", a->produce.redis);
                        return 1;
                }
        }
        bad = check(a, redis, &h);
        if (bad < 0)
                fprintf(stderr, "checker check: %s\n", strerror((int)-bad));
        return bad != 0;
}

int main(int argc, char **argv)
{
        struct arguments arguments = { .produce = { .count = 1000, .seed = 1, .longest_ms = 2000 },
                                       .leftovers = { .prefix = "penstock" } };

        if (argc < 2 || !parse_arguments(argc - 2, argv + 2, &arguments))
                return usage();
        if (strcmp(argv[1], "produce") == 0)
                return run_produce(&arguments);
        if (strcmp(argv[1], "check") == 0)
                return run_check(&arguments);
        return usage();
}
