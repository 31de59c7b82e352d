#include <cli/run_input.h>

#include <errno.h>
#include <stdio.h>

#include <cli/run_results.h>
#include <job/json.h>

void run_input_close(struct run_input *in)
{
        lines_close(&in->lines);
        buffer_deinit(&in->scratch);
}

static int push(struct run_input *in, const struct job_fields *fields)
{
        struct receipt receipt;
        int r = intake_push(in->intake, fields, in->lines.number, &receipt);

        if (r == -EINVAL) {
                run_results_invalid(in->results, in->lines.number, receipt.error);
                return 0;
        }
        if (r < 0)
                return r;
        if (receipt.result == PUSH_CONFLICT)
                run_results_invalid(in->results, in->lines.number,
                                    "this id was given before, with another payload or type");
        in->pushed += receipt.result == PUSH_STORED;
        in->repeated += receipt.result == PUSH_EXISTS;
        return 0;
}

static int take_json(struct run_input *in, const char *line, size_t size)
{
        struct job_fields fields;
        struct json_error error;
        char text[sizeof(error.text) + 64];
        int r = json_to_job(line, size, &in->scratch, &fields, &error);

        if (r == 0)
                return push(in, &fields);
        if (r != -EINVAL)
                return r;
        snprintf(text, sizeof(text), "column %zu: %s%s", error.offset + 1, error.text,
                 line[0] == '{' ? "" : " (for lines of text: --lines)");
        run_results_invalid(in->results, in->lines.number, text);
        return 0;
}

static int take_line(struct run_input *in, struct bytes line)
{
        if (!in->text)
                return take_json(in, line.data, line.size);
        if (line.data[line.size - 1] == '\r')
                line.size--;
        return push(in, &(struct job_fields){ .payload = line });
}

int run_input_run(struct run_input *in)
{
        struct bytes line;
        int r;

        while ((r = lines_next(&in->lines, &line)) != 0) {
                if (r == -EMSGSIZE) {
                        run_results_invalid(in->results, in->lines.number + 1,
                                            "the line is longer than 8 MiB");
                        continue;
                }
                if (r > 0)
                        r = take_line(in, line);
                if (r < 0)
                        return r;
                in->line = in->lines.number;
        }
        in->line = in->lines.number;
        return 0;
}
