/* What is said on a new connection before anybody else may speak, and what is to be thought of the answers. */
#pragma once

#include <store/redis/connection.h>

struct greeting_step {
        const char *words[4]; /* up to a NULL */
        enum greeting_need {
                GREETING_MUST, /* no error is good */
                GREETING_MAY,  /* not all servers and users have it */
                GREETING_LISTENS, /* an error is good, unless it says that nothing else will be heard */
        } need;
};

#define GREETING_STEPS_MAX 5

struct greeting {
        struct greeting_step steps[GREETING_STEPS_MAX];
        size_t n;
        char db[12];
};

/* Points into `target`. AUTH, SELECT, CLIENT SETNAME as they are wanted; CLIENT ID; PING. */
void greeting_init(struct greeting *greeting, const struct redis_target *target);

/* Whether the server's error to this step means that the connection is of no use. */
bool greeting_is_refused(const struct greeting_step *step, const char *error);

/* What the operator can do about it, "; set store.password_file"; NULL: it may well pass by itself. */
const char *greeting_hint(const char *error);
