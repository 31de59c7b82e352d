/* A real Redis server for tests, in a folder of its own: `redis-server`, or what $REDIS_SERVER names
 * (valkey-server). It ends with the test's process, however that ends.
 *
 *     PEN_CLEANUP(redis_server_stopp) struct redis_server *server = redis_server_start(NULL);
 *     ... redis_server_url(server) ...
 *
 * None of this needs a loop; all of it blocks for the few ms that it takes, and what fails fails the test.
 */
#pragma once

#include <sys/types.h>

struct redis_server;

/* Whether there is a server to start; says so on stderr if not. main() then answers 77: skipped. */
int redis_server_is_there(void);

/* With no persistence and these arguments besides, up to a NULL: { "--appendonly", "yes", NULL }. Answers when the
 * server does. At a Unix socket; or at a free port of 127.0.0.1. */
struct redis_server *redis_server_start(const char *const *args);
struct redis_server *redis_server_start_tcp(const char *const *args);

void redis_server_stop(struct redis_server *server); /* and removes its folder */
void redis_server_stopp(struct redis_server **server);

/* kill -9, and the same again: same address, folder and arguments, or other ones from now on. */
void redis_server_kill(struct redis_server *server);
void redis_server_restart(struct redis_server *server);
void redis_server_restart_with(struct redis_server *server, const char *const *args);

/* SIGSTOP, until SIGCONT: it accepts connections and answers nothing. */
void redis_server_pause(struct redis_server *server);
void redis_server_resume(struct redis_server *server);

const char *redis_server_address(const struct redis_server *server); /* for pen_stream_connect */
const char *redis_server_url(const struct redis_server *server);
const char *redis_server_folder(const struct redis_server *server); /* its working directory */
pid_t redis_server_pid(const struct redis_server *server);          /* 0: it is dead */

/* One command, as one types it ("CONFIG SET requirepass x"), over a connection of its own. Answers the status,
 * error, number or string (malloc'ed); of anything else its first line. */
char *redis_server_ask(const struct redis_server *server, const char *command);
