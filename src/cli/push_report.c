#include <cli/push_report.h>

#include <inttypes.h>
#include <string.h>

#include <cli/cli.h>
#include <job/json.h>

const char *push_result_name(enum push_result result)
{
        static const char *const names[] = {
                [PUSH_PENDING] = "unknown",   [PUSH_STORED] = "stored", [PUSH_EXISTS] = "exists",
                [PUSH_CONFLICT] = "conflict", [PUSH_FULL] = "full",
        };

        return names[result];
}

const char *push_result_trouble(enum push_result result)
{
        if (result == PUSH_CONFLICT)
                return "a job with this id was pushed before, with another payload or type";
        return result == PUSH_FULL ? "the queue is full" : NULL;
}

void push_count(struct push_counts *counts, enum push_result result, const char *refusal)
{
        if (refusal) {
                counts->invalid++;
                return;
        }
        switch (result) {
        case PUSH_PENDING:
                counts->unknown++;
                return;
        case PUSH_STORED:
                counts->stored++;
                return;
        case PUSH_EXISTS:
                counts->exists++;
                return;
        case PUSH_CONFLICT:
                counts->conflicts++;
                return;
        case PUSH_FULL:
                counts->full++;
                return;
        }
}

int push_write_json(struct buffer *to, uint64_t line, const char *id, enum push_result result,
                    const char *error)
{
        int r = buffer_append(to, "{", 1);

        if (r == 0 && line > 0)
                r = buffer_printf(to, "\"line\":%" PRIu64 ",", line);
        if (r == 0 && error) {
                r = buffer_append(to, "\"error\":", 8);
                if (r == 0)
                        r = json_write_string(to, error, strlen(error));
        } else if (r == 0) {
                if (id) /* which needs no escapes */
                        r = buffer_printf(to, "\"id\":\"%s\",", id);
                if (r == 0)
                        r = buffer_printf(to, "\"status\":\"%s\"", push_result_name(result));
        }
        return r < 0 ? r : buffer_append(to, "}\n", 2);
}

int push_exit_code(const struct push_counts *counts)
{
        if (counts->invalid > 0)
                return EXIT_USAGE;
        return counts->conflicts + counts->full > 0 ? EXIT_JOBS_FAILED : EXIT_WELL;
}
