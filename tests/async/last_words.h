/* What a test says of itself when it dies by a signal: which of ten thousand rounds it was. */
#pragma once

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char last_words_text[256];

static inline void last_words_say(int signo)
{
        if (write(STDERR_FILENO, last_words_text, strlen(last_words_text)) < 0)
                _exit(signo);
        raise(signo); /* on return, and the default takes over */
}

static inline void last_words_on(int signo)
{
        struct sigaction action = { .sa_flags = (int)SA_RESETHAND };

        action.sa_handler = last_words_text[0] ? last_words_say : SIG_DFL;
        sigaction(signo, &action, NULL);
}

/* Sets them; "" takes them back. Checkers that look at faults themselves keep theirs. */
static inline __attribute__((format(printf, 1, 2))) void last_words(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(last_words_text, sizeof(last_words_text), format, args);
        va_end(args);
        last_words_on(SIGABRT);
        last_words_on(SIGALRM);
#if !defined(PEN_ASAN) && !defined(PEN_TSAN)
        last_words_on(SIGBUS);
        last_words_on(SIGSEGV);
#endif
}
