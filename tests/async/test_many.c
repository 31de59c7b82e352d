/* Many tasks, many items: the bench says how fast and in how little; here it is that it holds. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/queue.h>
#include <penstock/sync.h>

static size_t kib_of(const char *field)
{
        FILE *f = fopen("/proc/self/status", "re");
        char line[256];
        size_t kib = 0;

        while (fgets(line, sizeof(line), f))
                if (strncmp(line, field, strlen(field)) == 0)
                        kib = strtoul(line + strlen(field) + 1, NULL, 10);
        fclose(f);
        return kib;
}

static size_t mappings(void)
{
        FILE *f = fopen("/proc/self/maps", "re");
        size_t n = 0;

        for (int c = getc(f); c != EOF; c = getc(f))
                n += c == '\n';
        fclose(f);
        return n;
}

/* --- asleep ----------------------------------------------------------------------------------- */

struct sleepers {
        struct world w;
        uint64_t n_begun, n_intact;
};

/* Holds values that only its own stack has, across two sleeps. */
static int sleep_with_locals(void *sleepers)
{
        struct sleepers *s = sleepers;
        uint64_t number = s->n_begun++, locals[16];
        size_t n_intact = 0;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(locals); i++)
                locals[i] = number * ARRAY_SIZE(locals) + i;
        __asm__ volatile("" : : "r"(locals) : "memory");
        r = pen_sleep(PEN_SEC);
        if (r == 0)
                r = pen_sleep(1 + number % 1000);
        __asm__ volatile("" : : "r"(locals) : "memory");
        for (size_t i = 0; i < ARRAY_SIZE(locals); i++)
                n_intact += locals[i] == number * ARRAY_SIZE(locals) + i;
        s->n_intact += n_intact == ARRAY_SIZE(locals);
        return r;
}

static void sleep_side_by_side(size_t n, bool kernel_guards)
{
        struct sleepers s = { 0 };
        size_t resident = kib_of("VmRSS:"), n_guarded = 0;

        world_init(&s.w);
        s.w.loop->stacks.kernel_guards &= kernel_guards;
        for (size_t i = 0; i < n; i++)
                world_spawn_arg(&s.w, sleep_with_locals, &s);
        world_advance(&s.w, PEN_SEC - 1);
        ck_assert_uint_eq(s.n_begun, n);
        ck_assert_uint_eq(s.w.loop->n_tasks, n);
        ck_assert_uint_eq(s.w.loop->timers.n, n);

        resident = kib_of("VmRSS:") - resident;
        list_for_each(i, &s.w.loop->tasks)
                n_guarded += list_entry(i, struct pen_task, link)->stack->guarded;
        printf("%zu tasks asleep, %zu of them guarded: %zu mappings, %zu bytes each\n", n,
               n_guarded, mappings(), resident * 1024 / n);
#if !defined(PEN_ASAN) && !defined(PEN_TSAN)
        if (!under_valgrind())
                ck_assert_uint_lt(resident * 1024 / n, 3 * 4700);
#endif
        world_advance(&s.w, PEN_SEC);
        ck_assert_uint_eq(s.w.loop->n_tasks, 0);
        ck_assert_uint_eq(s.n_intact, n);
        world_deinit(&s.w);
}

START_TEST(a_hundred_thousand_tasks_sleep_at_once_and_keep_their_locals)
{
        sleep_side_by_side(many(100000, 2000), true);
}
END_TEST

/* As on kernels before 6.13: more than there can be mappings for guards. */
START_TEST(so_do_they_where_guards_cost_mappings)
{
        sleep_side_by_side(many(100000, 2000), false);
}
END_TEST

static int sleep_a_second(void *world)
{
        (void)world;
        return pen_sleep(PEN_SEC);
}

START_TEST(many_tasks_come_and_go_in_little_room)
{
        PEN_CLEANUP(world_deinit) struct world w;
        size_t n_slabs = 0;

        world_init(&w);
        for (size_t i = 0; i < many(100000, 5000); i++) {
                struct pen_task *t;

                ck_assert_int_eq(pen_spawn(sleep_a_second, &w, &t), 0);
                pen_task_cancel(t);
                pen_task_unref(t);
                world_run_until_idle(&w);
        }
        list_for_each(i, &w.loop->stacks.slabs)
                n_slabs++;
        ck_assert_uint_eq(n_slabs, 1);
}
END_TEST

/* --- items ------------------------------------------------------------------------------------ */

#define N_CONSUMERS 1000

struct flow {
        struct world w;
        size_t n_items, n_consumers_of_any;
        unsigned char *times_done;
        bool joined;
};

static int consume(void *flow)
{
        struct flow *f = flow;
        size_t n = 0;
        void *item;
        int r;

        while ((r = pen_queue_get(f->w.queue, &item)) == 0) {
                n++;
                ck_assert_int_eq(pen_yield(), 0); /* it is worked on: others get others */
                f->times_done[(uintptr_t)item - 1]++;
                ck_assert_int_eq(pen_queue_task_done(f->w.queue), 0);
        }
        f->n_consumers_of_any += n > 0;
        return r;
}

static int produce(void *flow)
{
        struct flow *f = flow;

        for (uintptr_t i = 1; i <= f->n_items; i++)
                ck_assert_int_eq(pen_queue_put(f->w.queue, (void *)i), 0);
        ck_assert_int_eq(pen_queue_join(f->w.queue), 0);
        for (size_t i = 0; i < f->n_items; i++)
                ck_assert_uint_eq(f->times_done[i], 1);
        f->joined = true;
        pen_queue_shutdown(f->w.queue, false);
        return 0;
}

START_TEST(a_million_items_pass_a_thousand_consumers_each_once)
{
        struct flow f = { .n_items = many(1000000, 20000) };

        f.times_done = calloc(f.n_items, 1);
        world_init(&f.w);
        ck_assert_int_eq(pen_queue_create(N_CONSUMERS, NULL, &f.w.queue), 0);
        for (size_t i = 0; i < N_CONSUMERS; i++)
                world_spawn_arg(&f.w, consume, &f);
        world_spawn_arg(&f.w, produce, &f);
        world_run_until_idle(&f.w);
        ck_assert(f.joined);
        ck_assert_uint_eq(f.w.loop->n_tasks, 0);
        for (size_t i = 0; i < N_CONSUMERS; i++)
                ck_assert_int_eq(pen_task_result(f.w.tasks[i]), -EPIPE);
        ck_assert_uint_eq(f.n_consumers_of_any, N_CONSUMERS);
        ck_assert_int_eq(pen_queue_task_done(f.w.queue), -EINVAL);
        world_deinit(&f.w);
        free(f.times_done);
}
END_TEST

int main(void)
{
        return RUN_SUITE("many", a_hundred_thousand_tasks_sleep_at_once_and_keep_their_locals,
                         so_do_they_where_guards_cost_mappings,
                         many_tasks_come_and_go_in_little_room,
                         a_million_items_pass_a_thousand_consumers_each_once);
}
