#include "world.h"

#include <errno.h>

#include <penstock/sync.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

struct site {
        struct world w;
        struct pen_barrier *barrier;
};

static struct site site(size_t parties)
{
        struct site site = { 0 };

        world_init(&site.w);
        ck_assert_int_eq(pen_barrier_create(parties, &site.barrier), 0);
        return site;
}

static void site_deinit(struct site *site)
{
        world_deinit(&site->w);
        pen_barrier_freep(&site->barrier);
}

/* Says its name and its place, or `!`. */
static int arrive(void *arg)
{
        struct site *site = arg;
        int r = pen_barrier_wait(site->barrier);

        if (r < 0)
                world_say(&site->w, "%s! ", ME);
        else
                world_say(&site->w, "%s%d ", ME, r);
        return r;
}

/* Tasks named by the letters of `names`. */
static void let_arrive(struct site *site, const char *names)
{
        for (; *names; names++)
                world_spawn_named(&site->w, (char[]){ *names, 0 }, arrive);
        world_run_until_idle(&site->w);
}

static void expect(struct site *site, const char *trace, size_t waiting)
{
        world_run_until_idle(&site->w);
        ck_assert_str_eq(site->w.trace, trace);
        ck_assert_uint_eq(pen_barrier_waiting(site->barrier), waiting);
        site->w.trace[0] = 0;
}

/* --- rounds ----------------------------------------------------------------------------------- */

START_TEST(all_go_on_when_the_last_has_come)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);

        ck_assert_uint_eq(pen_barrier_parties(s.barrier), 3);
        let_arrive(&s, "a");
        expect(&s, "", 1);
        let_arrive(&s, "b");
        expect(&s, "", 2);
        let_arrive(&s, "c");
        expect(&s, "c2 a0 b1 ", 0);
        ck_assert(!pen_barrier_broken(s.barrier));
}
END_TEST

START_TEST(barrier_is_ready_for_the_next_round)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        let_arrive(&s, "abcde");
        expect(&s, "b1 d1 a0 c0 ", 1);
        let_arrive(&s, "f");
        expect(&s, "f1 e0 ", 0);
}
END_TEST

START_TEST(barrier_for_one_holds_nobody)
{
        PEN_CLEANUP(site_deinit) struct site s = site(1);

        ck_assert_int_eq(pen_barrier_wait(s.barrier), 0); /* not even outside of a task */
        let_arrive(&s, "ab");
        expect(&s, "a0 b0 ", 0);
}
END_TEST

static int arrive_twice(void *arg)
{
        struct site *site = arg;
        int r = arrive(site);

        return r < 0 ? r : arrive(site);
}

START_TEST(who_is_back_before_the_others_have_gone_on_is_in_the_next_round)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);

        world_spawn_named(&s.w, "a", arrive_twice);
        world_spawn_named(&s.w, "b", arrive_twice);
        world_spawn_named(&s.w, "c", arrive_twice); /* back at once: a and b have not run yet */
        expect(&s, "c2 a0 b1 b2 c0 a1 ", 0);
}
END_TEST

START_TEST(outside_of_a_task_nobody_waits)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        ck_assert_int_eq(pen_barrier_wait(s.barrier), -EDEADLK);
        ck_assert_uint_eq(pen_barrier_waiting(s.barrier), 0);
        let_arrive(&s, "a");
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 1); /* need not */
        expect(&s, "a0 ", 0);
}
END_TEST

START_TEST(parties_are_one_at_least)
{
        struct pen_barrier *barrier = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        ck_assert_int_eq(pen_barrier_create(1, &barrier), -ENXIO);
        world_init(&w);
        ck_assert_int_eq(pen_barrier_create(0, &barrier), -EINVAL);
        ck_assert_int_eq(pen_barrier_create(SIZE_MAX, &barrier), -EINVAL);
        ck_assert_ptr_null(barrier);
        pen_barrier_free(barrier);
        pen_barrier_freep(&barrier);
}
END_TEST

/* --- cancelled -------------------------------------------------------------------------------- */

START_TEST(cancelled_while_filling_waits_no_more_and_the_others_do)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);

        let_arrive(&s, "ab");
        pen_task_cancel(s.w.tasks[0]);
        expect(&s, "a! ", 1);
        ck_assert_int_eq(pen_task_result(s.w.tasks[0]), -ECANCELED);
        let_arrive(&s, "c");
        expect(&s, "", 2);
        let_arrive(&s, "d");
        expect(&s, "d2 b0 c1 ", 0); /* each place once, though a had one */
}
END_TEST

/* Is cancelled when it was let go on; meets that afterwards. */
static int arrive_and_sleep(void *arg)
{
        int r = arrive(arg);

        ck_assert_int_ge(r, 0);
        return pen_sleep(1);
}

START_TEST(cancelled_when_let_go_on_passes_and_is_cancelled_then)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);
        struct pen_task *a = world_spawn_named(&s.w, "a", arrive_and_sleep);

        let_arrive(&s, "b");
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 2);
        pen_task_cancel(a);
        expect(&s, "a0 b1 ", 0);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
}
END_TEST

START_TEST(cancelled_before_the_last_has_come_but_not_run_is_of_the_round)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);
        struct pen_task *a = world_spawn_named(&s.w, "a", arrive_and_sleep);

        world_run_until_idle(&s.w);
        pen_task_cancel(a);
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 1);
        expect(&s, "a0 ", 0);
        ck_assert_int_eq(pen_task_result(a), -ECANCELED);
}
END_TEST

static int arrive_cancelled(void *arg)
{
        pen_task_cancel(pen_task_current());
        return arrive(arg);
}

START_TEST(cancelled_before_it_arrives_does_not_count)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        let_arrive(&s, "a");
        world_spawn_named(&s.w, "b", arrive_cancelled);
        expect(&s, "b! ", 1);
}
END_TEST

static int arrive_in_time(void *arg)
{
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 10);
        r = pen_timeout_end(&scope, arrive(arg));
        ck_assert_uint_eq(pen_cancelling(), 0);
        if (r >= 0)
                ck_assert_int_eq(pen_yield(), 0); /* nothing is left of the deadline */
        return r;
}

START_TEST(deadline_is_for_the_wait_and_not_for_who_was_let_go_on)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);
        struct pen_task *a = world_spawn_named(&s.w, "a", arrive_in_time), *b;

        world_advance(&s.w, 10);
        ck_assert_int_eq(pen_task_result(a), -ETIME);
        expect(&s, "a! ", 0);

        b = world_spawn_named(&s.w, "b", arrive_in_time);
        world_run_until_idle(&s.w);
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 1);
        s.w.loop->now += 10; /* it expires before b runs */
        expect(&s, "b0 ", 0);
        ck_assert_int_eq(pen_task_result(b), 0);
}
END_TEST

/* --- reset and abort -------------------------------------------------------------------------- */

START_TEST(reset_sends_away_who_waits_and_leaves_the_barrier_whole)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);

        pen_barrier_reset(s.barrier); /* of nobody */
        let_arrive(&s, "ab");
        pen_barrier_reset(s.barrier);
        ck_assert_uint_eq(pen_barrier_waiting(s.barrier), 0);
        ck_assert(!pen_barrier_broken(s.barrier));
        let_arrive(&s, "c"); /* of the new round, though a and b have not run yet */
        expect(&s, "a! b! ", 1);
        ck_assert_int_eq(pen_task_result(s.w.tasks[0]), -EPIPE);
        ck_assert_int_eq(pen_task_result(s.w.tasks[1]), -EPIPE);
        let_arrive(&s, "de");
        expect(&s, "e2 c0 d1 ", 0);
}
END_TEST

START_TEST(reset_while_some_go_on_concerns_the_next_round_alone)
{
        PEN_CLEANUP(site_deinit) struct site s = site(3);

        let_arrive(&s, "ab");
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 2); /* a and b have not run yet */
        world_spawn_named(&s.w, "c", arrive);
        pen_barrier_reset(s.barrier);
        expect(&s, "a0 b1 ", 1);
        pen_barrier_reset(s.barrier);
        expect(&s, "c! ", 0);
}
END_TEST

START_TEST(abort_sends_away_all_until_a_reset)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        let_arrive(&s, "a");
        pen_barrier_abort(s.barrier);
        ck_assert(pen_barrier_broken(s.barrier));
        let_arrive(&s, "bcd");
        expect(&s, "a! b! c! d! ", 0);
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(pen_task_result(s.w.tasks[i]), -EPIPE);
        ck_assert_int_eq(pen_barrier_wait(s.barrier), -EPIPE);
        pen_barrier_abort(s.barrier);
        ck_assert(pen_barrier_broken(s.barrier));
        pen_barrier_reset(s.barrier);
        ck_assert(!pen_barrier_broken(s.barrier));
        let_arrive(&s, "ef");
        expect(&s, "f1 e0 ", 0);
}
END_TEST

START_TEST(abort_while_some_go_on_does_not_take_their_round_away)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        let_arrive(&s, "a");
        ck_assert_int_eq(pen_barrier_wait(s.barrier), 1);
        pen_barrier_abort(s.barrier);
        expect(&s, "a0 ", 0);
}
END_TEST

static int abort_if_second(void *arg)
{
        struct site *site = arg;
        int r = arrive(site);

        if (r == 2)
                pen_barrier_abort(site->barrier);
        return r < 0 ? r : arrive(site);
}

START_TEST(who_fails_after_a_round_aborts_the_next)
{
        PEN_CLEANUP(site_deinit) struct site s = site(5);

        for (const char *name = "abcde"; *name; name++)
                world_spawn_named(&s.w, (char[]){ *name, 0 }, abort_if_second);
        /* e, a and b wait again when c aborts; d has gone on, and comes too late */
        expect(&s, "e4 a0 b1 c2 c! d3 d! e! a! b! ", 0);
}
END_TEST

START_TEST(cancelled_when_sent_away_learns_both)
{
        PEN_CLEANUP(site_deinit) struct site s = site(2);

        let_arrive(&s, "a");
        pen_barrier_abort(s.barrier);
        pen_task_cancel(s.w.tasks[0]);
        expect(&s, "a! ", 0);
        ck_assert_int_eq(pen_task_result(s.w.tasks[0]), -EPIPE);
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

#define N_TASKS 7
#define N_ROUNDS 1000

/* Tasks that come to a barrier again and again, while others are cancelled and it is reset. A round
 * ends when its last party has come, or is broken. */
struct crowd {
        struct world w;
        struct random random;
        struct pen_barrier *barrier;
        int parties, round, n_whole;
        unsigned passed[N_ROUNDS]; /* a bit for each place */
        bool broken[N_ROUNDS];
};

static void passed(struct crowd *c, int round, int place)
{
        ck_assert_int_lt(place, c->parties);
        ck_assert(!(c->passed[round] & 1u << place));
        ck_assert(!c->broken[round]);
        c->passed[round] |= 1u << place;
        if (place == c->parties - 1) {
                ck_assert_int_eq(c->round, round); /* the last one has not waited */
                c->round++;
                c->n_whole++;
        }
        ck_assert_int_gt(c->round, round); /* nobody goes on before */
}

static int come_again(void *arg)
{
        struct crowd *c = arg;
        int r;

        for (int i = 0; i < 40; i++) {
                int round = c->round;

                r = pen_barrier_wait(c->barrier);
                if (r >= 0)
                        passed(c, round, r);
                else if (r == -EPIPE)
                        ck_assert(c->broken[round]);
                else
                        ck_assert_int_eq(round, c->round); /* else it would have passed */
                if (r == -ECANCELED)                       /* goes on */
                        pen_uncancel();
                r = pen_sleep(random_below(&c->random, 3));
                if (r == -ECANCELED)
                        pen_uncancel();
        }
        return 0;
}

static void break_round(struct crowd *c, bool abort)
{
        c->broken[c->round++] = true;
        if (abort) {
                pen_barrier_abort(c->barrier);
                c->broken[c->round] = true; /* for who comes until the reset */
        } else {
                pen_barrier_reset(c->barrier);
        }
}

static int disturb(void *arg)
{
        struct crowd *c = arg;

        for (int i = 0; i < 40; i++) {
                switch (random_below(&c->random, 8)) {
                case 0:
                        break_round(c, false);
                        break;
                case 1:
                        break_round(c, true);
                        ck_assert_int_eq(pen_sleep(random_below(&c->random, 3)), 0);
                        break_round(c, false);
                        break;
                default:
                        pen_task_cancel(c->w.tasks[random_below(&c->random, N_TASKS)]);
                }
                ck_assert_uint_lt(pen_barrier_waiting(c->barrier), (size_t)c->parties);
                ck_assert_int_eq(pen_sleep(random_below(&c->random, 4)), 0);
        }
        return 0;
}

START_TEST(rounds_are_whole_or_broken_at_random)
{
        int n_whole = 0;

        for (uint64_t seed = 1; seed <= many(400, 40); seed++) {
                struct crowd c = { .parties = 1 + (int)(seed % 5) };

                random_seed(&c.random, seed);
                world_init_seeded(&c.w, seed % 2 ? seed : 0);
                ck_assert_int_eq(pen_barrier_create((size_t)c.parties, &c.barrier), 0);
                for (int i = 0; i < N_TASKS; i++)
                        world_spawn_arg(&c.w, come_again, &c);
                world_spawn_arg(&c.w, disturb, &c);
                world_advance(&c.w, PEN_SEC);
                ck_assert_uint_eq(pen_barrier_waiting(c.barrier), c.w.loop->n_tasks);
                break_round(&c, true); /* too few are left for another */
                world_advance(&c.w, PEN_SEC);
                ck_assert_uint_eq(c.w.loop->n_tasks, 0);
                for (int i = 0; i < c.round; i++)
                        ck_assert_uint_eq(c.passed[i], c.broken[i] ? 0 : (1u << c.parties) - 1);
                n_whole += c.n_whole;
                world_deinit(&c.w);
                pen_barrier_free(c.barrier);
        }
        ck_assert_int_gt(n_whole, 1000);
}
END_TEST

int main(void)
{
        return RUN_SUITE("barrier", all_go_on_when_the_last_has_come,
                         barrier_is_ready_for_the_next_round, barrier_for_one_holds_nobody,
                         who_is_back_before_the_others_have_gone_on_is_in_the_next_round,
                         outside_of_a_task_nobody_waits, parties_are_one_at_least,
                         cancelled_while_filling_waits_no_more_and_the_others_do,
                         cancelled_when_let_go_on_passes_and_is_cancelled_then,
                         cancelled_before_the_last_has_come_but_not_run_is_of_the_round,
                         cancelled_before_it_arrives_does_not_count,
                         deadline_is_for_the_wait_and_not_for_who_was_let_go_on,
                         reset_sends_away_who_waits_and_leaves_the_barrier_whole,
                         reset_while_some_go_on_concerns_the_next_round_alone,
                         abort_sends_away_all_until_a_reset,
                         abort_while_some_go_on_does_not_take_their_round_away,
                         who_fails_after_a_round_aborts_the_next,
                         cancelled_when_sent_away_learns_both,
                         rounds_are_whole_or_broken_at_random);
}
