/* What a client can get out of Redis that does nothing else: the reference for all that goes through it.
 *
 * usage: redis PORT MODE KEY N [ARG…]
 *   add           N times XADD, pipelined; prints rate=
 *   script FILE   the same by an EVALSHA of FILE, each with an id
 *   trim | del    drains it: XREADGROUP and XACK, and XTRIM or XDEL; batches of 128, four in flight
 *   both          add and trim at once
 *   pace RATE     N times XADD at RATE a second, with the moment as payload
 *   wait          a blocked XREADGROUP takes what pace adds; prints p50_ms= p99_ms= of the way
 */
#include <hiredis/hiredis.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 128
#define DEPTH 4
#define WARM_UP 100 /* of `wait`: not counted */

static const char payload[] = "{\"to\":\"somebody@example.org\",\"subject\":\"one hundred bytes of "
                              "a job, as they are measured here\"}..";
static redisContext *redis;
static const char *key;
static long n;

static void connect_to(int port)
{
        redis = redisConnect("127.0.0.1", port);
        if (!redis || redis->err)
                bench_check(-111, "redis");
}

static redisReply *receive(void)
{
        void *reply;

        if (redisGetReply(redis, &reply) != REDIS_OK ||
            ((redisReply *)reply)->type == REDIS_REPLY_ERROR) {
                fprintf(stderr, "redis: %s\n", redis->err ? redis->errstr : ((redisReply *)reply)->str);
                exit(1);
        }
        return reply;
}

/* --- adding ------------------------------------------------------------------------------------- */

static char *load(const char *path)
{
        static char text[1 << 16], sha[41];
        FILE *f = fopen(path, "r");
        redisReply *reply;

        if (!f)
                bench_check(-2, path);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        redisAppendCommand(redis, "SCRIPT LOAD %s", text);
        reply = receive();
        memcpy(sha, reply->str, 40);
        freeReplyObject(reply);
        return sha;
}

static int format(char *to, size_t size, const char *sha, long i)
{
        int len = (int)strlen(key), bytes = (int)strlen(payload);

        if (!sha)
                return snprintf(to, size, "*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$7\r\npayload\r\n$%d\r\n%s\r\n",
                                len, key, bytes, payload);
        return snprintf(to, size,
                        "*8\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n1\r\n$%d\r\n%s\r\n$2\r\nid\r\n$9\r\nj%08ld\r\n"
                        "$7\r\npayload\r\n$%d\r\n%s\r\n",
                        sha, len, key, i, bytes, payload);
}

static void add(const char *sha)
{
        char command[512];

        for (long sent = 0, got = 0; got < n;) {
                for (; sent < n && sent - got < BATCH * DEPTH; sent++)
                        redisAppendFormattedCommand(redis, command,
                                                    (size_t)format(command, sizeof(command), sha, sent));
                for (int i = 0; i < BATCH && got < n; i++, got++)
                        freeReplyObject(receive());
        }
}

/* --- draining ----------------------------------------------------------------------------------- */

static void read_more(void)
{
        redisAppendCommand(redis, "XREADGROUP GROUP penstock peer COUNT %d STREAMS %s >", BATCH, key);
}

static void remove_entries(const char *command, const redisReply *entries, int with_group)
{
        const char *args[BATCH + 3];
        int used = 0;

        args[used++] = command;
        args[used++] = key;
        if (with_group)
                args[used++] = "penstock";
        for (size_t i = 0; i < entries->elements; i++)
                args[used++] = entries->element[i]->element[0]->str;
        redisAppendCommandArgv(redis, used, args, NULL);
}

static void trim_to(const redisReply *last)
{
        unsigned long long ms, sequence;

        sscanf(last->element[0]->str, "%llu-%llu", &ms, &sequence);
        redisAppendCommand(redis, "XTRIM %s MINID %llu-%llu", key, ms, sequence + 1);
}

static void make_group(void)
{
        redisReply *reply = redisCommand(redis, "XGROUP CREATE %s penstock 0 MKSTREAM", key);

        freeReplyObject(reply);
}

/* Answers come in the order of the commands: first of the reads, then two for each that brought something. */
static void drain(int trimming)
{
        long done = 0;
        int reads = 0;
        char kinds[4 * DEPTH] = { 0 };
        size_t head = 0, tail = 0;

#define EXPECT(kind) (kinds[tail++ % sizeof(kinds)] = (kind))
        for (; reads < DEPTH; reads++) {
                read_more();
                EXPECT('r');
        }
        while (head != tail) {
                char kind = kinds[head++ % sizeof(kinds)];
                redisReply *reply = receive();

                if (kind == 'r' && reply->type == REDIS_REPLY_ARRAY) {
                        const redisReply *entries = reply->element[0]->element[1];

                        remove_entries("XACK", entries, 1);
                        EXPECT('a');
                        if (trimming)
                                trim_to(entries->element[entries->elements - 1]);
                        else
                                remove_entries("XDEL", entries, 0);
                        EXPECT('a');
                        done += (long)entries->elements;
                }
                if (kind == 'r' && done < n) {
                        read_more();
                        EXPECT('r');
                }
                freeReplyObject(reply);
        }
#undef EXPECT
}

static void both(int port)
{
        pid_t adder = fork();

        if (adder == 0) {
                connect_to(port);
                add(NULL);
                _exit(0);
        }
        drain(1);
        waitpid(adder, NULL, 0);
}

/* --- the way of one job --------------------------------------------------------------------------- */

static void pace(double rate)
{
        double begun = bench_now();

        for (long i = 0; i < n; i++) {
                double left = begun + (double)i / rate - bench_now();

                if (left > 0)
                        usleep((useconds_t)(left * 1e6));
                freeReplyObject(redisCommand(redis, "XADD %s * payload %.9f", key, bench_now()));
        }
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void wait_for_all(void)
{
        double *took = calloc((size_t)n + BATCH, sizeof(*took));
        long seen = 0, counted;

        while (seen < n) {
                redisReply *reply = redisCommand(
                        redis, "XREADGROUP GROUP penstock peer COUNT 128 BLOCK 5000 STREAMS %s >", key);
                double now = bench_now();

                if (reply->type == REDIS_REPLY_ARRAY) {
                        const redisReply *entries = reply->element[0]->element[1];

                        for (size_t i = 0; i < entries->elements; i++)
                                took[seen++] = now - atof(entries->element[i]->element[1]->element[1]->str);
                        remove_entries("XACK", entries, 1);
                        remove_entries("XDEL", entries, 0);
                        freeReplyObject(receive());
                        freeReplyObject(receive());
                }
                freeReplyObject(reply);
        }
        counted = seen - WARM_UP;
        qsort(took + WARM_UP, (size_t)counted, sizeof(*took), compare);
        printf("p50_ms=%.4f p99_ms=%.4f\n", took[WARM_UP + counted / 2] * 1e3,
               took[WARM_UP + counted * 99 / 100] * 1e3);
        free(took);
}

int main(int argc, char **argv)
{
        const char *mode = argc > 4 ? argv[2] : "", *arg = argc > 5 ? argv[5] : "";
        int port = (int)bench_argument(argc, argv, 1, 0);
        double begun;

        if (argc < 5)
                return 2;
        key = argv[3];
        n = atol(argv[4]);
        connect_to(port);
        if (strcmp(mode, "add") != 0 && strcmp(mode, "script") != 0 && strcmp(mode, "pace") != 0)
                make_group();
        begun = bench_now();
        if (!strcmp(mode, "add"))
                add(NULL);
        else if (!strcmp(mode, "script"))
                add(load(arg));
        else if (!strcmp(mode, "trim") || !strcmp(mode, "del"))
                drain(mode[0] == 't');
        else if (!strcmp(mode, "both"))
                both(port);
        else if (!strcmp(mode, "pace"))
                pace(atof(arg));
        else if (!strcmp(mode, "wait"))
                wait_for_all();
        else
                return 2;
        if (strcmp(mode, "wait") != 0)
                printf("rate=%.0f\n", (double)n / (bench_now() - begun));
        redisFree(redis);
        return 0;
}
