#include <store/redis/script.h>

/* Made from the *.lua beside this file: `static const char NAME_lua[]` each. */
#include <store/redis/scripts.inc>

static const struct {
        const char *text;
        bool alone; /* also used by others: does not stand on common.lua */
} texts[SCRIPTS] = {
        [SCRIPT_ADMIT] = { admit_lua, false },
        [SCRIPT_BEAT] = { beat_lua, false },
        [SCRIPT_BURY] = { bury_lua, false },
        [SCRIPT_CLAIM] = { claim_lua, false },
        [SCRIPT_COUNT] = { count_lua, false },
        [SCRIPT_DEAD_RETRY] = { dead_retry_lua, false },
        [SCRIPT_DONE] = { done_lua, false },
        [SCRIPT_PROMOTE] = { promote_lua, false },
        [SCRIPT_PUSH] = { push_lua, true },
        [SCRIPT_RELEASE] = { release_lua, false },
        [SCRIPT_RETRY] = { retry_lua, false },
        [SCRIPT_START] = { start_lua, false },
        [SCRIPT_TAKE_OVER] = { take_over_lua, false },
        [SCRIPT_TRIM] = { trim_lua, false },
};

char *script_text(enum script script, size_t *ret_size)
{
        const char *common = texts[script].alone ? "" : common_lua;
        char *text;
        int n = asprintf(&text, "%s%s", common, texts[script].text);

        if (n < 0)
                return NULL;
        *ret_size = (size_t)n;
        return text;
}
