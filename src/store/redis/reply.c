/* hiredis calls back for each value as it is complete, from the outside in: an array before what is in it. Each
 * value has its place by then: in the answer itself, or in the items of its array. What they need is cut from
 * the answer's memory, which grows by blocks, each as large as all before.
 */
#include <store/redis/reply.h>

#include <errno.h>
#include <hiredis/read.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#define MAX_LIMIT ((size_t)1 << 30) /* hiredis counts the bytes of its buffer in an int */
#define BUFFER_KEPT ((size_t)1 << 20)
#define FRAME_MAX 32 /* a bulk's length and line ends */
#define FIRST_ROOM 88
#define BLOCK_MIN ((size_t)2 << 10)
#define BLOCK_MAX ((size_t)256 << 10)

struct block {
        struct block *older;
        char room[];
};

/* What an answer is, seen from here. */
struct whole {
        struct answer answer;
        struct block *newest;
        _Alignas(struct reply) char room[FIRST_ROOM];
};

struct reply_reader {
        redisReader *reader;
        size_t max;
        int error;
        const char *reason;
        char text[96];

        /* Of the answer that is being read. */
        struct whole *whole;
        char *room, *room_end;
        size_t used; /* of `max` */
        size_t owed; /* values that were announced and have not come */
};

/* --- memory of an answer ------------------------------------------------------------------------ */

void answer_free(struct answer *answer)
{
        struct block *block, *older;

        if (!answer)
                return;
        for (block = container_of(answer, struct whole, answer)->newest; block; block = older) {
                older = block->older;
                free(block);
        }
        free(container_of(answer, struct whole, answer));
}

void answer_freep(struct answer **answer)
{
        answer_free(*answer);
}

/* Answers NULL, which is what tells hiredis. */
static void *fail(struct reply_reader *r, int error, const char *reason)
{
        if (r->error == 0) {
                r->error = error;
                r->reason = reason;
        }
        return NULL;
}

static void *fail_too_large(struct reply_reader *r)
{
        snprintf(r->text, sizeof(r->text), "an answer of more than %zu bytes", r->max);
        return fail(r, -EMSGSIZE, r->text);
}

static bool begin(struct reply_reader *r)
{
        struct whole *whole = malloc(sizeof(*whole));

        if (!whole)
                return fail(r, -ENOMEM, "out of memory");
        whole->newest = NULL;
        r->whole = whole;
        r->room = whole->room;
        r->room_end = whole->room + sizeof(whole->room);
        r->used = 0;
        r->owed = 1;
        return true;
}

static bool add_block(struct reply_reader *r, size_t size)
{
        size_t room = MAX(size, MIN(MAX(r->used, BLOCK_MIN), BLOCK_MAX));
        struct block *block = malloc(sizeof(*block) + room);

        if (!block)
                return fail(r, -ENOMEM, "out of memory");
        block->older = r->whole->newest;
        r->whole->newest = block;
        r->room = block->room;
        r->room_end = block->room + room;
        return true;
}

static void *cut(struct reply_reader *r, size_t size)
{
        void *room;

        if (size > r->max - r->used)
                return fail_too_large(r);
        r->used += size;
        size = (size + _Alignof(struct reply) - 1) & ~(_Alignof(struct reply) - 1);
        if ((size_t)(r->room_end - r->room) < size && !add_block(r, size))
                return NULL;
        room = r->room;
        r->room += size;
        return room;
}

/* --- what hiredis calls ------------------------------------------------------------------------- */

/* Where the value belongs; NULL: no memory. An array's object is its items. */
static struct reply *place_of(const redisReadTask *task)
{
        struct reply_reader *r = task->privdata;

        if (!task->parent && !begin(r))
                return NULL;
        r->owed--;
        return task->parent ? (struct reply *)task->parent->obj + task->idx
                            : &r->whole->answer.reply;
}

static void *create_string(const redisReadTask *task, char *data, size_t size)
{
        static const enum reply_type types[] = {
                [REDIS_REPLY_STRING] = REPLY_STRING,
                [REDIS_REPLY_STATUS] = REPLY_STATUS,
                [REDIS_REPLY_ERROR] = REPLY_ERROR,
        };
        struct reply *reply = place_of(task);
        size_t type = (size_t)task->type;
        char *copy;

        if (!reply)
                return NULL;
        if (type >= ARRAY_SIZE(types) || types[type] == REPLY_NIL)
                return fail(task->privdata, -EPROTO, "a value that RESP2 does not have");
        copy = cut(task->privdata, size + 1);
        if (!copy)
                return NULL;
        memcpy(copy, data, size);
        copy[size] = '\0';
        *reply = (struct reply){ .type = types[type], .n = size, .data = copy };
        return reply;
}

static void *create_array(const redisReadTask *task, REDIS_READER_COUNT n)
{
        struct reply_reader *r = task->privdata;
        struct reply *reply = place_of(task), *items;
        unsigned depth = 1;

        if (!reply)
                return NULL;
        if (task->type != REDIS_REPLY_ARRAY)
                return fail(r, -EPROTO, "a value that RESP2 does not have");
        for (const redisReadTask *i = task->parent; i; i = i->parent)
                depth++;
        if (depth > REDIS_DEPTH_MAX)
                return fail(r, -EMSGSIZE, "an answer that is nested too deep");
        if ((size_t)n > r->max / sizeof(*items))
                return fail_too_large(r);
        items = cut(r, (size_t)n * sizeof(*items));
        if (!items)
                return NULL;
        *reply = (struct reply){ .type = REPLY_ARRAY, .n = (size_t)n, .items = items };
        r->owed += (size_t)n;
        return items;
}

static void *create_integer(const redisReadTask *task, long long value)
{
        struct reply *reply = place_of(task);

        if (reply)
                *reply = (struct reply){ .type = REPLY_INTEGER, .integer = value };
        return reply;
}

static void *create_nil(const redisReadTask *task)
{
        struct reply *reply = place_of(task);

        if (reply)
                *reply = (struct reply){ .type = REPLY_NIL };
        return reply;
}

/* --- reading ------------------------------------------------------------------------------------ */

int reply_reader_create(size_t max, struct reply_reader **ret_reader)
{
        static redisReplyObjectFunctions functions = {
                .createString = create_string,
                .createArray = create_array,
                .createInteger = create_integer,
                .createNil = create_nil,
        };
        struct reply_reader *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->max = MIN(max, MAX_LIMIT);
        r->reader = redisReaderCreateWithFunctions(&functions);
        if (!r->reader) {
                free(r);
                return -ENOMEM;
        }
        r->reader->privdata = r;
        r->reader->maxbuf = BUFFER_KEPT;
        *ret_reader = r;
        return 0;
}

static void drop_partial(struct reply_reader *r)
{
        if (r->whole)
                answer_free(&r->whole->answer);
        r->whole = NULL;
}

void reply_reader_free(struct reply_reader *r)
{
        if (!r)
                return;
        drop_partial(r);
        redisReaderFree(r->reader);
        free(r);
}

/* The error of hiredis, unless it was we who told it to stop. */
static int broken(struct reply_reader *r)
{
        drop_partial(r);
        if (r->reader->err == REDIS_ERR_OOM)
                fail(r, -ENOMEM, "out of memory");
        else
                fail(r, -EPROTO, r->reader->errstr);
        return r->error;
}

int reply_reader_feed(struct reply_reader *r, const void *data, size_t size)
{
        if (r->error < 0)
                return r->error;
        return redisReaderFeed(r->reader, data, size) == REDIS_OK ? 0 : broken(r);
}

/* hiredis keeps all of a value until it is complete, and searches all of a line again for its end with each feed. */
static int check_unread(struct reply_reader *r)
{
        size_t unread = r->reader->len - r->reader->pos, used = r->whole ? r->used : 0;

        if (unread > r->max - used + FRAME_MAX)
                fail_too_large(r);
        else if (unread > REDIS_LINE_MAX &&
                 !memmem(r->reader->buf + r->reader->pos, REDIS_LINE_MAX, "\r\n", 2))
                fail(r, -EPROTO, "a line without an end");
        return r->error < 0 ? broken(r) : 0;
}

int reply_reader_next(struct reply_reader *r, struct answer **ret_answer)
{
        void *object;

        if (r->error < 0)
                return r->error;
        if (redisReaderGetReply(r->reader, &object) != REDIS_OK)
                return broken(r);
        if (!object)
                return check_unread(r);
        /* Types of RESP3 that a newer hiredis reads without calling us. */
        if (!r->whole || r->owed > 0) {
                fail(r, -EPROTO, "a value that RESP2 does not have");
                return broken(r);
        }
        *ret_answer = &r->whole->answer;
        r->whole = NULL;
        return 1;
}

const char *reply_reader_error(const struct reply_reader *r)
{
        return r->reason ? r->reason : "";
}
