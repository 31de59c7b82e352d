#include "world.h"

#include <alloca.h>
#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <async/stack.h>
#include <penstock/gen.h>

#define SIZE STACK_SIZE_DEFAULT

/* Dies by SIGSEGV at the lowest byte of what lies below the stack, and at the highest. */
static bool is_guarded(struct stack *stack)
{
        char *places[] = { stack->low - STACK_GUARD, stack->low - 1 };
        unsigned died = 0;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                pid_t pid = fork();
                int status;

                if (pid == 0) {
                        signal(SIGSEGV, SIG_DFL);
                        *(volatile char *)places[i] = 1;
                        _exit(0);
                }
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                died += WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
        }
        ck_assert(died == 0 || died == ARRAY_SIZE(places));
        return died > 0;
}

static size_t usable(const struct stack *stack)
{
        return (size_t)(stack->top - stack->low);
}

START_TEST(stack_given_back_is_used_again)
{
        struct stack_pool pool;
        struct stack *a, *b, *again;

        stack_pool_init(&pool, 0);
        ck_assert_int_eq(stack_acquire(&pool, 0, &a), 0);
        ck_assert_int_eq(stack_acquire(&pool, SIZE, &b), 0);
        ck_assert_ptr_ne(a, b);
        ck_assert_uint_eq(usable(a), SIZE);
        ck_assert(a->top <= b->low - STACK_GUARD || b->top <= a->low - STACK_GUARD);
        memset(a->low, 1, SIZE);
        stack_release(&pool, a);
        ck_assert_uint_eq(pool.n_warm, 1);
        ck_assert_int_eq(stack_acquire(&pool, 0, &again), 0);
        ck_assert_ptr_eq(again, a);
        ck_assert_uint_eq(pool.n_warm, 0);
        ck_assert_int_eq(a->low[0], 0);  /* its pages were dropped */
        ck_assert_int_eq(a->top[-1], 1); /* but for the first */
        stack_release(&pool, a);
        stack_release(&pool, b);
        stack_pool_deinit(&pool);
}
END_TEST

START_TEST(not_every_free_stack_stays_warm)
{
        struct stack *stacks[1000];
        struct stack_pool pool;
        size_t n_dropped = 0;

        stack_pool_init(&pool, 0);
        for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
                ck_assert_int_eq(stack_acquire(&pool, 0, &stacks[i]), 0);
                stacks[i]->top[-1] = 1;
        }
        for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
                stack_release(&pool, stacks[i]);
        ck_assert_uint_gt(pool.n_warm, 0);
        ck_assert_uint_lt(pool.n_warm, ARRAY_SIZE(stacks));
        for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
                n_dropped += stacks[i]->top[-1] == 0;
        ck_assert_uint_eq(n_dropped, ARRAY_SIZE(stacks) - pool.n_warm);
        for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
                ck_assert_int_eq(stack_acquire(&pool, 0, &stacks[i]), 0);
        ck_assert_uint_eq(pool.n_warm, 0);
        stack_pool_deinit(&pool);
}
END_TEST

START_TEST(other_sizes_are_rounded_up_and_not_pooled)
{
        static const size_t sizes[] = { 1, STACK_SIZE_MIN, 100000, 1 << 20 };
        struct stack_pool pool;
        struct stack *stack;

        stack_pool_init(&pool, 0);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                ck_assert_int_eq(stack_acquire(&pool, sizes[i], &stack), 0);
                ck_assert_uint_ge(usable(stack), MAX(sizes[i], STACK_SIZE_MIN));
                memset(stack->low, 1, usable(stack));
                ck_assert(is_guarded(stack));
                stack_release(&pool, stack);
        }
        ck_assert_uint_eq(pool.n_warm, 0);
        ck_assert(list_empty(&pool.slabs));
        ck_assert_int_eq(stack_acquire(&pool, SIZE_MAX, &stack), -ENOMEM);
        stack_pool_deinit(&pool);

        stack_pool_init(&pool, 1);
        ck_assert_uint_ge(pool.size, STACK_SIZE_MIN);
        stack_pool_deinit(&pool);

        for (size_t size = SIZE_MAX; size > (size_t)1 << 48; size >>= 1) {
                stack_pool_init(&pool, size);
                ck_assert_int_eq(stack_acquire(&pool, 0, &stack), -ENOMEM);
                stack_pool_deinit(&pool);
        }
}
END_TEST

START_TEST(guards_are_the_kernels_or_mappings_or_a_canary)
{
        struct stack_pool pool;
        struct stack *stack;

        stack_pool_init(&pool, 0);
        ck_assert_int_eq(stack_acquire(&pool, 0, &stack), 0);
        ck_assert(stack->guarded);
        ck_assert(is_guarded(stack));
        ck_assert(!pool.kernel_guards || pool.n_guards == 0);
        stack_release(&pool, stack);
        stack_pool_deinit(&pool);

        stack_pool_init(&pool, 0);
        pool.kernel_guards = false;
        ck_assert_int_eq(stack_acquire(&pool, 0, &stack), 0);
        ck_assert(stack->guarded);
        ck_assert(is_guarded(stack));
        ck_assert_uint_gt(pool.n_guards, 0);
        stack_release(&pool, stack);
        stack_pool_deinit(&pool);

        stack_pool_init(&pool, 0);
        pool.kernel_guards = false;
        pool.max_guards = 0;
        ck_assert_int_eq(stack_acquire(&pool, 0, &stack), 0);
        ck_assert(!stack->guarded);
        ck_assert(!is_guarded(stack));
        ck_assert(stack_intact(stack));
        stack->low[0] = 1;
        ck_assert(!stack_intact(stack));
        stack_release(&pool, stack);
        ck_assert_int_eq(stack_acquire(&pool, 0, &stack), 0);
        ck_assert(stack_intact(stack)); /* cleaned */
        stack_release(&pool, stack);
        stack_pool_deinit(&pool);
}
END_TEST

/* Whether the kernel says `flag` of the mapping that `address` is in. */
static bool mapping_has(const char *address, const char *flag)
{
        FILE *smaps = fopen("/proc/self/smaps", "re");
        unsigned long first, end;
        bool there = false, has = false;
        char line[512];

        ck_assert_ptr_nonnull(smaps);
        while (fgets(line, sizeof(line), smaps)) {
                if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
                        there = (uintptr_t)address >= first && (uintptr_t)address < end;
                else if (there && strncmp(line, "VmFlags:", 8) == 0)
                        has = strstr(line, flag) != NULL;
        }
        fclose(smaps);
        return has;
}

/* Not one by one: a huge page would span many, and each cost as much as it is long. */
START_TEST(stacks_are_kept_from_huge_pages_guarded_or_not)
{
        struct stack *stacks[3];
        struct stack_pool pool;

        for (int guarded = 0; guarded < 2; guarded++) {
                stack_pool_init(&pool, 0);
                if (!guarded) {
                        pool.kernel_guards = false;
                        pool.max_guards = 0;
                }
                for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
                        ck_assert_int_eq(
                                stack_acquire(&pool, i == 2 ? (size_t)4 << 20 : 0, &stacks[i]), 0);
                        ck_assert(stacks[i]->guarded == guarded);
                        ck_assert(mapping_has(stacks[i]->low, " nh"));
                        ck_assert(mapping_has(stacks[i]->top - 1, " nh"));
                }
                for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
                        stack_release(&pool, stacks[i]);
                stack_pool_deinit(&pool);
        }
}
END_TEST

START_TEST(mappings_for_guards_are_counted_and_given_back)
{
        struct stack_pool pool;
        struct stack *big;

        stack_pool_init(&pool, 0);
        pool.kernel_guards = false;
        pool.max_guards = 1;
        for (int i = 0; i < 3; i++) {
                struct stack *unguarded;

                ck_assert_int_eq(stack_acquire(&pool, 1 << 20, &big), 0);
                ck_assert(big->guarded);
                ck_assert_int_eq(stack_acquire(&pool, 1 << 20, &unguarded), 0);
                ck_assert(!unguarded->guarded);
                stack_release(&pool, unguarded);
                stack_release(&pool, big);
        }
        ck_assert_uint_eq(pool.n_guards, 0);
        stack_pool_deinit(&pool);
}
END_TEST

/* --- overflowing ------------------------------------------------------------------------------ */

static __attribute__((noinline)) int recurse(int depth)
{
        char frame[1024];
        int r;

        __asm__ volatile("" : : "r"(frame) : "memory"); /* each call needs its own */
        r = depth > 0 ? recurse(depth - 1) : pen_yield();
        __asm__ volatile("" : : "r"(frame) : "memory");
        return r;
}

static int recurse_too_deep(void *world)
{
        (void)world;
        return recurse(1000); /* a megabyte */
}

static int write_the_lowest_word(void *world)
{
        (void)world;
        *(uint64_t *)pen_task_current()->stack->low = 1;
        return pen_yield();
}

static int recurse_in_body(struct pen_gen *gen, void *world)
{
        (void)gen;
        return recurse_too_deep(world);
}

static int write_and_yield(struct pen_gen *gen, void *world)
{
        (void)world;
        *(uint64_t *)pen_task_current()->stack->low = 1;
        return pen_gen_yield(gen, NULL);
}

static int ask(int (*body)(struct pen_gen *gen, void *arg))
{
        PEN_CLEANUP(pen_gen_freep) struct pen_gen *gen = NULL;
        void *item;

        ck_assert_int_eq(pen_gen_create(body, NULL, &gen), 0);
        return pen_gen_next(gen, &item);
}

static int recurse_in_generator(void *world)
{
        (void)world;
        return ask(recurse_in_body);
}

static int write_the_lowest_word_in_generator(void *world)
{
        (void)world;
        return ask(write_and_yield);
}

static int write_the_lowest_word_and_ask(void *world)
{
        (void)world;
        *(uint64_t *)pen_task_current()->stack->low = 1;
        return ask(recurse_in_body);
}

#define NO_GUARDS 0
#define ALL_GUARDS SIZE_MAX

static void limit_guards(struct stack_pool *pool, size_t n)
{
        pool->kernel_guards &= n == ALL_GUARDS;
        pool->max_guards = MIN(n, pool->max_guards);
}

/* The signal that a task of a child process dies by. */
static int signal_of(int (*fn)(void *world), size_t n_guards)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                struct world w;

                signal(SIGSEGV, SIG_DFL);
                world_init(&w);
                limit_guards(&w.loop->stacks, n_guards);
                world_spawn(&w, fn);
                world_run_until_idle(&w);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(overflow_dies_at_the_guard_or_is_found_at_the_switch)
{
        ck_assert_int_eq(signal_of(recurse_too_deep, ALL_GUARDS), SIGSEGV);
        ck_assert_int_eq(signal_of(write_the_lowest_word, ALL_GUARDS), 0);
        ck_assert_int_eq(signal_of(write_the_lowest_word, NO_GUARDS), SIGABRT);
        ck_assert_int_eq(signal_of(recurse_in_generator, ALL_GUARDS), SIGSEGV);
        ck_assert_int_eq(signal_of(write_the_lowest_word_in_generator, ALL_GUARDS), 0);
        ck_assert_int_eq(signal_of(write_the_lowest_word_in_generator, NO_GUARDS), SIGABRT);
        ck_assert_int_eq(signal_of(write_the_lowest_word_and_ask, NO_GUARDS), SIGABRT);
}
END_TEST

/* Sanitizers and Valgrind look at faults themselves, and say something else. */
static bool checker_rules_faults(void)
{
#if defined(PEN_ASAN) || defined(PEN_TSAN)
        return true;
#else
        return under_valgrind();
#endif
}

static const char skipped[] =
        "the checker that this runs under handles faults itself: not asserted\n";

/* What a child process says on standard error when its task `name` dies by the signal. `n_guards`
 * of its stacks have one; there are so many and a few more. */
static void last_words_of(const char *name, int (*fn)(void *world), size_t n_guards, int signo,
                          char *words, size_t size)
{
        size_t n = 0;
        ssize_t got;
        int ends[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
                struct world w;

                dup2(ends[1], STDERR_FILENO);
                close(ends[0]);
                close(ends[1]);
                signal(SIGSEGV, SIG_DFL);
                world_init(&w);
                w.loop->options.log = NULL; /* standard error */
                limit_guards(&w.loop->stacks, n_guards);
                for (size_t i = 0; n_guards != ALL_GUARDS && i < n_guards + 10; i++)
                        world_spawn(&w, sleep_forever);
                world_spawn_named(&w, "innocent", sleep_forever);
                world_spawn_named(&w, name, fn);
                world_run_until_idle(&w);
                _exit(0);
        }
        close(ends[1]);
        while (n < size - 1 && (got = read(ends[0], words + n, size - 1 - n)) > 0)
                n += (size_t)got;
        words[n] = '\0';
        close(ends[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), signo);
}

START_TEST(overflow_is_reported_with_the_name_of_the_task)
{
        char words[4096];

        if (checker_rules_faults()) {
                fputs(skipped, stderr);
                return;
        }
        last_words_of("digger", recurse_too_deep, ALL_GUARDS, SIGSEGV, words, sizeof(words));
        ck_assert_str_eq(words,
                         "penstock: task digger has run past the end of its stack of 64 KiB\n");
        last_words_of(NULL, recurse_too_deep, ALL_GUARDS, SIGSEGV, words, sizeof(words));
        ck_assert_str_eq(words,
                         "penstock: task task-2 has run past the end of its stack of 64 KiB\n");
}
END_TEST

/* Uses 20 KiB more than there are, all of it, and comes back: no neighbour is hurt. */
static int dig(void *world)
{
        char hole[SIZE + 20 * 1024];

        (void)world;
        memset(hole, 'x', sizeof(hole));
        __asm__ volatile("" : : "r"(hole) : "memory");
        return 0;
}

static int dig_and_yield(void *world)
{
        int r = dig(world);

        return r < 0 ? r : pen_yield();
}

START_TEST(overflow_in_a_generator_is_reported_with_the_name_of_the_task)
{
        char words[4096];

        if (checker_rules_faults()) {
                fputs(skipped, stderr);
                return;
        }
        last_words_of("digger", recurse_in_generator, ALL_GUARDS, SIGSEGV, words, sizeof(words));
        ck_assert_str_eq(words,
                         "penstock: task digger has run past the end of its stack of 64 KiB\n");
}
END_TEST

START_TEST(past_the_guards_an_overflow_is_found_and_named_at_the_next_switch)
{
        char words[4096];

        if (checker_rules_faults()) {
                fputs(skipped, stderr);
                return;
        }
        last_words_of("digger", dig_and_yield, 100, SIGABRT, words, sizeof(words));
        ck_assert_str_eq(words,
                         "penstock: task digger has run past the end of its stack of 64 KiB\n");
        last_words_of(NULL, dig_and_yield, NO_GUARDS, SIGABRT, words, sizeof(words));
        ck_assert_str_eq(words,
                         "penstock: task task-12 has run past the end of its stack of 64 KiB\n");
        last_words_of("digger", dig, NO_GUARDS, SIGABRT, words, sizeof(words)); /* its last */
        ck_assert_str_eq(words,
                         "penstock: task digger has run past the end of its stack of 64 KiB\n");
}
END_TEST

static int write_where_nothing_may_be_written(void *world)
{
        char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        (void)world;
        *(volatile char *)page = 1;
        return 0;
}

START_TEST(other_faults_are_not_called_an_overflow)
{
        char words[4096];

        if (checker_rules_faults()) {
                fputs(skipped, stderr);
                return;
        }
        last_words_of("stray", write_where_nothing_may_be_written, ALL_GUARDS, SIGSEGV, words,
                      sizeof(words));
        ck_assert_str_eq(words, "");
}
END_TEST

static void handle_fault(int signo)
{
        (void)signo;
        _exit(3);
}

START_TEST(handler_for_faults_that_somebody_has_set_stays)
{
        struct sigaction now;
        struct world w;

        signal(SIGSEGV, handle_fault);
        world_init(&w);
        ck_assert_int_eq(sigaction(SIGSEGV, NULL, &now), 0);
        ck_assert(now.sa_handler == handle_fault);
        world_deinit(&w);
        signal(SIGSEGV, SIG_DFL);
}
END_TEST

/* --- switching -------------------------------------------------------------------------------- */

static int round_my_way(void *mode)
{
        volatile double one = 1, three = 3;
        double third;

        ck_assert_int_eq(fegetround(), FE_TONEAREST);
        ck_assert_int_eq(fesetround(*(int *)mode), 0);
        third = one / three;
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pen_yield(), 0);
                ck_assert_int_eq(fegetround(), *(int *)mode);
                ck_assert(one / three == third);
        }
        return 1;
}

START_TEST(each_task_rounds_its_own_way)
{
        int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TONEAREST, FE_TOWARDZERO };
        struct pen_task *tasks[ARRAY_SIZE(modes)];
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                tasks[i] = world_spawn_arg(&w, round_my_way, &modes[i]);
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                ck_assert_int_eq(pen_task_result(tasks[i]), 1);
        ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

/* More values alive across the switch than there are registers. */
static int remember(void *seed)
{
        uint64_t v[12], s = *(uint64_t *)seed;

        for (size_t i = 0; i < ARRAY_SIZE(v); i++)
                v[i] = s += 0x9e3779b97f4a7c15;
        for (int round = 0; round < 50; round++) {
                uint64_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6];
                double x = (double)(v[7] >> 12), y = (double)(v[8] >> 12);

                __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
                ck_assert_int_eq(pen_yield(), 0);
                __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
                ck_assert(a == v[0] && b == v[1] && c == v[2] && d == v[3] && e == v[4]);
                ck_assert(f == v[5] && g == v[6]);
                ck_assert(x == (double)(v[7] >> 12) && y == (double)(v[8] >> 12));
                v[round % 7] += s;
        }
        return 1;
}

START_TEST(registers_survive_a_switch)
{
        uint64_t seeds[16];
        struct pen_task *tasks[ARRAY_SIZE(seeds)];
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
                seeds[i] = i * 77;
                tasks[i] = world_spawn_arg(&w, remember, &seeds[i]);
        }
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
                ck_assert_int_eq(pen_task_result(tasks[i]), 1);
}
END_TEST

static int look_at_alignment(void *world)
{
        char place[64] __attribute__((aligned(16)));

        (void)world;
        __asm__ volatile("" : : "r"(place) : "memory");
        return (uintptr_t)__builtin_frame_address(0) % 16 == 0 && (uintptr_t)place % 16 == 0;
}

START_TEST(stack_is_aligned_at_the_first_call)
{
        struct pen_task *tasks[10];
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                tasks[i] = world_spawn(&w, look_at_alignment);
        world_run_until_idle(&w);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(pen_task_result(tasks[i]), 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE("stack", stack_given_back_is_used_again, not_every_free_stack_stays_warm,
                         other_sizes_are_rounded_up_and_not_pooled,
                         guards_are_the_kernels_or_mappings_or_a_canary,
                         stacks_are_kept_from_huge_pages_guarded_or_not,
                         mappings_for_guards_are_counted_and_given_back,
                         overflow_dies_at_the_guard_or_is_found_at_the_switch,
                         overflow_is_reported_with_the_name_of_the_task,
                         overflow_in_a_generator_is_reported_with_the_name_of_the_task,
                         past_the_guards_an_overflow_is_found_and_named_at_the_next_switch,
                         other_faults_are_not_called_an_overflow,
                         handler_for_faults_that_somebody_has_set_stays,
                         each_task_rounds_its_own_way, registers_survive_a_switch,
                         stack_is_aligned_at_the_first_call);
}
