/* Two ends of one connection, under TLS or about to be, for tests. */
#pragma once

#include "../in_loop.h"
#include "world.h"

#include <async/tls.h>

struct side {
        struct pen_stream *stream;
        struct pen_tls *tls;
        const char *name; /* of the server; NULL: this is it */
        char error[256];
        int result; /* of the handshake */
};

struct pair {
        struct side client, server;
};

/* pen_tls_create, which must not fail. Each may be NULL. */
struct pen_tls *tls_of(const char *ca_file, const char *cert_file, const char *key_file);

/* Over a socketpair: a client that trusts ca.pem, a server that is server.pem; not yet under TLS. */
struct pair pair_create(void);
void pair_deinit(struct pair *pair);

/* Both shake hands; see `result`. */
void pair_start(struct pair *pair);
int side_start(void *side);

#define PAIR(p) PEN_CLEANUP(pair_deinit) struct pair p = pair_create()

/* Under TLS. */
#define TLS_PAIR(p)                           \
        PAIR(p);                              \
        pair_start(&p);                       \
        ck_assert_str_eq(p.client.error, ""); \
        ck_assert_str_eq(p.server.error, ""); \
        ck_assert_int_eq(p.client.result, 0); \
        ck_assert_int_eq(p.server.result, 0)

struct pen_task *spawn(int (*fn)(void *), void *arg);
int finish(struct pen_task *t); /* awaits, and answers what it returned */

int put(struct pen_stream *s, const char *text);
void expect_read(struct pen_stream *s, const char *expected);
void expect_line(struct pen_stream *s, const char *expected);
