/* Cleanup for a number of things known only at run time: contextlib.AsyncExitStack. Where the number
 * is known PEN_CLEANUP is enough.
 *
 *     PEN_CLEANUP(pen_scope_deinit) struct pen_scope scope = PEN_SCOPE_INIT;
 *     for (i = 0; i < n; i++) {
 *             r = pen_stream_connect(addresses[i], &streams[i]);
 *             if (r == 0)
 *                     r = pen_scope_defer(&scope, close_stream, streams[i]);
 *             ...
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Its fields are private. */
struct pen_scope {
        void *opaque;
};

#define PEN_SCOPE_INIT \
        {              \
                NULL   \
        }

/* fn(arg) will be called when the scope ends.  -ENOMEM: it was called now, so that nothing leaks. */
int pen_scope_defer(struct pen_scope *scope, void (*fn)(void *arg), void *arg);

/* Forgets all that was deferred, without calling it: everything has gone well, and its owner is
 * somebody else now. */
void pen_scope_release(struct pen_scope *scope);

/* Calls what was deferred, the last one first, uninterruptibly: it may wait, and a cancellation stays
 * pending until after. What is deferred meanwhile is called too. The scope is empty then, and may be
 * used again. */
void pen_scope_deinit(struct pen_scope *scope);

PEN_END_DECLS
