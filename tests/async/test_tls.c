/* TLS between two streams of ours: what it carries. test_tls_verify.c: whom it trusts;
 * test_tls_peers.c: with OpenSSL's own programs. */
#include "pki.h"
#include "tls_pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <penstock/fd.h>
#include <penstock/timeout.h>

#define MUCH ((size_t)4 << 20)

static int put_much(struct pen_stream *s, size_t size)
{
        char *data = malloc(size);
        int r;

        for (size_t i = 0; i < size; i++)
                data[i] = (char)(i / 1000);
        r = pen_stream_write(s, data, size);
        free(data);
        return r;
}

/* Answers how many bytes of put_much came, up to `size`, or what the read met. */
static ssize_t get_much(struct pen_stream *s, size_t size)
{
        PEN_CLEANUP(freep) char *data = malloc(MUCH);
        size_t n = 0;

        while (n < size) {
                ssize_t got = pen_stream_read(s, data, size - n);

                if (got <= 0)
                        return got < 0 ? got : (ssize_t)n;
                for (ssize_t i = 0; i < got; i++, n++)
                        if (data[i] != (char)(n / 1000))
                                return -EIO;
        }
        return (ssize_t)n;
}

static int read_byte(void *stream)
{
        char byte;

        return (int)pen_stream_read(stream, &byte, 1);
}

static int drain(void *stream)
{
        return pen_stream_drain(stream);
}

/* --- a wire between the two ------------------------------------------------------------------------- */

struct wire {
        struct pen_stream *ends[2];
        struct pen_task *lanes[2];
        size_t chunk;    /* so many bytes at once */
        size_t cut_at;   /* both ways end after so many bytes; 0: never */
        size_t hold_at;  /* or stand still */
        bool spoil;      /* what passes from now on */
        size_t passed;   /* bytes, both ways */
        char log[32768]; /* the first of them */
};

struct lane {
        struct wire *wire;
        struct pen_stream *from, *to;
};

static void pass_on(struct lane *lane, char *data, size_t n)
{
        struct wire *w = lane->wire;

        if (w->cut_at > 0)
                n = MIN(n, w->cut_at - w->passed);
        if (w->hold_at > 0)
                n = MIN(n, w->hold_at - MIN(w->hold_at, w->passed));
        if (w->spoil)
                data[n - 1] ^= 1;
        if (w->passed + n <= sizeof(w->log))
                memcpy(w->log + w->passed, data, n);
        w->passed += n;
        ck_assert_int_eq(pen_stream_write(lane->to, data, n), 0);
}

static int run_lane(void *arg)
{
        struct lane lane = *(struct lane *)arg;
        char data[4096];
        ssize_t n;

        free(arg);
        while ((n = pen_stream_read(lane.from, data, lane.wire->chunk)) > 0) {
                pass_on(&lane, data, (size_t)n);
                if (pen_stream_drain(lane.to) < 0)
                        break;
                if (lane.wire->hold_at > 0 && lane.wire->passed >= lane.wire->hold_at)
                        return pen_sleep(PEN_FOREVER);
                if (lane.wire->cut_at > 0 && lane.wire->passed >= lane.wire->cut_at)
                        for (int i = 0; i < 2; i++)
                                shutdown(pen_stream_fd(lane.wire->ends[i]), SHUT_RDWR);
        }
        return n < 0 ? 0 : pen_stream_shutdown(lane.to);
}

/* Puts the wire between the two ends of the pair. */
static void lay(struct wire *w, struct pair *p)
{
        int fds[2][2];

        for (int i = 0; i < 2; i++) {
                struct side *side = i == 0 ? &p->client : &p->server;

                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
                pen_stream_free(side->stream);
                ck_assert_int_eq(pen_stream_from_fd(fds[i][0], &side->stream), 0);
                ck_assert_int_eq(pen_stream_from_fd(fds[i][1], &w->ends[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
                struct lane *lane = malloc(sizeof(*lane));

                *lane = (struct lane){ w, w->ends[i], w->ends[1 - i] };
                w->lanes[i] = spawn(run_lane, lane);
        }
}

static void wire_deinit(struct wire *w)
{
        for (int i = 0; i < 2; i++)
                pen_task_cancel(w->lanes[i]);
        for (int i = 0; i < 2; i++)
                finish(w->lanes[i]);
        for (int i = 0; i < 2; i++)
                pen_stream_free(w->ends[i]);
}

#define WIRE(w, p, ...)                                           \
        PEN_CLEANUP(wire_deinit) struct wire w = { __VA_ARGS__ }; \
        lay(&w, &p)

/* --- carrying ----------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(what_is_written_is_read)
{
        TLS_PAIR(p);

        ck_assert_int_eq(put(p.client.stream, "hello "), 0);
        ck_assert_int_eq(put(p.client.stream, "world\n"), 0);
        expect_line(p.server.stream, "hello world\n");
        ck_assert_int_eq(put(p.server.stream, "and back"), 0);
        expect_read(p.client.stream, "and back");
        return 0;
}

IN_VIRTUAL_LOOP(nobody_on_the_wire_can_read_it)
{
        PAIR(p);
        WIRE(w, p, .chunk = 4096);

        ck_assert_int_eq(put(p.client.stream, "plainly"), 0);
        expect_read(p.server.stream, "plainly");
        pair_start(&p);
        ck_assert_int_eq(p.client.result, 0);
        ck_assert_int_eq(put(p.client.stream, "secretly"), 0);
        expect_read(p.server.stream, "secretly");
        ck_assert_ptr_nonnull(memmem(w.log, w.passed, "plainly", 7));
        ck_assert_ptr_null(memmem(w.log, w.passed, "secretly", 8));
        return 0;
}

IN_VIRTUAL_LOOP(bytes_that_come_one_by_one_are_put_together)
{
        PAIR(p);
        WIRE(w, p, .chunk = 1);

        pair_start(&p);
        ck_assert_int_eq(p.client.result, 0);
        ck_assert_int_eq(p.server.result, 0);
        ck_assert_int_eq(put(p.client.stream, "a line\n"), 0);
        expect_line(p.server.stream, "a line\n");
        return 0;
}

IN_VIRTUAL_LOOP(small_writes_of_one_turn_are_one_record)
{
        TLS_PAIR(p);
        char data[2000];

        for (int i = 0; i < 1000; i++)
                ck_assert_int_eq(put(p.client.stream, "x"), 0);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, data, sizeof(data)), 1000);
        return 0;
}

struct flow {
        struct pen_stream *stream;
        int r;
};

static int write_much(void *arg)
{
        struct flow *flow = arg;

        ck_assert_int_eq(put_much(flow->stream, MUCH), 0);
        return pen_stream_drain(flow->stream);
}

static int read_much(void *arg)
{
        struct flow *flow = arg;

        return (int)get_much(flow->stream, MUCH);
}

IN_VIRTUAL_LOOP(much_goes_both_ways_at_once)
{
        TLS_PAIR(p);
        struct flow flows[] = { { .stream = p.client.stream }, { .stream = p.server.stream } };
        struct pen_task *tasks[4];

        for (int i = 0; i < 2; i++) {
                tasks[i] = spawn(write_much, &flows[i]);
                tasks[2 + i] = spawn(read_much, &flows[i]);
        }
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(finish(tasks[i]), i < 2 ? 0 : (int)MUCH);
        return 0;
}

/* Asks the peer again and again for new keys, which makes it write because it has read. */
static int change_keys(void *arg)
{
        SSL *ssl = ((struct side *)arg)->stream->tls->ssl;
        int n = 0;

        while (pen_yield() == 0)
                n += SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED); /* or the last is under way */
        return n;
}

IN_VIRTUAL_LOOP(keys_change_in_the_midst_of_it)
{
        TLS_PAIR(p);
        struct flow flows[] = { { .stream = p.client.stream }, { .stream = p.server.stream } };
        struct pen_task *tasks[6];

        for (int i = 0; i < 2; i++) {
                tasks[i] = spawn(write_much, &flows[i]);
                tasks[2 + i] = spawn(read_much, &flows[i]);
                tasks[4 + i] = spawn(change_keys, i == 0 ? &p.client : &p.server);
        }
        for (int i = 0; i < 6; i++) {
                int r;

                if (i >= 4)
                        pen_task_cancel(tasks[i]);
                r = finish(tasks[i]);
                if (i < 4)
                        ck_assert_int_eq(r, i < 2 ? 0 : (int)MUCH);
                else
                        ck_assert_int_ge(r, 5);
        }
        return 0;
}

/* --- back-pressure -------------------------------------------------------------------------------------- */

struct pump {
        struct pen_stream *stream;
        size_t n;
};

static int pump(void *arg)
{
        struct pump *pump = arg;
        static const char block[10000];
        int r = 0;

        while (r == 0) {
                r = pen_stream_write(pump->stream, block, sizeof(block));
                if (r == 0)
                        r = pen_stream_drain(pump->stream);
                if (r == 0)
                        pump->n += sizeof(block);
        }
        return r;
}

IN_VIRTUAL_LOOP(drain_waits_for_a_peer_that_does_not_read)
{
        TLS_PAIR(p);
        struct pump pumped = { .stream = p.client.stream };
        struct pen_task *t = spawn(pump, &pumped);
        size_t held;

        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_uint_gt(pumped.n, 0);
        ck_assert_uint_lt(pumped.n, 4 << 20); /* what the kernel takes, and no more */
        held = buffer_size(&p.client.stream->out) + buffer_size(&p.client.stream->tls->sealed);
        ck_assert_uint_gt(held, 0);
        ck_assert_uint_le(held, 20000);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        return 0;
}

IN_VIRTUAL_LOOP(memory_for_what_waits_is_what_waits)
{
        TLS_PAIR(p);

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, drain, p.client.stream), -ETIME);
        ck_assert_uint_le(p.client.stream->tls->sealed.allocated, 256 << 10);
        ck_assert_int_eq((int)get_much(p.server.stream, MUCH), MUCH);
        ck_assert_int_eq(drain(p.client.stream), 0);
        ck_assert_uint_eq(p.client.stream->out.allocated, 0);
        ck_assert_uint_eq(p.client.stream->tls->sealed.allocated, 0);
        return 0;
}

/* --- the end -------------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(end_is_said_and_the_other_way_stays_open)
{
        TLS_PAIR(p);

        ck_assert_int_eq(put(p.client.stream, "question"), 0);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), 0);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), 0);
        expect_read(p.server.stream, "question");
        expect_read(p.server.stream, "");
        expect_read(p.server.stream, "");
        ck_assert_int_eq(put(p.server.stream, "answer"), 0);
        ck_assert_int_eq(pen_stream_shutdown(p.server.stream), 0);
        expect_read(p.client.stream, "answer");
        expect_read(p.client.stream, "");
        ck_assert_int_eq(put(p.client.stream, "more"), 0);
        ck_assert_int_eq(pen_stream_drain(p.client.stream), -EPIPE);
        ck_assert_int_eq(put(p.client.stream, "more"), -EPIPE);
        return 0;
}

IN_VIRTUAL_LOOP(end_that_was_not_said_is_a_truncation)
{
        TLS_PAIR(p);
        char data[10], *line;

        ck_assert_int_eq(put(p.server.stream, "a line\nand then"), 0);
        ck_assert_int_eq(pen_stream_drain(p.server.stream), 0);
        pen_stream_free(TAKE(p.server.stream));
        expect_line(p.client.stream, "a line\n");
        ck_assert_int_eq((int)pen_stream_read_line(p.client.stream, 100, &line), -EPIPE);
        ck_assert_int_eq(pen_stream_read_exactly(p.client.stream, data, 10), -EPIPE);
        expect_read(p.client.stream, "and then");
        ck_assert_int_eq((int)pen_stream_read(p.client.stream, data, 10), -EPIPE);
        ck_assert_int_eq((int)pen_stream_read(p.client.stream, data, 10), -EPIPE);
        return 0;
}

static int shut_down(void *stream)
{
        return pen_stream_shutdown(stream);
}

IN_VIRTUAL_LOOP(all_that_was_written_comes_before_the_end)
{
        TLS_PAIR(p);
        struct pen_task *t;
        char byte;

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        t = spawn(shut_down, p.client.stream);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert(!pen_task_done(t));
        ck_assert_int_eq((int)get_much(p.server.stream, MUCH), MUCH);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), 0);
        ck_assert_int_eq(finish(t), 0);
        return 0;
}

/* The peer ends, well or badly, while much is still on its way to it. */
static void end_early(bool well)
{
        TLS_PAIR(p);
        char byte;

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, drain, p.client.stream), -ETIME);
        if (well)
                ck_assert_int_eq(pen_stream_shutdown(p.server.stream), 0);
        else
                ck_assert_int_eq(shutdown(pen_stream_fd(p.server.stream), SHUT_WR), 0);
        ck_assert_int_eq((int)pen_stream_read(p.client.stream, &byte, 1), well ? 0 : -EPIPE);
        ck_assert_int_eq((int)get_much(p.server.stream, MUCH), MUCH);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), 0);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), 0);
}

IN_VIRTUAL_LOOP(peer_that_has_ended_still_gets_the_rest)
{
        end_early(true);
        end_early(false);
        return 0;
}

IN_VIRTUAL_LOOP(cancelled_shutdown_may_be_called_again)
{
        TLS_PAIR(p);
        char byte;

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        ck_assert_int_eq(pen_within(PEN_SEC, shut_down, p.client.stream), -ETIME);
        ck_assert_int_eq((int)get_much(p.server.stream, MUCH), MUCH);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), 0);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), 0);
        return 0;
}

IN_VIRTUAL_LOOP(text_among_the_records_ends_the_connection)
{
        static const char text[] = "this was written around TLS";
        TLS_PAIR(p);
        char byte;

        ck_assert_int_gt((int)send(pen_stream_fd(p.client.stream), text, sizeof(text), 0), 0);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), -EPROTO);
        return 0;
}

IN_VIRTUAL_LOOP(record_that_was_touched_ends_the_connection)
{
        PAIR(p);
        WIRE(w, p, .chunk = 4096);
        char byte;

        pair_start(&p);
        ck_assert_int_eq(put(p.client.stream, "good"), 0);
        expect_read(p.server.stream, "good");
        w.spoil = true;
        ck_assert_int_eq(put(p.client.stream, "bad"), 0);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), -EPROTO);
        ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), -EPROTO);
        w.spoil = false;
        ck_assert_int_lt(put(p.server.stream, "x") ?: pen_stream_drain(p.server.stream), 0);
        return 0;
}

/* --- cancellation and deadlines --------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(cancelled_read_loses_nothing)
{
        PAIR(p);
        WIRE(w, p, .chunk = 1);
        int n = 0;

        pair_start(&p);
        ck_assert_int_eq(put(p.client.stream, "whole"), 0);
        for (;;) { /* cancelled after each byte of the record */
                struct pen_task *t = spawn(read_byte, p.server.stream);
                int r;

                ck_assert_int_eq(pen_yield(), 0);
                pen_task_cancel(t);
                r = finish(t);
                if (r != -ECANCELED) {
                        ck_assert_int_eq(r, 1);
                        break;
                }
                n++;
                ck_assert_int_lt(n, 10000);
        }
        ck_assert_int_gt(n, 5);
        expect_read(p.server.stream, "hole");
        return 0;
}

IN_VIRTUAL_LOOP(two_readers_or_two_writers_are_refused)
{
        TLS_PAIR(p);
        struct pen_task *reader = spawn(read_byte, p.client.stream), *writer;
        char byte;

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        writer = spawn(drain, p.client.stream);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq((int)pen_stream_read(p.client.stream, &byte, 1), -EBUSY);
        ck_assert_int_eq(pen_stream_drain(p.client.stream), -EBUSY);
        ck_assert_int_eq(put(p.server.stream, "x"), 0);
        ck_assert_int_eq(finish(reader), 1);
        ck_assert_int_eq((int)get_much(p.server.stream, MUCH), MUCH);
        ck_assert_int_eq(finish(writer), 0);
        return 0;
}

/* Cancels one side when so many bytes have passed. Answers false if it had come to its end. */
static bool cancel_after(size_t bytes, bool client)
{
        PAIR(p);
        WIRE(w, p, .chunk = 4096, .hold_at = bytes);
        struct side *first = client ? &p.client : &p.server;
        struct side *second = client ? &p.server : &p.client;
        struct pen_task *t = spawn(side_start, first), *other = spawn(side_start, second);
        bool cancelled;

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        cancelled = pen_task_cancel(t);
        ck_assert_int_eq(finish(t), cancelled ? -ECANCELED : 0);
        if (cancelled) {
                ck_assert_int_eq(put(first->stream, "plain"), -EPROTO);
                ck_assert_int_eq(read_byte(first->stream), -EPROTO);
        }
        pen_stream_free(TAKE(first->stream));
        pen_task_cancel(other);
        finish(other);
        return cancelled;
}

IN_VIRTUAL_LOOP(handshake_can_be_cancelled_at_any_moment)
{
        size_t step = many(31, 211), bytes = 1;

        while (cancel_after(bytes, true))
                bytes += step;
        ck_assert_uint_gt(bytes, 500);
        for (bytes = 1; cancel_after(bytes, false);)
                bytes += step;
        ck_assert_uint_gt(bytes, 500);
        return 0;
}

IN_VIRTUAL_LOOP(handshake_that_is_cut_anywhere_fails)
{
        size_t step = many(31, 211), n = 0;

        for (size_t cut_at = 1;; cut_at += step, n++) {
                PAIR(p);
                WIRE(w, p, .chunk = 4096, .cut_at = cut_at);

                pair_start(&p);
                if (p.client.result == 0 && p.server.result == 0)
                        break;
                if (p.client.result < 0) {
                        ck_assert_int_eq(p.client.result, -EPIPE);
                        ck_assert_str_eq(p.client.error, "the peer has left in the handshake");
                }
                ck_assert_int_eq(p.server.result, -EPIPE);
        }
        ck_assert_uint_gt(n * step, 1000);
        return 0;
}

IN_VIRTUAL_LOOP(silent_peer_is_left_to_the_deadline)
{
        PAIR(p);

        ck_assert_int_eq(pen_within(PEN_SEC, side_start, &p.client), -ETIME);
        ck_assert_uint_eq(pen_now(), PEN_SEC);
        ck_assert_int_eq(put(p.client.stream, "plain"), -EPROTO);
        pen_stream_free(TAKE(p.client.stream));
        ck_assert_int_eq(side_start(&p.server), -EPIPE);
        return 0;
}

/* --- around the handshake ----------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(what_was_read_ahead_is_not_taken_for_tls)
{
        PAIR(p);
        struct pen_task *t;

        ck_assert_int_eq(put(p.server.stream, "go on\nahead"), 0);
        expect_line(p.client.stream, "go on\n");
        ck_assert_int_eq(side_start(&p.client), -EBUSY); /* "ahead" came in the clear */
        expect_read(p.client.stream, "ahead");
        t = spawn(read_byte, p.client.stream);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(side_start(&p.client), -EBUSY);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);

        pair_start(&p);
        ck_assert_int_eq(p.client.result, 0);
        ck_assert_int_eq(side_start(&p.client), -EALREADY);
        ck_assert_int_eq(put(p.client.stream, "well"), 0);
        expect_read(p.server.stream, "well");
        return 0;
}

static int read_and_start(void *arg)
{
        struct side *side = arg;

        return get_much(side->stream, MUCH) == (ssize_t)MUCH ? side_start(side) : -EIO;
}

IN_VIRTUAL_LOOP(what_was_written_before_goes_before_in_the_clear)
{
        PAIR(p);
        struct pen_task *t = spawn(read_and_start, &p.server);

        ck_assert_int_eq(put_much(p.client.stream, MUCH), 0);
        ck_assert_int_eq(side_start(&p.client), 0);
        ck_assert_int_eq(finish(t), 0);
        ck_assert_int_eq(put(p.client.stream, "hello"), 0);
        expect_read(p.server.stream, "hello");
        return 0;
}

IN_VIRTUAL_LOOP(what_others_write_in_the_handshake_goes_under_tls)
{
        PAIR(p);
        WIRE(w, p, .chunk = 4096);
        struct pen_task *client = spawn(side_start, &p.client), *writer;
        char byte;

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert_int_eq((int)pen_stream_read(p.client.stream, &byte, 1), -EBUSY);
        ck_assert_int_eq(put(p.client.stream, "secretly"), 0);
        writer = spawn(drain, p.client.stream);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        ck_assert(!pen_task_done(writer));
        ck_assert_int_eq(side_start(&p.server), 0);
        expect_read(p.server.stream, "secretly");
        ck_assert_int_eq(finish(writer), 0);
        ck_assert_int_eq(finish(client), 0);
        ck_assert_ptr_null(memmem(w.log, w.passed, "secretly", 8));
        return 0;
}

IN_VIRTUAL_LOOP(nothing_is_said_in_the_clear_after_a_failure)
{
        PAIR(p);
        struct pen_task *client = spawn(side_start, &p.client), *writer;
        char data[1000];
        ssize_t n;

        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(put(p.client.stream, "secretly"), 0);
        writer = spawn(drain, p.client.stream);
        ck_assert_int_eq(put(p.server.stream, "220 here is no TLS\r\n"), 0);
        ck_assert_int_eq(finish(client), -EPROTO);
        ck_assert_str_eq(p.client.error, "wrong version number");
        ck_assert_int_eq(finish(writer), -EPROTO);
        ck_assert_int_eq(put(p.client.stream, "secretly"), -EPROTO);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), -EPROTO);
        pen_stream_free(TAKE(p.client.stream));
        while ((n = pen_stream_read(p.server.stream, data, sizeof(data))) > 0)
                ck_assert_ptr_null(memmem(data, (size_t)n, "secretly", 8));
        return 0;
}

IN_VIRTUAL_LOOP(what_is_no_tls_is_refused)
{
        unsigned seed = 1;

        for (int i = 0; i < (int)many(200, 40); i++) {
                PAIR(p);
                struct pen_task *server = spawn(side_start, &p.server);
                unsigned char data[300] = { 22, 3, 1, 1, 0, 1 }; /* as a handshake begins */

                for (size_t n = (size_t)(i % 7); n < sizeof(data); n++)
                        data[n] = (unsigned char)(rand_r(&seed) >> 7);
                ck_assert_int_eq(pen_stream_write(p.client.stream, data, sizeof(data)), 0);
                ck_assert_int_eq(pen_stream_shutdown(p.client.stream), 0);
                finish(server);
                ck_assert(p.server.result == -EPROTO || p.server.result == -EPIPE);
                ck_assert_str_ne(p.server.error, "");
        }
        return 0;
}

IN_VIRTUAL_LOOP(context_may_go_before_its_streams)
{
        TLS_PAIR(p);

        pen_tls_free(TAKE(p.client.tls));
        pen_tls_free(TAKE(p.server.tls));
        ck_assert_int_eq(put(p.client.stream, "well"), 0);
        expect_read(p.server.stream, "well");
        return 0;
}

static int n_signals;

static void count_signal(int signo)
{
        (void)signo;
        n_signals++;
}

IN_VIRTUAL_LOOP(peer_that_has_gone_is_told_without_a_signal)
{
        struct sigaction counting = { .sa_handler = count_signal }, before;
        TLS_PAIR(p);
        int r;

        sigaction(SIGPIPE, &counting, &before);
        pen_stream_free(TAKE(p.server.stream));
        ck_assert_int_eq(put(p.client.stream, "x"), 0);
        r = pen_stream_drain(p.client.stream);
        ck_assert(r == -EPIPE || r == -ECONNRESET);
        ck_assert_int_eq(pen_stream_shutdown(p.client.stream), r);
        ck_assert_int_eq(read_byte(p.client.stream), -EPIPE);
        ck_assert_int_eq(n_signals, 0);
        sigaction(SIGPIPE, &before, NULL);
        return 0;
}

static int talk_briefly(void *arg)
{
        struct pair *p = arg;
        char data[100];

        if (side_start(&p->client) < 0 || put(p->client.stream, "question") < 0)
                return -1;
        return (int)pen_stream_read(p->client.stream, data, sizeof(data));
}

IN_VIRTUAL_LOOP(small_stack_is_enough)
{
        struct pen_spawn_options small = { .stack_size = 16 << 10 };
        struct pen_task *t;
        PAIR(p);

        ck_assert_int_eq(pen_spawn_with(&small, talk_briefly, &p, &t), 0);
        ck_assert_int_eq(side_start(&p.server), 0);
        ck_assert_int_eq(put(p.server.stream, "answer"), 0);
        expect_read(p.server.stream, "question");
        ck_assert_int_eq(finish(t), 6);
        return 0;
}

int main(void)
{
        return RUN_SUITE_WITH_PKI(
                "tls", what_is_written_is_read, nobody_on_the_wire_can_read_it,
                bytes_that_come_one_by_one_are_put_together,
                small_writes_of_one_turn_are_one_record, much_goes_both_ways_at_once,
                keys_change_in_the_midst_of_it, drain_waits_for_a_peer_that_does_not_read,
                memory_for_what_waits_is_what_waits, end_is_said_and_the_other_way_stays_open,
                end_that_was_not_said_is_a_truncation, all_that_was_written_comes_before_the_end,
                peer_that_has_ended_still_gets_the_rest, cancelled_shutdown_may_be_called_again,
                text_among_the_records_ends_the_connection,
                record_that_was_touched_ends_the_connection, cancelled_read_loses_nothing,
                two_readers_or_two_writers_are_refused, handshake_can_be_cancelled_at_any_moment,
                handshake_that_is_cut_anywhere_fails, silent_peer_is_left_to_the_deadline,
                what_was_read_ahead_is_not_taken_for_tls,
                what_was_written_before_goes_before_in_the_clear,
                what_others_write_in_the_handshake_goes_under_tls,
                nothing_is_said_in_the_clear_after_a_failure, what_is_no_tls_is_refused,
                context_may_go_before_its_streams, peer_that_has_gone_is_told_without_a_signal,
                small_stack_is_enough);
}
