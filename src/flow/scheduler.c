#include <flow/scheduler.h>

int scheduler_run(void *arg)
{
        ssize_t r;

        do
                r = store_promote(arg);
        while (r >= 0);
        return (int)r;
}
