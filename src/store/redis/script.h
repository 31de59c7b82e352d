/* The transitions that touch several keys: Lua scripts, one file each, compiled in. */
#pragma once

#include <store/redis/arguments.h>

enum script {
        SCRIPT_ADMIT,
        SCRIPT_BEAT,
        SCRIPT_BURY,
        SCRIPT_CLAIM,
        SCRIPT_COUNT,
        SCRIPT_DEAD_RETRY,
        SCRIPT_DONE,
        SCRIPT_PROMOTE,
        SCRIPT_PUSH,
        SCRIPT_RELEASE,
        SCRIPT_RETRY,
        SCRIPT_START,
        SCRIPT_TAKE_OVER,
        SCRIPT_TRIM,
        SCRIPTS,
};

/* What SCRIPT LOAD takes; the caller frees it. NULL: no memory. */
char *script_text(enum script script, size_t *ret_size);

/* The server's name for each; "" until it was loaded once by this store. */
struct scripts {
        char sha[SCRIPTS][41];
};

/* Begins `EVALSHA sha 1 key`; arguments follow. */
static inline void command_script(struct command *c, const struct scripts *scripts,
                                  enum script script, const char *key)
{
        command_add(c, "EVALSHA", 7);
        command_add(c, scripts->sha[script], 40);
        command_add(c, "1", 1);
        command_string(c, key);
}
