/* A real nginx for tests, in a folder of its own, with a certification authority made for it by
 * `openssl`. It ends with the test's process, however that ends.
 *
 *     PEN_CLEANUP(nginx_stopp) struct nginx *nginx = nginx_start();
 *     ... nginx_url(nginx, NGINX_HTTP2, "/hello") ...
 *
 * None of this needs a loop; all of it blocks for the few ms that it takes, and what fails fails the
 * test. What it serves, the same at each of its doors:
 *
 *     /hello      "hello"; every answer says X-Connection (a number of nginx's), X-Protocol
 *     /zero/1m    that many bytes of 0; also 10m, 1g
 *     /slow/1m    the same, at 64 KiB a second
 *     /text       "once upon a time" 1,000 times, gzip'ed for who accepts that; /chunked: in chunks
 *     /204, /404  that status; /close: "bye", and Connection: close
 *     /put/NAME   what was last PUT there
 *     /small      413 if a body of more than 1 KiB is sent
 */
#pragma once

#include <stddef.h>

struct nginx;

/* Its ports on the loopback. */
enum nginx_door {
        NGINX_PLAIN,
        NGINX_TLS,     /* HTTP/1.1, and a certificate for localhost, 127.0.0.1 and *.nginx.test */
        NGINX_HTTP2,   /* over TLS, with the same */
        NGINX_EXPIRED, /* TLS with one that was valid until yesterday */
        NGINX_OTHER_NAME, /* with one for other.example */
        NGINX_DOORS,
};

/* Whether there are an nginx and an openssl to start; says so on stderr if not. main() then answers 77:
 * skipped. */
int nginx_is_there(void);

struct nginx *nginx_start(void);
void nginx_stop(struct nginx *nginx); /* and removes its folder */
void nginx_stopp(struct nginx **nginx);

/* Of the authority that has signed all of its certificates, and that no system knows. */
const char *nginx_ca_file(const struct nginx *nginx);

/* "https://127.0.0.1:PORT" and the path; or with another name for the host. Valid until 8 more were
 * made. */
const char *nginx_url(const struct nginx *nginx, enum nginx_door door, const char *path);
const char *nginx_url_of(const struct nginx *nginx, enum nginx_door door, const char *host,
                         const char *path);
