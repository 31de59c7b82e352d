#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <async/loop.h>
#include <penstock/fd.h>

/* From the first wait for it until the loop ends. */
struct signal_watch {
        struct signal_watch *next;
        struct event *event;
        int signo;
        bool arrived;
        struct list *line; /* of all who wait for signals: each looks whether it was for it */
};

struct signals {
        struct signal_watch *first;
        struct list line;
};

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
        struct signal_watch *watch = arg;

        (void)signo, (void)what;
        watch->arrived = true;
        waiters_wake_all(watch->line);
}

static struct signal_watch *find(struct signals *signals, int signo)
{
        struct signal_watch *i = signals->first;

        while (i && i->signo != signo)
                i = i->next;
        return i;
}

static int watch(struct pen_loop *loop, int signo)
{
        struct signal_watch *w;

        if (find(loop->signals, signo))
                return 0;
        if (signo <= 0 || signo >= NSIG || signo == SIGKILL || signo == SIGSTOP)
                return -EINVAL;
        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct signal_watch){ .signo = signo, .line = &loop->signals->line };
        errno = 0;
        w->event = evsignal_new(loop->base, signo, on_signal, w);
        if (!w->event || event_add(w->event, NULL) < 0) {
                int r = errno == ENOMEM ? -ENOMEM : -EINVAL;

                if (w->event)
                        event_free(w->event);
                free(w);
                return r;
        }
        w->next = loop->signals->first;
        loop->signals->first = w;
        return 0;
}

static void forget_interrupt(struct pen_loop *loop)
{
        if (loop->interrupt)
                event_free(TAKE(loop->interrupt)); /* and the disposition is again what it was */
}

static void on_interrupt(evutil_socket_t signo, short what, void *arg)
{
        struct pen_task *task = arg;

        (void)signo, (void)what;
        forget_interrupt(task->loop);
        pen_task_cancel(task);
}

static bool in_main_thread(void)
{
        return gettid() == getpid();
}

void loop_cancel_on_interrupt(struct pen_loop *loop, struct pen_task *task)
{
        struct sigaction now;

        if (!in_main_thread() || sigaction(SIGINT, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
                return;
        loop->interrupt = evsignal_new(loop->base, SIGINT, on_interrupt, task);
        if (loop->interrupt && event_add(loop->interrupt, NULL) < 0)
                forget_interrupt(loop);
}

static int watch_all(struct pen_loop *loop, const int *numbers, size_t n)
{
        int r = 0;

        if (!loop->signals) {
                loop->signals = calloc(1, sizeof(*loop->signals));
                if (!loop->signals)
                        return -ENOMEM;
                list_init(&loop->signals->line);
        }
        for (size_t i = 0; i < n && r == 0; i++) {
                if (numbers[i] == SIGINT)
                        forget_interrupt(loop);
                r = watch(loop, numbers[i]);
        }
        return r;
}

static int take_arrived(struct pen_loop *loop, const int *numbers, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct signal_watch *w = find(loop->signals, numbers[i]);

                if (w->arrived) {
                        w->arrived = false;
                        return w->signo;
                }
        }
        return 0;
}

int pen_signal_wait(const int *signals, size_t n)
{
        struct pen_loop *loop = current_loop;
        int r, signo;

        if (!loop)
                return -EDEADLK;
        if (!in_main_thread())
                return -EPERM;
        r = task_checkpoint(loop->current);
        if (r == 0)
                r = watch_all(loop, signals, n);
        while (r == 0) {
                signo = take_arrived(loop, signals, n);
                if (signo > 0)
                        return signo;
                loop->n_events++;
                r = waiters_wait(&loop->signals->line, loop->current, "a signal", NULL);
                loop->n_events--;
        }
        return r;
}

void loop_signals_free(struct pen_loop *loop)
{
        struct signal_watch *w;

        forget_interrupt(loop);
        if (!loop->signals)
                return;
        while ((w = loop->signals->first)) {
                loop->signals->first = w->next;
                event_free(w->event);
                free(w);
        }
        free(loop->signals);
}
