/* The handful of macros that C should have. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <penstock/common.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The structure that has `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Hands the pointer over and leaves NULL: `return TAKE(p);` */
#define TAKE(p)                         \
        __extension__({                 \
                __typeof__(p) _p = (p); \
                (p) = NULL;             \
                _p;                     \
        })

static inline void freep(void *p)
{
        free(*(void **)p);
}

#if defined(__SANITIZE_ADDRESS__)
#define PEN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PEN_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define PEN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PEN_TSAN 1
#endif
#endif
