/* Looking into a loop: which task waits for what, which one held all others up, which order it was.
 *
 * Debug mode (PENSTOCK_DEBUG=1 in the environment, or `slow_task` in pen_options) names a task that
 * held the loop for longer than that (100 ms), with a backtrace of what it did at that moment, as a
 * warning in the log when it gives way: asyncio's slow_callback_duration. One that has held it for ten
 * times as long and goes on is named on standard error, for the loop cannot call the log then.
 *
 *     task crawl held the loop for 312 ms; after 100 ms it was in: parse+0x29 < read_page+0x4c < crawl+0x12
 *
 * (parse was called by read_page; `file+0x1234`, for addr2line, where the file has no symbols.) Time
 * is real time, also with the virtual clock, whose order of events does not change.
 *
 * The moment is looked at by a thread, which interrupts the loop's thread once by SIGURG. What was
 * interrupted goes on, but for calls that no system restarts after a signal (sleep, poll and select;
 * see signal(7)): these end early, with EINTR, as they may at any time. Where a handler for
 * SIGURG is set already, or one is set later, it stays, and there is no backtrace.
 *
 * A call that would wait for an object of another thread's loop is stopped by abort() in debug mode.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

/* Calls line(data, text) for each task of this thread's loop, in the order they were spawned: its
 * name, its state, what it waits for and for how long it has, cancellations that are under way; and
 * for a group's child its parent. `line` must not suspend. Without a loop there are no lines.
 *
 *     main: has waited 12.034 s for its group
 *     crawl: has waited 3.500 s for another task (fetch-7); child of main
 *     fetch-7: has waited 3.500 s for an HTTP response; cannot be cancelled now
 *     logger: can run, after waiting for a file descriptor; cancelled, and has not met it yet
 *
 * The loop itself logs these lines when every task waits for another one: always with the virtual
 * clock, where that is certain and ends the tasks; with the real one in debug mode, once, when no
 * thread has called for ten times as long as a task may hold the loop.
 */
void pen_dump_tasks(void (*line)(void *data, const char *text), void *data);

/* A hash of which task ran when, from the loop's beginning until now. With a seed and the virtual
 * clock the same program has the same at its end, to the bit; another order has another. 0 without
 * a seed: the order is not followed then. */
uint64_t pen_trace_hash(void);

PEN_END_DECLS
