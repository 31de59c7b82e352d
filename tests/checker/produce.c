#include "produce.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <base/buffer.h>
#include <base/random.h>

#include "redis.h"

#define BATCH 200
#define PATIENCE 60 /* seconds without Redis */

struct producer {
        const struct produce_options *options;
        redisContext *redis;
        struct random random;
        struct buffer lines; /* not yet in the file */
        int file;
};

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void doze(double seconds)
{
        struct timespec t = { .tv_sec = (time_t)seconds };

        t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
        nanosleep(&t, NULL);
}

static int connect_again(struct producer *p)
{
        double deadline = now() + PATIENCE;

        redis_freep(&p->redis);
        for (;;) {
                p->redis = redis_connect(p->options->redis);
                if (p->redis)
                        return 0;
                if (now() > deadline)
                        return -ETIMEDOUT;
                doze(0.02);
        }
}

static int save(struct producer *p)
{
        while (buffer_size(&p->lines) > 0) {
                ssize_t n = write(p->file, buffer_data(&p->lines), buffer_size(&p->lines));

                if (n < 0)
                        return -errno;
                buffer_consume(&p->lines, (size_t)n);
        }
        return fdatasync(p->file) < 0 ? -errno : 0;
}

/* What the recorder makes of a job. */
struct work {
        unsigned ms, fails;
};

static struct work draw(struct producer *p)
{
        const struct produce_options *o = p->options;

        return (struct work){
                (unsigned)random_below(&p->random, (uint64_t)o->longest_ms + 1),
                (unsigned)random_below(&p->random, (uint64_t)o->most_fails + 1),
        };
}

static int send_one(struct producer *p, long number, struct work work)
{
        const struct produce_options *o = p->options;
        char payload[64], id[136];

        snprintf(payload, sizeof(payload), "%ld %u %u", number, work.ms, work.fails);
        if (!o->ids)
                return redisAppendCommand(p->redis, "XADD %s * payload %s", o->key, payload);
        snprintf(id, sizeof(id), "%s%ld", o->ids, number);
        return redisAppendCommand(p->redis, "XADD %s * id %s payload %s", o->key, id, payload);
}

/* One answer. 1: the connection broke before it came. */
static int take_answer(struct producer *p, long number)
{
        PEN_CLEANUP(reply_freep) redisReply *reply = NULL;

        if (redisGetReply(p->redis, (void **)&reply) != REDIS_OK)
                return 1;
        if (reply->type == REDIS_REPLY_ERROR) {
                /* It is going, or coming back: nothing was stored. */
                if (strncmp(reply->str, "LOADING", 7) == 0)
                        return 1;
                fprintf(stderr, "XADD: %s\n", reply->str);
                return -EPROTO;
        }
        if (p->options->ids)
                return buffer_printf(&p->lines, "ok %ld %s%ld\n", number, p->options->ids, number);
        return buffer_printf(&p->lines, "ok %ld %s\n", number, reply->str);
}

/* Sends numbers first..first+n-1 and takes the answers. Answers how many were acknowledged, in their order. */
static long push_batch(struct producer *p, long first, long n, const struct work *work)
{
        long acknowledged = 0;
        int r = 0;

        for (long i = 0; i < n; i++) {
                if (send_one(p, first + i, work[i]) != REDIS_OK)
                        return -ENOMEM;
        }
        while (acknowledged < n && (r = take_answer(p, first + acknowledged)) == 0)
                acknowledged++;
        return r < 0 ? r : acknowledged;
}

static int push_all_of(struct producer *p, long first, long n)
{
        struct work work[BATCH];

        for (long i = 0; i < n; i++)
                work[i] = draw(p);
        for (long done = 0; done < n;) {
                long m = push_batch(p, first + done, n - done, work + done);
                int r = 0;

                if (m < 0)
                        return (int)m;
                done += m;
                if (done == n)
                        break;
                if (!p->options->ids) {
                        for (; r == 0 && done < n; done++)
                                r = buffer_printf(&p->lines, "maybe %ld\n", first + done);
                }
                if (r == 0)
                        r = connect_again(p);
                if (r < 0)
                        return r;
        }
        return save(p);
}

static int push_all(struct producer *p)
{
        const struct produce_options *o = p->options;
        double began = now();
        int r = connect_again(p);

        for (long sent = 0; r == 0 && sent < o->count;) {
                long n = MIN(o->count - sent,
                             o->rate > 0 ? MIN(MAX(o->rate / 20, 1), BATCH) : BATCH);

                r = push_all_of(p, o->first + sent, n);
                sent += n;
                if (o->rate > 0) {
                        double ahead = (double)sent / (double)o->rate - (now() - began);

                        if (ahead > 0)
                                doze(ahead);
                }
        }
        return r;
}

int produce(const struct produce_options *options)
{
        struct producer p = { .options = options };
        int r;

        p.file = open(options->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (p.file < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN); /* hiredis writes to a server that has gone */
        random_seed(&p.random, (uint64_t)options->seed);
        r = push_all(&p);
        redis_freep(&p.redis);
        buffer_deinit(&p.lines);
        close(p.file);
        return r;
}
