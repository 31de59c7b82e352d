/* pen_run by the virtual clock: linked into examples that sleep (-Wl,--wrap=pen_run), which then take no
 * time, and tell exactly the times that they should. Their sources know nothing of it. */
#include <penstock/loop.h>

int __wrap_pen_run(int (*fn)(void *arg), void *arg);

int __wrap_pen_run(int (*fn)(void *arg), void *arg)
{
        struct pen_options options = PEN_OPTIONS_DEFAULT;

        options.clock = PEN_CLOCK_VIRTUAL;
        return pen_run_with(&options, fn, arg);
}
