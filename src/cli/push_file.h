/* `penstock push --jsonl`: a reader makes batches of jobs, two pushers have them stored. While the one waits for
 * its answer the other's jobs are on their way, and the next are read: neither side waits for the other's
 * machine. */
#pragma once

#include <cli/push_options.h>

/* Answers the exit code. */
int push_file(const struct push_options *options);
