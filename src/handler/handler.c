#include <handler/handler.h>

#include <stdarg.h>
#include <stdio.h>

void report_deinit(struct report *report)
{
        free(report->result);
        free(report->error);
        *report = (struct report)REPORT_INIT;
}

void report_fail(struct report *report, enum outcome outcome, const char *format, ...)
{
        va_list args;

        free(report->error);
        report->outcome = outcome;
        va_start(args, format);
        if (vasprintf(&report->error, format, args) < 0)
                report->error = NULL;
        va_end(args);
}

void handler_free(struct handler *handler)
{
        if (handler)
                handler->class->free(handler);
}

void handler_freep(struct handler **handler)
{
        handler_free(*handler);
}
