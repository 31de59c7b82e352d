#include <async/switch.h>

#include <pthread.h>

void context_init_thread(struct context *c)
{
        *c = (struct context){ 0 };
#if defined(PEN_ASAN)
        pthread_attr_t attr;
        void *low;

        if (pthread_getattr_np(pthread_self(), &attr) == 0) {
                pthread_attr_getstack(&attr, &low, &c->size);
                c->low = low;
                pthread_attr_destroy(&attr);
        }
#endif
#if defined(PEN_TSAN)
        c->fiber = __tsan_get_current_fiber();
#endif
}

void context_init(struct context *c, void *low, void *top, void (*entry)(void *), void *arg)
{
        *c = (struct context){ .sp = pen_switch_prepare(low, top, entry, arg) };
#if defined(PEN_ASAN)
        c->low = low;
        c->size = (size_t)((char *)top - (char *)low);
#endif
#if defined(PEN_TSAN)
        c->fiber = __tsan_create_fiber(0);
#endif
}

void context_deinit(struct context *c)
{
        (void)c;
#if defined(PEN_TSAN)
        __tsan_destroy_fiber(c->fiber);
#endif
}
