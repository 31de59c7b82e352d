#include "leftovers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 10

redisContext *redis_connect(const char *address)
{
        char host[256];
        int port;
        redisContext *redis;

        if (strncmp(address, "unix:", 5) == 0)
                redis = redisConnectUnix(address + 5);
        else if (sscanf(address, "%255[^:]:%d", host, &port) == 2)
                redis = redisConnect(host, port);
        else
                return NULL;
        if (redis && redis->err != 0) {
                redisFree(redis);
                return NULL;
        }
        return redis;
}

static int refused(const char *what, const redisReply *reply)
{
        fprintf(stderr, "%s: %s\n", what, reply && reply->str ? reply->str : "no sensible answer");
        return -EPROTO;
}

/* --- dead letters ------------------------------------------------------------------------------- */

/* An entry is its ID and its fields. The job's id is the field of that name. */
static void take_letter(const redisReply *entry, struct history *h)
{
        const redisReply *fields = entry->element[1];

        for (size_t i = 0; i + 1 < fields->elements; i += 2) {
                if (strcmp(fields->element[i]->str, "id") == 0)
                        history_dead(h, fields->element[i + 1]->str);
        }
}

int leftovers_read_dead(redisContext *redis, const struct leftovers_options *o, struct history *h)
{
        PEN_CLEANUP(reply_freep)
        redisReply *reply = redisCommand(redis, "XRANGE %s:{%s}:dead - +", o->prefix, o->queue);

        if (!reply || reply->type != REDIS_REPLY_ARRAY)
                return refused("XRANGE", reply);
        for (size_t i = 0; i < reply->elements; i++)
                take_letter(reply->element[i], h);
        return 0;
}

/* --- counts ------------------------------------------------------------------------------------- */

static long excess(FILE *to, const char *what, long long found, long wanted)
{
        if (found == wanted)
                return 0;
        fprintf(to, "leftover: %s: %lld, and not %ld\n", what, found, wanted);
        return 1;
}

static long count_of(redisContext *redis, const struct leftovers_options *o, FILE *to,
                     const char *command, const char *key, long wanted)
{
        PEN_CLEANUP(reply_freep)
        redisReply *reply = redisCommand(redis, "%s %s:{%s}:%s", command, o->prefix, o->queue, key);
        char what[64];

        if (!reply || reply->type != REDIS_REPLY_INTEGER)
                return refused(command, reply);
        snprintf(what, sizeof(what), "%s %s", command, key);
        return excess(to, what, reply->integer, wanted);
}

static long count_pending(redisContext *redis, const struct leftovers_options *o, FILE *to)
{
        PEN_CLEANUP(reply_freep)
        redisReply *reply =
                redisCommand(redis, "XPENDING %s:{%s}:ready %s", o->prefix, o->queue, o->prefix);

        if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 1)
                return refused("XPENDING", reply);
        return excess(to, "pending entries", reply->element[0]->integer, 0);
}

/* A daemon that has ended leaves no consumer: they would be more with each start. */
static long count_consumers(redisContext *redis, const struct leftovers_options *o, FILE *to)
{
        PEN_CLEANUP(reply_freep)
        redisReply *reply = redisCommand(redis, "XINFO CONSUMERS %s:{%s}:ready %s", o->prefix,
                                         o->queue, o->prefix);

        if (!reply || reply->type != REDIS_REPLY_ARRAY)
                return refused("XINFO CONSUMERS", reply);
        return (long)reply->elements <= o->daemons
                       ? 0
                       : excess(to, "consumers", (long long)reply->elements, o->daemons);
}

/* --- keys --------------------------------------------------------------------------------------- */

/* Those that a queue may keep, by what follows its name. */
static bool may_stay(const char *name)
{
        static const char *const those[] = { "ready",  "dead",   "leases", "counters",
                                             "limits", "paused", "delayed" };

        for (size_t i = 0; i < ARRAY_SIZE(those); i++) {
                if (strcmp(name, those[i]) == 0)
                        return true;
        }
        return strncmp(name, "cron:", 5) == 0;
}

static long count_keys(redisContext *redis, const struct leftovers_options *o, FILE *to)
{
        char cursor[32] = "0";
        size_t head = strlen(o->prefix) + strlen(o->queue) + 4; /* PREFIX:{QUEUE}: */
        long n = 0;

        do {
                PEN_CLEANUP(reply_freep)
                redisReply *reply = redisCommand(redis, "SCAN %s MATCH %s:{%s}:* COUNT 1000",
                                                 cursor, o->prefix, o->queue);

                if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
                        return refused("SCAN", reply);
                for (size_t i = 0; i < reply->element[1]->elements; i++) {
                        const char *key = reply->element[1]->element[i]->str;

                        if (!may_stay(key + head) && n++ < TOLD_MAX)
                                fprintf(to, "leftover: key %s\n", key);
                }
                snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        } while (strcmp(cursor, "0") != 0);
        return n;
}

long leftovers_count(redisContext *redis, const struct leftovers_options *o, FILE *to)
{
        const long counts[] = {
                count_of(redis, o, to, "XLEN", "ready", 0),
                count_pending(redis, o, to),
                count_of(redis, o, to, "ZCARD", "delayed", 0),
                count_of(redis, o, to, "XLEN", "dead", o->dead),
                count_of(redis, o, to, "HLEN", "leases", o->daemons),
                count_consumers(redis, o, to),
                count_keys(redis, o, to),
        };
        long n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                if (counts[i] < 0)
                        return counts[i];
                n += counts[i];
        }
        fprintf(to, "leftovers %ld\n", n);
        return n;
}
