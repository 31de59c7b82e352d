#include <async/overflow.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <async/loop.h>

/* The handler needs a stack: that of the task is used up. */
#define ALTERNATE_SIZE ((size_t)32 << 10)

struct overflow_watch {
        stack_t before;
        char stack[ALTERNATE_SIZE];
};

static void report(const struct pen_task *task)
{
        size_t size = (size_t)(task->stack->top - task->stack->low);
        char name[32], text[160];
        int n;

        snprintf(name, sizeof(name), "task-%llu", (unsigned long long)task->number);
        n = snprintf(text, sizeof(text),
                     "penstock: task %s has run past the end of its stack of %zu KiB\n",
                     task->name[0] ? task->name : name, size >> 10);
        if (write(STDERR_FILENO, text, (size_t)n) < 0)
                return; /* it was worth a try */
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
        const struct pen_task *task = current_loop ? current_loop->current : NULL;
        const char *at = info->si_addr;

        (void)context;
        if (task && task->stack && at < task->stack->low && at >= task->stack->low - STACK_GUARD)
                report(task);
        /* On return the instruction faults again, and the default takes over. */
        signal(signo, SIG_DFL);
}

struct overflow_watch *overflow_watch_create(void)
{
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        struct sigaction before;
        struct overflow_watch *watch;
        stack_t stack;

        if (sigaction(SIGSEGV, NULL, &before) < 0 ||
            (before.sa_handler != SIG_DFL && before.sa_sigaction != on_fault))
                return NULL;
        watch = malloc(sizeof(*watch));
        if (!watch)
                return NULL; /* no report then */
        stack = (stack_t){ .ss_sp = watch->stack, .ss_size = sizeof(watch->stack) };
        if (sigaltstack(&stack, &watch->before) < 0) {
                free(watch);
                return NULL;
        }
        sigaction(SIGSEGV, &action, NULL);
        return watch;
}

void overflow_watch_free(struct overflow_watch *watch)
{
        if (!watch)
                return;
        sigaltstack(&watch->before, NULL);
        free(watch);
}
