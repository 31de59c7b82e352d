/* A task that runs past the end of its stack meets the guard; this says which task it was, before
 * the process dies of it as it would have anyway. */
#pragma once

struct overflow_watch;

/* For the calling thread, which runs the loop. Leaves a handler for SIGSEGV that somebody else has
 * installed (a sanitizer's, say) alone. NULL if there is nothing to be undone. */
struct overflow_watch *overflow_watch_create(void);
void overflow_watch_free(struct overflow_watch *watch);
