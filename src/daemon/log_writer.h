/* Moves the log from its buffer to its reader, beside everything else the loop does. */
#pragma once

#include <base/log.h>

/* A task's function; `arg` is not looked at. Writes what was said in a turn of the loop at its end, and waits
 * where the reader is slow; one that is gone costs what was said to it, counted, and nothing else.
 * Runs until it is cancelled; from then on each event is written when it is said, as before.
 * -ENOMEM: it does not begin. */
PEN_ASYNC int log_writer_run(void *arg);
