/* Any bytes in any pieces give answers or an error, as all bytes at once do.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc -IBUILD \
 *             tests/fuzz/fuzz_reply.c src/store/redis/reply.c -lhiredis -o fuzz_reply
 *     ./fuzz_reply -max_total_time=60
 *
 * BUILD has config.h. The first byte of an input is the size of the pieces.
 */
#include <assert.h>
#include <string.h>

#include <store/redis/reply.h>

#define MAX_SIZE 65536

/* Touches all of it; answers a digest. */
static uint64_t visit(const struct reply *reply, unsigned depth)
{
        uint64_t h = reply->type * 31 + reply->n;

        assert(depth <= REDIS_DEPTH_MAX);
        switch (reply->type) {
        case REPLY_ARRAY:
                for (size_t i = 0; i < reply->n; i++)
                        h = h * 31 + visit(&reply->items[i], depth + 1);
                break;
        case REPLY_INTEGER:
                h = h * 31 + (uint64_t)reply->integer;
                break;
        case REPLY_NIL:
                break;
        default:
                for (size_t i = 0; i < reply->n; i++)
                        h = h * 31 + (unsigned char)reply->data[i];
                assert(reply->data[reply->n] == '\0');
        }
        return h;
}

/* All answers, in one number; *ret_error is how it ended. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t piece, int *ret_error)
{
        struct reply_reader *reader;
        struct answer *answer;
        uint64_t h = 0;
        int r;

        r = reply_reader_create(MAX_SIZE, &reader);
        assert(r == 0);
        while (r >= 0 && size > 0) {
                size_t n = MIN(size, piece);

                r = reply_reader_feed(reader, data, n);
                while (r >= 0 && (r = reply_reader_next(reader, &answer)) > 0) {
                        h = h * 31 + visit(&answer->reply, 0);
                        answer_free(answer);
                }
                data += n;
                size -= n;
        }
        assert((r < 0) == (*reply_reader_error(reader) != '\0'));
        reply_reader_free(reader);
        *ret_error = r;
        return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int whole_error, error;
        uint64_t whole, parts;

        if (size == 0)
                return 0;
        whole = read_all(data + 1, size - 1, size, &whole_error);
        parts = read_all(data + 1, size - 1, data[0] % 16 + 1, &error);
        assert(whole == parts && (whole_error < 0) == (error < 0));
        return 0;
}
