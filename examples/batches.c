/* Twenty batches, five at a time, and how far it is. */
#include <stdio.h>
#include <string.h>

#include <penstock/penstock.h>

enum {
        BATCHES = 20,
        AT_ONCE = 5
};

static int process(void *item, void *arg)
{
        int batch = *(int *)item;

        (void)arg;
        return pen_sleep(100 * PEN_MSEC + 50 * PEN_MSEC * (pen_usec)(batch % AT_ONCE));
}

static int run(void *arg)
{
        pen_usec began = pen_now();
        int numbers[BATCHES];
        void *batches[BATCHES];

        (void)arg;
        for (int i = 0; i < BATCHES; i++) {
                numbers[i] = i;
                batches[i] = &numbers[i];
        }
        for (int done = 0; done < BATCHES; done += AT_ONCE) {
                int r = pen_each(&batches[done], AT_ONCE, AT_ONCE, process, NULL);

                if (r < 0)
                        return r;
                printf("%2d of %d batches after %.1fs\n", done + AT_ONCE, BATCHES,
                       (double)(pen_now() - began) / PEN_SEC);
        }
        return 0;
}

int main(void)
{
        int r = pen_run(run, NULL);

        if (r < 0)
                fprintf(stderr, "batches: %s\n", strerror(-r));
        return r < 0;
}
