/* One task, redis_run, connects, greets and reads; all others write and wait in line. What they write goes into the
 * stream, which sends it when the turn is over, all in one.
 */
#include <store/redis/connection.h>

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <base/random.h>
#include <penstock/loop.h>
#include <penstock/stream.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/redis/calls.h>
#include <store/redis/greeting.h>

#define CHUNK ((size_t)64 << 10)        /* of a read */
#define SCRATCH_KEPT ((size_t)64 << 10) /* of the commands' buffer */
#define BACKOFF_MIN (50 * PEN_MSEC)
#define BACKOFF_MAX (5 * PEN_SEC)
#define TROUBLE_MAX 512

struct redis {
        struct redis_options options; /* the strings are ours */
        bool is_up, has_ended;
        struct pen_event *settled; /* is_up or has_ended */
        pen_usec up_since;
        uint64_t epoch;
        int64_t client_id;

        struct pen_stream *stream; /* NULL: there is none */
        struct buffer scratch;     /* a command on its way to the stream */
        struct call_line line;
        struct reply_reader *reader;
        char *chunk;
        bool reading; /* redis_run waits for bytes, until `deadline` */
        struct pen_timeout deadline;

        struct random random;
        unsigned failures;         /* in a row: each makes the next wait longer */
        char trouble[TROUBLE_MAX]; /* why this connection broke or could not be made */
        char told[TROUBLE_MAX];    /* what `down` was told of this outage */
};

/* The first reason stays: others are its consequences. */
__attribute__((format(printf, 2, 3))) static void set_trouble(struct redis *redis,
                                                              const char *format, ...)
{
        va_list args;
        int n;

        if (redis->trouble[0])
                return;
        n = snprintf(redis->trouble, TROUBLE_MAX, "%s: ", redis->options.target.address);
        if (n >= TROUBLE_MAX)
                return;
        va_start(args, format);
        vsnprintf(redis->trouble + n, TROUBLE_MAX - (size_t)n, format, args);
        va_end(args);
}

static void set_down(struct redis *redis)
{
        redis->is_up = false;
        redis->client_id = 0;
        pen_event_clear(redis->settled);
}

/* --- commands ----------------------------------------------------------------------------------- */

/* Half of how long the server may stay silent. Silence is measured in two halves, and the socket is looked at between
 * them: when it was our own loop that stood still, the answer is there by then, or the command has only just left. */
static pen_usec half_of_silence(const struct redis *redis)
{
        const struct redis_call *first = call_line_first(&redis->line);
        pen_usec timeout = redis->options.reply_timeout;

        if (!first || first->patience >= PEN_FOREVER - timeout)
                return PEN_FOREVER;
        return (first->patience + timeout) / 2;
}

static int write_command(struct redis *redis, const struct redis_arg *args, size_t n)
{
        struct buffer *b = &redis->scratch;
        int r = command_format(b, args, n);

        if (r < 0)
                return r;
        r = pen_stream_write(redis->stream, buffer_data(b), buffer_size(b));
        buffer_clear(b);
        if (b->allocated > SCRATCH_KEPT)
                buffer_deinit(b);
        return r;
}

/* What cannot be written to is over; the reader learns it by the end of its stream. */
static void hang_up(struct redis *redis, int error)
{
        set_trouble(redis, "%s", strerror(-error));
        set_down(redis);
        (void)shutdown(pen_stream_fd(redis->stream), SHUT_RDWR);
}

static int send_command(struct redis *redis, const struct redis_arg *args, size_t n,
                        pen_usec patience, struct redis_call **ret_call)
{
        struct redis_call *call = call_create(&redis->line, patience);
        int r;

        if (!call)
                return -ENOMEM;
        r = write_command(redis, args, n);
        if (r < 0) {
                call_leave(call);
                if (r == -ENOMEM)
                        return r;
                hang_up(redis, r);
                return -ENOTCONN;
        }
        call_join(call);
        if (redis->reading && call_line_first(&redis->line) == call)
                (void)pen_timeout_reschedule(&redis->deadline, half_of_silence(redis));
        *ret_call = call;
        return 0;
}

int redis_send(struct redis *redis, const struct redis_arg *args, size_t n, pen_usec patience,
               struct redis_call **ret_call)
{
        return redis->is_up ? send_command(redis, args, n, patience, ret_call) : -ENOTCONN;
}

int redis_receive(struct redis_call *call, struct answer **ret_answer)
{
        return call_wait(call, ret_answer);
}

int redis_wait(struct redis_call *call)
{
        return pen_event_wait(call->done);
}

void redis_call_drop(struct redis_call *call)
{
        call_leave(call);
}

int redis_command(struct redis *redis, const struct redis_arg *args, size_t n, pen_usec patience,
                  struct answer **ret_answer)
{
        struct redis_call *call;
        int r;

        do {
                r = redis_wait_up(redis);
                if (r == 0)
                        r = redis_send(redis, args, n, patience, &call);
        } while (r == -ENOTCONN);
        return r < 0 ? r : redis_receive(call, ret_answer);
}

/* --- answers ------------------------------------------------------------------------------------ */

static int read_chunk(struct redis *redis)
{
        int n, silent = 0;

        do {
                pen_timeout_begin(&redis->deadline, half_of_silence(redis));
                redis->reading = true;
                n = (int)pen_stream_read(redis->stream, redis->chunk, CHUNK);
                redis->reading = false;
                n = pen_timeout_end(&redis->deadline, n);
        } while (n == -ETIME && ++silent < 2);

        if (n == -ETIME)
                set_trouble(redis, "no answer for %" PRIu64 " ms",
                            2 * half_of_silence(redis) / PEN_MSEC);
        else if (n == 0)
                set_trouble(redis, "the server closed the connection");
        else if (n < 0)
                set_trouble(redis, "%s", strerror(-n));
        return n == 0 ? -ECONNRESET : n;
}

/* Takes the answer. */
static int hand_over(struct redis *redis, struct answer *answer)
{
        if (!call_line_first(&redis->line)) {
                answer_free(answer);
                set_trouble(redis, "an answer that nobody asked for: is this Redis?");
                return -EPROTO;
        }
        call_line_answer(&redis->line, answer->reply.type == REPLY_ERROR ? -EREMOTEIO : 0, answer);
        return 0;
}

/* Reads what there is, and wakes those whose answers have come. */
static int read_answers(struct redis *redis)
{
        struct answer *answer;
        int n, r;

        n = read_chunk(redis);
        if (n < 0)
                return n;
        r = reply_reader_feed(redis->reader, redis->chunk, (size_t)n);
        while (r >= 0 && (r = reply_reader_next(redis->reader, &answer)) > 0)
                r = hand_over(redis, answer);
        if (r < 0) {
                set_trouble(redis, "%s", reply_reader_error(redis->reader));
                return r;
        }
        /* There may be much more: the others have their turn. */
        return (size_t)n == CHUNK ? pen_yield() : 0;
}

/* --- one connection ----------------------------------------------------------------------------- */

/* A server that is gone without a word is noticed even when nothing is asked of it. */
static void keep_alive(int fd)
{
        static const struct {
                int level, name, value;
        } options[] = {
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, 15 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
                { IPPROTO_TCP, TCP_KEEPCNT, 3 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(options); i++) /* not of a Unix one */
                (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                                 sizeof(options[i].value));
}

static int connect_to(struct redis *redis)
{
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, redis->options.reply_timeout);
        r = pen_stream_connect(redis->options.target.address, &redis->stream);
        r = pen_timeout_end(&scope, r);
        if (r == -ENXIO)
                set_trouble(redis, "there is no such host");
        else if (r == -EAGAIN)
                set_trouble(redis, "the name servers do not answer");
        else if (r == -ETIME)
                set_trouble(redis, "%s", strerror(ETIMEDOUT));
        else if (r == 0)
                keep_alive(pen_stream_fd(redis->stream));
        return r;
}

static int send_step(struct redis *redis, const struct greeting_step *step,
                     struct redis_call **ret_call)
{
        struct redis_arg args[ARRAY_SIZE(step->words)];
        size_t n = 0;

        for (; step->words[n]; n++)
                args[n] = (struct redis_arg){ step->words[n], strlen(step->words[n]) };
        return send_command(redis, args, n, 0, ret_call);
}

/* What the server said to each step. If it hung up (`r` is less than 0) any error may be the reason. */
static int judge(struct redis *redis, const struct greeting *greeting,
                 struct redis_call *const *calls, size_t n, int r)
{
        for (size_t i = 0; i < n; i++) {
                const struct greeting_step *step = &greeting->steps[i];
                const struct reply *reply = calls[i]->answer ? &calls[i]->answer->reply : NULL;
                const char *hint;

                if (reply && reply->type == REPLY_INTEGER)
                        redis->client_id = reply->integer;
                if (!reply || reply->type != REPLY_ERROR ||
                    (r == 0 && !greeting_is_refused(step, reply->data)))
                        continue;
                hint = greeting_hint(reply->data);
                redis->trouble[0] = '\0';
                set_trouble(redis, "%s: %s%s", step->words[0], reply->data, hint ? hint : "");
                return hint ? -EACCES : -EREMOTEIO;
        }
        return r;
}

static int greet(struct redis *redis)
{
        struct redis_call *calls[GREETING_STEPS_MAX];
        struct greeting greeting;
        size_t n = 0;
        int r = 0;

        greeting_init(&greeting, &redis->options.target);
        while (n < greeting.n && r == 0) {
                r = send_step(redis, &greeting.steps[n], &calls[n]);
                n += r == 0;
        }
        while (r == 0 && call_line_first(&redis->line))
                r = read_answers(redis);
        if (r != -ECANCELED)
                r = judge(redis, &greeting, calls, n, r);
        while (n > 0)
                call_leave(calls[--n]);
        return r;
}

static void set_up(struct redis *redis)
{
        redis->is_up = true;
        redis->up_since = pen_now();
        redis->epoch++;
        redis->told[0] = '\0';
        pen_event_set(redis->settled);
        if (redis->options.up)
                redis->options.up(redis->options.data);
}

/* Until it breaks: always less than 0. */
static int hold_connection(struct redis *redis)
{
        int r = connect_to(redis);

        if (r == 0)
                r = reply_reader_create(redis->options.reply_max, &redis->reader);
        if (r == 0)
                r = greet(redis);
        if (r == 0)
                set_up(redis);
        while (r == 0)
                r = read_answers(redis);
        if (r != -ECANCELED)
                set_trouble(redis, "%s", strerror(-r)); /* if nobody has said more */
        return r;
}

static void drop_connection(struct redis *redis)
{
        set_down(redis);
        pen_stream_free(TAKE(redis->stream));
        reply_reader_free(TAKE(redis->reader));
        while (call_line_first(&redis->line))
                call_line_answer(&redis->line, -ECONNRESET, NULL);
}

/* --- one after the other ------------------------------------------------------------------------ */

/* A server that takes us and throws us out at once has not been up. */
static void count_failure(struct redis *redis)
{
        if (redis->up_since > 0 && pen_now() - redis->up_since >= BACKOFF_MAX)
                redis->failures = 0;
        redis->failures++;
        redis->up_since = 0;
}

static pen_usec backoff(struct redis *redis, int error)
{
        pen_usec most = BACKOFF_MIN << MIN(redis->failures - 1, 10U);

        if (error == -EACCES) /* only people can mend that */
                return BACKOFF_MAX;
        return random_below(&redis->random, MIN(most, BACKOFF_MAX) + 1);
}

static void tell_down(struct redis *redis)
{
        if (strcmp(redis->told, redis->trouble) == 0)
                return;
        memcpy(redis->told, redis->trouble, sizeof(redis->told));
        redis->options.down(redis->options.data, redis->told);
}

int redis_run(void *arg)
{
        struct redis *redis = arg;
        int r;

        redis->has_ended = false;
        set_down(redis);
        do {
                redis->trouble[0] = '\0';
                r = hold_connection(redis);
                drop_connection(redis);
                if (r == -ECANCELED)
                        break;
                tell_down(redis);
                count_failure(redis);
                r = pen_sleep(backoff(redis, r));
        } while (r == 0);
        redis->has_ended = true;
        pen_event_set(redis->settled);
        return r;
}

/* --- from outside ------------------------------------------------------------------------------- */

bool redis_is_up(const struct redis *redis)
{
        return redis->is_up;
}

uint64_t redis_epoch(const struct redis *redis)
{
        return redis->epoch;
}

int64_t redis_client_id(const struct redis *redis)
{
        return redis->client_id;
}

int redis_wait_up(struct redis *redis)
{
        int r;

        do
                r = pen_event_wait(redis->settled);
        while (r == 0 && !redis->is_up && !redis->has_ended);
        return r == 0 && redis->has_ended ? -ESHUTDOWN : r;
}

static const char *copy_string(const char *string, int *ret_error)
{
        char *copy = string ? strdup(string) : NULL;

        if (string && !copy)
                *ret_error = -ENOMEM;
        return copy;
}

static int copy_options(struct redis *redis, const struct redis_options *options)
{
        const struct redis_target *from = &options->target;
        int r = 0;

        redis->options = *options;
        redis->options.target = (struct redis_target){
                .address = copy_string(from->address, &r),
                .user = copy_string(from->user, &r),
                .password = copy_string(from->password, &r),
                .db = from->db,
                .name = copy_string(from->name, &r),
        };
        return r;
}

int redis_create(const struct redis_options *options, struct redis **ret_redis)
{
        struct redis *redis = calloc(1, sizeof(*redis));
        int r;

        if (!redis)
                return -ENOMEM;
        call_line_init(&redis->line);
        random_seed_from_system(&redis->random);
        r = copy_options(redis, options);
        if (r == 0)
                r = pen_event_create(&redis->settled);
        redis->chunk = malloc(CHUNK);
        if (r == 0 && !redis->chunk)
                r = -ENOMEM;
        if (r < 0) {
                redis_free(redis);
                return r;
        }
        *ret_redis = redis;
        return 0;
}

void redis_free(struct redis *redis)
{
        if (!redis)
                return;
        call_line_deinit(&redis->line);
        buffer_deinit(&redis->scratch);
        pen_event_free(redis->settled);
        free(redis->chunk);
        free((char *)redis->options.target.address);
        free((char *)redis->options.target.user);
        free((char *)redis->options.target.password);
        free((char *)redis->options.target.name);
        free(redis);
}
