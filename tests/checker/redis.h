/* Redis, spoken to by someone who is not a daemon: plain, synchronous. */
#pragma once

#include <hiredis/hiredis.h>

#include <base/util.h>

/* To "unix:/path" or "HOST:PORT". NULL: it does not answer. */
redisContext *redis_connect(const char *address);

static inline void redis_freep(redisContext **redis)
{
        if (*redis)
                redisFree(*redis);
}

static inline void reply_freep(redisReply **reply)
{
        if (*reply)
                freeReplyObject(*reply);
}
