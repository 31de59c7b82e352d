/* The verbs on a real Redis, with a daemon's part of the store beside them. */
#include "../in_loop.h"
#include "../redis_server.h"
#include "../store/redis_daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cli/client.h>
#include <penstock/task.h>

struct scene {
        struct redis_server *server;
        struct location location;
        struct client *client;
};

static void scene_open(struct scene *s)
{
        char error[512] = "";

        s->server = redis_server_start(NULL);
        s->location = (struct location){
                .redis = true,
                .url = redis_server_url(s->server),
                .prefix = "penstock",
        };
        ck_assert_msg(client_redis_open(&s->location, &s->client, error, sizeof(error)) == 0, "%s",
                      error);
}

static void scene_close(struct scene *s)
{
        s->client->class->close(s->client);
        redis_server_stop(s->server);
}

static enum push_result push(struct scene *s, const char *id, const char *payload)
{
        char *refusal = NULL;
        struct push p;

        ck_assert_int_eq(job_create(&(struct job_fields){ .id = id,
                                                          .payload = { payload, strlen(payload) } },
                                    &p.job),
                         0);
        ck_assert_int_eq(s->client->class->push(s->client, "q", &p, &refusal, 1, true), 0);
        ck_assert_ptr_null(refusal);
        job_unref(p.job);
        return p.result;
}

/* Fetches a job and ends it that way. */
static void end_one(struct redis_daemon *d, enum move move)
{
        struct settlement settlement = { .verdict = { .move = move },
                                         .outcome =
                                                 move == MOVE_DEAD ? OUTCOME_FAILED : OUTCOME_DONE,
                                         .error = move == MOVE_DEAD ? "no luck" : NULL };

        ck_assert_int_eq(store_fetch(d->queue, &settlement.job, 1), 1);
        ck_assert_int_eq(store_settle(d->queue, &settlement, 1), 0);
        job_unref(settlement.job);
}

IN_LOOP(push_needs_no_daemon)
{
        struct scene s;

        scene_open(&s);
        ck_assert_int_eq(push(&s, NULL, "one"), PUSH_STORED);
        ck_assert_int_eq(push(&s, "a", "two"), PUSH_STORED);
        ck_assert_int_eq(push(&s, "a", "two"), PUSH_EXISTS);
        ck_assert_int_eq(push(&s, "a", "three"), PUSH_CONFLICT);
        ck_assert_int_eq(asked_number(s.server, "XLEN penstock:{q}:ready"), 2);
        scene_close(&s);
        return 0;
}

IN_LOOP(what_was_pushed_shows_before_any_daemon_came)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct scene s;

        scene_open(&s);
        ck_assert_int_eq(s.client->class->status(s.client, NULL, &states), 0);
        free(TAKE(states));
        push(&s, NULL, "one");
        push(&s, NULL, "two");
        ck_assert_int_eq(s.client->class->status(s.client, NULL, &states), 1);
        ck_assert_str_eq(states[0].name, "q");
        ck_assert_uint_eq(states[0].counts.ready, 2);
        ck_assert_uint_eq(states[0].counts.running, 0);
        scene_close(&s);
        return 0;
}

IN_LOOP(status_counts_what_daemons_and_others_did)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct redis_daemon d;
        struct scene s;

        scene_open(&s);
        redis_daemon_open(&d, s.server,
                          &(struct redis_daemon_options){ .lease = PEN_SEC,
                                                          .queue = { .dead_keep = PEN_FOREVER } });
        for (int i = 0; i < 4; i++)
                push(&s, NULL, "x");
        end_one(&d, MOVE_DONE);
        end_one(&d, MOVE_DEAD);
        ck_assert_int_eq(s.client->class->status(s.client, NULL, &states), 1);
        ck_assert_str_eq(states[0].name, "q");
        ck_assert_uint_eq(states[0].counts.ready + states[0].counts.running, 2);
        ck_assert_uint_eq(states[0].counts.done, 1);
        ck_assert_uint_eq(states[0].counts.dead, 1);
        ck_assert_uint_eq(states[0].counts.dead_letters, 1);
        ck_assert(!states[0].by_daemon);
        redis_daemon_close(&d);
        scene_close(&s);
        return 0;
}

IN_LOOP(queue_that_nobody_used_is_a_slip_of_the_pen)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct scene s;

        scene_open(&s);
        push(&s, NULL, "x");
        ck_assert_int_eq(s.client->class->status(s.client, "qq", &states), -ENOENT);
        ck_assert_ptr_nonnull(strstr(s.client->error, "qq"));
        ck_assert_int_eq(s.client->class->status(s.client, "q", &states), 1);
        scene_close(&s);
        return 0;
}

static int end_soon(void *arg)
{
        int r = pen_sleep(50 * PEN_MSEC);

        ck_assert_int_eq(r, 0);
        end_one(arg, MOVE_DONE);
        return 0;
}

IN_LOOP(join_waits_for_a_daemon_to_end_all)
{
        struct redis_daemon d;
        struct pen_task *worker;
        struct scene s;

        scene_open(&s);
        redis_daemon_open(&d, s.server,
                          &(struct redis_daemon_options){ .lease = PEN_SEC,
                                                          .queue = { .dead_keep = PEN_FOREVER } });
        push(&s, NULL, "x");
        ck_assert_int_eq(pen_spawn(end_soon, &d, &worker), 0);
        ck_assert_int_eq(s.client->class->join(s.client, "q"), 0);
        ck_assert(pen_task_done(worker));
        pen_task_unref(worker);
        redis_daemon_close(&d);
        scene_close(&s);
        return 0;
}

IN_LOOP(dead_letters_are_listed_and_retried)
{
        struct dead_letter letters[3];
        struct redis_daemon d;
        struct scene s;

        scene_open(&s);
        redis_daemon_open(&d, s.server,
                          &(struct redis_daemon_options){ .lease = PEN_SEC,
                                                          .queue = { .dead_keep = PEN_FOREVER } });
        push(&s, "a", "x");
        end_one(&d, MOVE_DEAD);
        ck_assert_int_eq(s.client->class->dead_list(s.client, "q", "", letters, 3), 1);
        ck_assert_str_eq(letters[0].job->fields.id, "a");
        ck_assert_str_eq(letters[0].error, "no luck");
        ck_assert_int_eq(letters[0].outcome, OUTCOME_FAILED);
        ck_assert_int_eq(s.client->class->dead_retry(s.client, "q", letters[0].place), 0);
        ck_assert_int_eq(s.client->class->dead_retry(s.client, "q", letters[0].place), -ENOENT);
        dead_letter_deinit(&letters[0]);
        ck_assert_int_eq(s.client->class->dead_list(s.client, "q", "", letters, 3), 0);
        end_one(&d, MOVE_DONE);
        redis_daemon_close(&d);
        scene_close(&s);
        return 0;
}

IN_LOOP(place_that_is_none_is_told)
{
        struct dead_letter letter;
        struct scene s;

        scene_open(&s);
        ck_assert_int_eq(s.client->class->dead_list(s.client, "q", "nonsense", &letter, 1),
                         -EINVAL);
        ck_assert_ptr_nonnull(strstr(s.client->error, "nonsense"));
        scene_close(&s);
        return 0;
}

IN_LOOP(redis_that_is_not_there_is_told_within_seconds)
{
        struct location location = { .redis = true,
                                     .url = "unix:///tmp/penstock-nobody/s",
                                     .prefix = "penstock" };
        char error[512] = "";
        struct client *client;

        ck_assert_int_eq(client_redis_open(&location, &client, error, sizeof(error)), -ENOTCONN);
        ck_assert_ptr_nonnull(strstr(error, "/tmp/penstock-nobody/s: No such file"));
        location.url = "http://x";
        ck_assert_int_eq(client_redis_open(&location, &client, error, sizeof(error)), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error, "redis://"));
        return 0;
}

static int join_lost(void *arg)
{
        struct scene *s = arg;
        char error[512] = "";
        int r;

        r = client_redis_open(&s->location, &s->client, error, sizeof(error));
        if (r < 0)
                return r;
        push(s, NULL, "x");
        redis_server_kill(s->server);
        r = s->client->class->join(s->client, "q");
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert(s->client->lost);
        ck_assert_ptr_nonnull(strstr(s->client->error, "Redis went away"));
        ck_assert_int_eq(client_tell(s->client, "join", r), 69);
        s->client->class->close(s->client);
        ck_assert_uint_eq(pen_cancelling(), 0); /* it was no cancellation of ours */
        return 0;
}

/* The group that holds the connection belongs to the task that opened it. */
IN_LOOP(redis_that_goes_away_ends_the_wait)
{
        struct pen_task *task;
        struct scene s;
        int r;

        s.server = redis_server_start(NULL);
        s.location = (struct location){ .redis = true,
                                        .url = redis_server_url(s.server),
                                        .prefix = "penstock" };
        ck_assert_int_eq(pen_spawn(join_lost, &s, &task), 0);
        ck_assert_int_eq(pen_await(task, &r), 0);
        ck_assert_int_eq(r, 0);
        pen_task_unref(task);
        redis_server_stop(s.server);
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE(
                "client_redis", push_needs_no_daemon, what_was_pushed_shows_before_any_daemon_came,
                status_counts_what_daemons_and_others_did,
                queue_that_nobody_used_is_a_slip_of_the_pen, join_waits_for_a_daemon_to_end_all,
                dead_letters_are_listed_and_retried, place_that_is_none_is_told,
                redis_that_is_not_there_is_told_within_seconds, redis_that_goes_away_ends_the_wait);
}
