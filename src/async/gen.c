/* A body runs on a stack of its own, as the task that asks for the next item: meanwhile that task's
 * context and stack are the body's. So whatever befalls the task there (it suspends, it asks for the
 * thread's stack, it overflows) befalls the right stack, and nobody else need know of generators.
 */
#include <penstock/gen.h>

#include <errno.h>

#include <async/loop.h>

struct pen_gen {
        struct pen_loop *loop;
        struct list link; /* among the loop's, as long as it has a stack */
        int (*fn)(struct pen_gen *gen, void *arg);
        void *arg;
        int result;

        enum {
                GEN_NEW,
                GEN_BEGUN,
                GEN_ENDED,
        } state;
        struct stack *stack;    /* NULL: ended */
        struct context context; /* of the body, while it stands at a yield */
        void *item;
        struct {
                struct context context;
                struct stack *stack;
        } caller; /* who is in `next`: where it goes on after a yield */

        bool closing;           /* no item is handed over any more */
        bool orphaned;          /* freed where nobody can wait for the body, nor be made to */
        struct pen_task *task;  /* that the body runs as */
        struct pen_task *freer; /* waits until no task is in it */
};

int pen_gen_create(int (*fn)(struct pen_gen *gen, void *arg), void *arg, struct pen_gen **ret_gen)
{
        struct pen_loop *loop = current_loop;
        struct pen_gen *gen;
        int r;

        if (!loop)
                return -ENXIO;
        gen = malloc(sizeof(*gen));
        if (!gen)
                return -ENOMEM;
        *gen = (struct pen_gen){ .loop = loop, .fn = fn, .arg = arg };
        r = stack_acquire(&loop->stacks, 0, &gen->stack);
        if (r < 0) {
                free(gen);
                return r;
        }
        list_append(&loop->generators, &gen->link);
        *ret_gen = gen;
        return 0;
}

static void give_stack_back(struct pen_gen *gen)
{
        if (gen->state != GEN_NEW)
                context_deinit(&gen->context);
        gen->state = GEN_ENDED;
        list_remove(&gen->link);
        stack_release(&gen->loop->stacks, TAKE(gen->stack));
}

/* --- to the body and back ----------------------------------------------------------------------- */

static void gen_main(void *arg)
{
        struct pen_gen *gen = arg;

        context_arrived(&gen->context);
        gen->result = gen->fn(gen, gen->arg);
        gen->state = GEN_ENDED;
        context_leave(&gen->context, &gen->caller.context);
}

static void gen_begin(struct pen_gen *gen)
{
        context_init(&gen->context, gen->stack->low, stack_start(gen->stack, 0), gen_main, gen);
        gen->state = GEN_BEGUN;
}

/* The task goes on in the body, on that one's stack. */
static void gen_enter(struct pen_gen *gen, struct pen_task *task)
{
        if (gen->state == GEN_NEW)
                gen_begin(gen);
        task_check_stack(task);
        gen->task = task;
        gen->caller.context = task->context;
        gen->caller.stack = task->stack;
        task->context = gen->context;
        task->stack = gen->stack;
}

/* It is back from there. Answers what `next` does. */
static int gen_leave(struct pen_gen *gen, void **ret_item)
{
        struct pen_task *task = TAKE(gen->task);

        task_check_stack(task);
        task->stack = gen->caller.stack;
        task->context = gen->caller.context;
        if (gen->freer)
                task_wake(gen->freer);
        if (gen->state == GEN_ENDED) {
                give_stack_back(gen);
                return MIN(gen->result, 0);
        }
        *ret_item = gen->item;
        return 1;
}

/* Changes stacks, either way. Both ends come here by a jump and go on where they came from: the
 * processor's return stack, which knows nothing of this, is then wrong about the last return alone. */
static __attribute__((noinline)) int gen_cross(struct pen_gen *gen, struct context *from,
                                               struct context *to, void **ret_item)
{
        context_switch(from, to);
        if (from != &gen->context)
                return gen_leave(gen, ret_item);
        return gen->closing ? -ECANCELED : 0;
}

static int gen_run(struct pen_gen *gen, struct pen_task *task, void **ret_item)
{
        gen_enter(gen, task);
        return gen_cross(gen, &gen->caller.context, &gen->context, ret_item);
}

int pen_gen_next(struct pen_gen *gen, void **ret_item)
{
        struct pen_task *task = pen_task_current();
        int r;

        if (!task)
                return -EDEADLK;
        if (gen->task)
                return -EBUSY;
        r = gen->state == GEN_NEW ? 0 : task_checkpoint(task);
        if (r < 0 || gen->state == GEN_ENDED)
                return r;
        return gen_run(gen, task, ret_item);
}

int pen_gen_yield(struct pen_gen *gen, void *item)
{
        struct pen_task *task = pen_task_current();

        if (!task || task->stack != gen->stack)
                return -EPERM;
        if (gen->closing)
                return -ECANCELED;
        gen->item = item;
        return gen_cross(gen, &gen->context, &gen->caller.context, NULL);
}

/* --- the end ------------------------------------------------------------------------------------ */

/* Sees the body to its end, and whoever is in it out. `task` may be NULL if it has not begun. */
static void gen_close(struct pen_gen *gen, struct pen_task *task)
{
        gen->closing = true;
        gen->freer = task;
        pen_uncancellable_begin();
        while (gen->task)
                (void)task_suspend(task, "a generator's end");
        if (gen->state == GEN_BEGUN)
                (void)gen_run(gen, task, &gen->item);
        pen_uncancellable_end();
        if (gen->stack)
                give_stack_back(gen);
}

static int free_orphan(void *gen)
{
        pen_gen_free(gen);
        return 0;
}

void pen_gen_free(struct pen_gen *gen)
{
        struct pen_task *task = pen_task_current();

        if (!gen)
                return;
        if (gen->state == GEN_BEGUN && !task) {
                gen->orphaned = pen_spawn(free_orphan, gen, NULL) < 0; /* at the loop's end, then */
                return;
        }
        gen_close(gen, task);
        free(gen);
}

void pen_gen_freep(struct pen_gen **gen)
{
        pen_gen_free(*gen);
}

static struct pen_gen *first_of(struct pen_loop *loop)
{
        return list_empty(&loop->generators) ? NULL
                                             : list_first(&loop->generators, struct pen_gen, link);
}

/* Only while nobody else lives: a body may spawn in its cleanup, and those have generators in use. */
static int close_first(void *loop)
{
        struct pen_task *self = pen_task_current();
        struct pen_gen *gen = self->loop->n_tasks == 1 ? first_of(loop) : NULL;

        if (!gen)
                return 0;
        gen_close(gen, self);
        if (gen->orphaned)
                free(gen);
        return 0;
}

bool loop_generators_close(struct pen_loop *loop)
{
        return first_of(loop) && pen_spawn(close_first, loop, NULL) == 0;
}

void loop_generators_free(struct pen_loop *loop)
{
        struct pen_gen *gen;

        while ((gen = first_of(loop))) {
                give_stack_back(gen);
                if (gen->orphaned)
                        free(gen);
        }
}
