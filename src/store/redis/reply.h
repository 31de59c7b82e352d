/* What a Redis server answers (RESP2), and the reader that makes it of bytes.
 *
 * hiredis takes the bytes apart; the values are ours, so that an answer is one piece of memory, or a few if it
 * is long: one to free, however many values it has. What it may cost is bounded before it is paid.
 */
#pragma once

#include <base/util.h>

enum reply_type {
        REPLY_NIL,
        REPLY_INTEGER,
        REPLY_STRING,
        REPLY_STATUS,
        REPLY_ERROR, /* only inside of arrays: a whole answer that is one is -EREMOTEIO */
        REPLY_ARRAY,
};

/* Part of an answer; lives as long as that. */
struct reply {
        enum reply_type type;
        size_t n; /* bytes of `data` (a NUL follows), or `items` */
        union {
                int64_t integer;
                const char *data;
                const struct reply *items;
        };
};

struct answer {
        struct reply reply;
};
void answer_free(struct answer *answer);
void answer_freep(struct answer **answer);

/* How deep arrays may be nested: one level less than the oldest hiredis reads, so that the limit is
 * the same with each. */
#define REDIS_DEPTH_MAX 7

/* The longest line that is no bulk: a status, an error, a number. */
#define REDIS_LINE_MAX ((size_t)64 << 10)

struct reply_reader;

/* `max`: what one answer may take of memory: its strings, and sizeof(struct reply) for each value.
 * At most 1 GiB, as hiredis has it. -ENOMEM. */
int reply_reader_create(size_t max, struct reply_reader **ret_reader);
void reply_reader_free(struct reply_reader *reader);

/* Takes in what came (a copy), then gives the answers it completes, one a call: 1, and the caller owns it; 0: there
 * is none before more bytes come. The first error is the last word of a reader:
 * -EPROTO: this is no Redis.  -EMSGSIZE: nested too deep, or too large.  -ENOMEM. */
int reply_reader_feed(struct reply_reader *reader, const void *data, size_t size);
int reply_reader_next(struct reply_reader *reader, struct answer **ret_answer);

/* What the error was, for people; points into the reader. */
const char *reply_reader_error(const struct reply_reader *reader);
