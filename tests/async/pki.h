/* Certificates of a test's own making, by the openssl command: files in the directory in which the
 * program runs from then on.
 *
 *     ca.pem                  the authority
 *     server.pem, server.key  example.test, *.wild.test, 127.0.0.1, ::1
 *     both.pem                the two in one file
 *     leaf.pem, leaf.key      example.test, by inter.pem, which is by the authority; chain.pem: both
 *     expired.pem, .key       as the server's, but of yesterday
 *     self.pem, .key          example.test, signed by itself
 *     client.pem, .key        a client's; stranger.pem, .key: of another authority, other.pem
 *     locked.key              the server's, behind a passphrase
 *     empty.pem, text.pem, cut.pem
 */
#pragma once

#include "../runner.h"

/* main() of a test program with such files. */
#define RUN_SUITE_WITH_PKI(...) \
        (pki_create() < 0 ? EXIT_FAILURE : pki_remove(RUN_SUITE(__VA_ARGS__)))

int pki_create(void);
int pki_remove(int result); /* answers `result` */
