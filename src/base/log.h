/* What the daemon says: one event a line, logfmt or JSON, for people and machines.
 *
 *     LOG(LOG_WARN, "job.retry", F_STR("queue", q), F_STR("id", id), F_UINT("attempt", 2));
 *
 * A line begins with `ts level event`. Values are escaped (control characters, what is not UTF-8), and
 * those too long are cut and marked. Lines are gathered in a buffer of bounded size: saying something never
 * waits and never fails; what there is no room for is counted, and told as `log.dropped` when there is room
 * again. Who has a loop moves the buffer on from a task (log_pending, log_advance); who has none
 * calls log_flush. One log a process.
 */
#pragma once

#include <base/util.h>

enum log_level {
        LOG_DEBUG,
        LOG_INFO,
        LOG_WARN,
        LOG_ERROR,
};

enum log_format {
        LOG_AUTO, /* logfmt; a terminal gets it in colour */
        LOG_LOGFMT,
        LOG_JSON,
        LOG_JOURNAL, /* the fields are the journal's */
};

struct log_field {
        const char *name;
        enum {
                FIELD_NONE, /* is left out */
                FIELD_STRING,
                FIELD_UINT,
                FIELD_INT,
                FIELD_MILLISECONDS, /* of a pen_usec, with three decimals */
                FIELD_BYTES,
        } type;
        union {
                const char *string; /* NULL: the field is left out */
                uint64_t uint;
                int64_t sint;
                struct {
                        const char *data;
                        size_t size;
                } bytes;
        };
};

#define F_STR(n, v) ((struct log_field){ .name = (n), .type = FIELD_STRING, .string = (v) })
#define F_UINT(n, v) ((struct log_field){ .name = (n), .type = FIELD_UINT, .uint = (v) })
#define F_INT(n, v) ((struct log_field){ .name = (n), .type = FIELD_INT, .sint = (v) })
#define F_MS(n, v) ((struct log_field){ .name = (n), .type = FIELD_MILLISECONDS, .uint = (v) })
#define F_BYTES(n, d, s) \
        ((struct log_field){ .name = (n), .type = FIELD_BYTES, .bytes = { (d), (s) } })

#define LOG(level, event, ...)                                           \
        do {                                                             \
                if (log_enabled(level)) {                                \
                        const struct log_field _f[] = { __VA_ARGS__ };   \
                        log_event((level), (event), _f, ARRAY_SIZE(_f)); \
                }                                                        \
        } while (0)

/* Until this is called: warnings and errors, as logfmt, to standard error. `fd` stays the caller's. */
void log_setup(enum log_level level, enum log_format format, int fd);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
const char *log_level_name(enum log_level level);

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/* `wake` is called when the buffer has something and had nothing; NULL: nobody moves it on, so each event is
 * written at once. */
void log_on_pending(void (*wake)(void *data), void *data);
bool log_pending(void);

/* Writes as much as the descriptor takes now. 0: all is written.  -EAGAIN: it takes no more.  Else the reader
 * has gone, and the buffer is dropped and counted. */
int log_advance(void);

/* Writes all; waits for a slow reader at most `usec`. */
void log_flush(pen_usec usec);

/* How many events were dropped since the start. */
uint64_t log_dropped(void);
