/* The exec handler: a command for every attempt (contract §7). No shell, its own process group,
 * payload on stdin, stdout is the result, the end of stderr the error.
 *
 * Exit 0 is done, one of `reject_exit` rejected, all else failed; a program that cannot be started
 * is unavailable, arguments that no program can be given are rejected. The error begins with the
 * cause: "exit 1: …", "killed by SIGSEGV (core dumped): …".
 *
 * When the attempt is cancelled or out of time: TERM to the group, KILL after `kill_after`, and the
 * group is gone before run answers; what it had written until then is lost.
 *
 * Environment: PENSTOCK_ID QUEUE TYPE ATTEMPT MAX_ATTEMPTS DEADLINE (epoch ms) TOKEN, each with the
 * prefix; PENSTOCK_META_NAME for the producer's `meta`, the name in upper case and _ for all but
 * letters and digits (names that become the same hide one another); TRACEPARENT. What a job has not
 * is not set. Variables of our own with such names are not inherited, and `env` cannot set them.
 */
#pragma once

#include <handler/handler.h>

struct exec_options {
        const char *const *argv; /* NULL-terminated; argv[0] an absolute path */
        /* "{}": replaced by the payload wherever it stands in argv[1..]; stdin is empty if it does.
         * NULL: no replacing. */
        const char *placeholder;
        bool inherit_environment; /* all of ours; false: PATH LANG HOME TZ only */
        const char *const *env;   /* NAME=VALUE, NULL-terminated, may be NULL; goes before ours */
        const char *cwd;          /* NULL: ours */
        const int *reject_exit;
        size_t n_reject_exit;
        size_t result_max; /* bytes of stdout that are kept; the rest is read and dropped */
        pen_usec kill_after;
        uint64_t max_fds; /* the command's soft limit of descriptors; 0: ours */
};

#define EXEC_RESULT_MAX ((size_t)64 << 10)
#define EXEC_ERROR_MAX ((size_t)8 << 10) /* of stderr: its end */
#define EXEC_KILL_AFTER (5 * PEN_SEC)

/* Copies what `options` points to, and of our environment what is handed on.
 * -EINVAL: no argv, a relative program, an `env` without "=", an empty placeholder.  -ENOMEM. */
int exec_handler_create(const struct exec_options *options, struct handler **ret_handler);
