/* pen_switch for machines without a hand-written one: ten times as slow, as it asks the kernel for
 * the signal mask each time. */
#include <async/switch.h>

#include <ucontext.h>

struct prepared {
        ucontext_t context;
        void (*entry)(void *);
        void *arg;
};

/* makecontext passes ints: a pointer goes in two halves. */
static void first_run(unsigned high, unsigned low)
{
        struct prepared *p = (struct prepared *)((uintptr_t)high << 16 << 16 | (uintptr_t)low);

        p->entry(p->arg);
        __builtin_trap();
}

void pen_switch(void **from, void *to)
{
        ucontext_t here;

        *from = &here;
        swapcontext(&here, to);
}

void *pen_switch_prepare(void *low, void *top, void (*entry)(void *), void *arg)
{
        struct prepared *p = (struct prepared *)(((uintptr_t)top - sizeof(*p)) & ~(uintptr_t)63);

        getcontext(&p->context);
        p->entry = entry;
        p->arg = arg;
        p->context.uc_stack.ss_sp = low;
        p->context.uc_stack.ss_size = (size_t)((char *)p - (char *)low);
        p->context.uc_link = NULL;
        makecontext(&p->context, (void (*)(void))(void *)first_run, 2,
                    (unsigned)((uintptr_t)p >> 16 >> 16), (unsigned)(uintptr_t)p);
        return &p->context;
}
