/* What the daemon says: one event a line, logfmt or JSON, for people and machines.
 *
 *     LOG(LOG_WARN, "job.retry", F_STR("queue", q), F_STR("id", id), F_UINT("attempt", 2));
 *
 * A line begins with `ts level event`. Values are escaped (control characters, those that reorder text, what
 * is not UTF-8); one that is written with more than LOG_VALUE_MAX bytes is cut, and the field NAME_cut says by
 * how many bytes. A line has at most LOG_LINE_MAX; fields that find no room in it are counted in fields_cut.
 *
 * Lines are gathered in a buffer of bounded size: saying something never waits and never fails; what there
 * is no room for is counted, and told as `log.dropped` when there is room again. Who has a loop moves the
 * buffer on from a task (log_on_pending, log_advance); who has none calls log_flush at the end.
 * One log a process, used by one thread.
 */
#pragma once

#include <base/util.h>

#define LOG_VALUE_MAX 1024
#define LOG_LINE_MAX 8192
#define LOG_PENDING_MAX ((size_t)1 << 20)

enum log_level {
        LOG_DEBUG,
        LOG_INFO,
        LOG_WARN,
        LOG_ERROR,
};

enum log_format {
        LOG_AUTO, /* logfmt; in colour on a terminal, as LOG_JOURNAL where that is who reads */
        LOG_LOGFMT,
        LOG_JSON,
        LOG_JOURNAL, /* logfmt with the priority in front, "<4>", which the journal takes off and keeps */
};

struct log_field {
        const char *name; /* [a-z_]+, of ours */
        enum {
                FIELD_NONE, /* is left out */
                FIELD_STRING,
                FIELD_UINT,
                FIELD_INT,
                FIELD_THOUSANDTHS, /* written with three decimals: a pen_usec as milliseconds */
                FIELD_BYTES,
        } type;
        union {
                const char *string; /* NULL: the field is left out */
                uint64_t uint;
                int64_t sint;
                struct {
                        const char *data; /* NULL: the field is left out */
                        size_t size;
                } bytes;
        };
};

#define F_NONE ((struct log_field){ 0 })
#define F_STR(n, v) ((struct log_field){ .name = (n), .type = FIELD_STRING, .string = (v) })
#define F_UINT(n, v) ((struct log_field){ .name = (n), .type = FIELD_UINT, .uint = (v) })
#define F_INT(n, v) ((struct log_field){ .name = (n), .type = FIELD_INT, .sint = (v) })
#define F_MS(n, v) ((struct log_field){ .name = (n), .type = FIELD_THOUSANDTHS, .uint = (v) })
#define F_THOUSANDTHS F_MS
#define F_BYTES(n, d, s) \
        ((struct log_field){ .name = (n), .type = FIELD_BYTES, .bytes = { (d), (s) } })

#define LOG(level, event, ...)                                           \
        do {                                                             \
                if (log_enabled(level)) {                                \
                        const struct log_field _f[] = { __VA_ARGS__ };   \
                        log_event((level), (event), _f, ARRAY_SIZE(_f)); \
                }                                                        \
        } while (0)

/* Marks the name of an event that is handed to LOG by a variable: what docs/logs.md must list. */
#define LOG_EVENT(name) (name)

/* Until this is called: warnings and errors, as logfmt, to standard error. `fd` stays the caller's, and so do
 * its flags, which other processes may share. What is pending goes to the new one. */
void log_setup(enum log_level level, enum log_format format, int fd);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
const char *log_level_name(enum log_level level);

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/* `wake` is called when the buffer has something and had nothing; it must not log. NULL: nobody moves the
 * buffer on, so each event tries to by itself. */
void log_on_pending(void (*wake)(void *data), void *data);
bool log_pending(void);

/* Writes as much as the descriptor takes now, without waiting. 0: all is written.  -EAGAIN: it takes no more
 * until log_fd() is writable.  Else the reader has gone, and the buffer is dropped and counted. */
int log_advance(void);

/* What to wait for: not always the descriptor of log_setup. */
int log_fd(void);

/* Writes all; waits for a slow reader at most `usec`. */
void log_flush(pen_usec usec);

/* How many events were dropped since the start. */
uint64_t log_dropped(void);

/* Forgets everything, what is pending and the counts too: as before log_setup. */
void log_close(void);
