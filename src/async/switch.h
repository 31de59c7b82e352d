/* Changing stacks. Two makers of pen_switch: switch_asm.S by hand, switch_ucontext.c elsewhere; and
 * around it what the sanitizers want to be told.
 *
 * No shadow stacks (CET): a program that links this library runs without them.
 */
#pragma once

#include <base/util.h>

#if defined(PEN_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(PEN_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* Saves the callee-saved registers on the running stack, leaves its pointer in *from, and goes on
 * at `to`, which a switch away or pen_switch_prepare has made. */
void pen_switch(void **from, void *to);

/* Prepares the stack below `top` (16-aligned) so that the first switch there calls entry(arg), which must not
 * return. */
void *pen_switch_prepare(void *low, void *top, void (*entry)(void *), void *arg);

struct context {
        void *sp;
#if defined(PEN_ASAN)
        void *fake_stack;
        const void *low;
        size_t size;
#endif
#if defined(PEN_TSAN)
        void *fiber;
#endif
};

/* The thread's own stack. */
void context_init_thread(struct context *c);
void context_init(struct context *c, void *low, void *top, void (*entry)(void *), void *arg);
void context_deinit(struct context *c);

/* To be called first on a new stack. */
static inline void context_arrived(struct context *c)
{
        (void)c;
#if defined(PEN_ASAN)
        __sanitizer_finish_switch_fiber(c->fake_stack, NULL, NULL);
#endif
}

static inline void context_switch(struct context *from, struct context *to)
{
#if defined(PEN_TSAN)
        __tsan_switch_to_fiber(to->fiber, 0);
#endif
#if defined(PEN_ASAN)
        __sanitizer_start_switch_fiber(&from->fake_stack, to->low, to->size);
#endif
        pen_switch(&from->sp, to->sp);
        context_arrived(from);
}

/* The last switch away from a stack. */
static inline void context_leave(struct context *from, struct context *to)
{
#if defined(PEN_TSAN)
        __tsan_switch_to_fiber(to->fiber, 0);
#endif
#if defined(PEN_ASAN)
        __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
        pen_switch(&from->sp, to->sp);
        __builtin_unreachable();
}
