/* The verbs through the real HTTP interface, over a store in memory; and what a daemon may say that this one
 * does not. */
#include "../daemon/api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cli/client.h>
#include <penstock/group.h>
#include <penstock/task.h>

static void open_client(struct location *location, struct client **client)
{
        char error[512] = "";

        ck_assert_msg(client_http_open(location, client, error, sizeof(error)) == 0, "%s", error);
}

/* n jobs without results: j0, j1, … */
static void make_jobs(struct push *pushes, size_t n, const char *id)
{
        char payload[32], ids[32];

        for (size_t i = 0; i < n; i++) {
                snprintf(payload, sizeof(payload), "j%zu", i);
                snprintf(ids, sizeof(ids), "%s%zu", id ? id : "", i);
                pushes[i].result = PUSH_PENDING;
                ck_assert_int_eq(
                        job_create(&(struct job_fields){ .id = id ? ids : NULL,
                                                         .payload = { payload, strlen(payload) } },
                                   &pushes[i].job),
                        0);
        }
}

static void free_jobs(struct push *pushes, char **refusals, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                job_unref(pushes[i].job);
                free(refusals[i]);
        }
}

struct scene {
        struct api_world w;
        struct location location;
        struct client *client;
};

static void scene_open(struct scene *s, size_t capacity)
{
        s->w = (struct api_world)API_WORLD;
        s->w.store_options.capacity = capacity;
        api_world_start(&s->w);
        s->location = (struct location){ .socket = s->w.path };
        open_client(&s->location, &s->client);
}

static void scene_close(struct scene *s)
{
        s->client->class->close(s->client);
        api_world_stop(&s->w);
}

#define PUSH(s, pushes, refusals, n, wait) \
        (s).client->class->push((s).client, "mail", (pushes), (refusals), (n), (wait))

/* --- push --------------------------------------------------------------------------------------- */

IN_LOOP(pushed_jobs_get_their_ids_and_arrive_in_order)
{
        struct push pushes[3];
        char *refusals[3] = { NULL };
        struct scene s;

        scene_open(&s, 0);
        make_jobs(pushes, 3, NULL);
        ck_assert_int_eq(PUSH(s, pushes, refusals, 3, true), 0);
        for (int i = 0; i < 3; i++) {
                struct job *job = api_fetch(&s.w);

                ck_assert_int_eq(pushes[i].result, PUSH_STORED);
                ck_assert_str_eq(pushes[i].job->fields.id, job->fields.id);
                ck_assert_int_eq(
                        memcmp(job->fields.payload.data, pushes[i].job->fields.payload.data, 2), 0);
                job_unref(job);
        }
        free_jobs(pushes, refusals, 3);
        scene_close(&s);
        return 0;
}

IN_LOOP(each_job_has_its_own_fate)
{
        static const char much[PAYLOAD_MAX + 1];
        struct push pushes[4];
        char *refusals[4] = { NULL };
        struct scene s;

        scene_open(&s, 0);
        make_jobs(pushes, 4, "x");
        ck_assert_int_eq(PUSH(s, pushes, refusals, 1, true), 0);
        ck_assert_int_eq(pushes[0].result, PUSH_STORED);

        pushes[0].result = PUSH_PENDING; /* the same again */
        job_unref(pushes[1].job);
        ck_assert_int_eq(job_create(&(struct job_fields){ .id = "x0", .payload = { "other", 5 } },
                                    &pushes[1].job),
                         0);
        job_unref(pushes[2].job);
        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = { much, sizeof(much) } },
                                    &pushes[2].job),
                         0);
        ck_assert_int_eq(PUSH(s, pushes, refusals, 4, true), 0);
        ck_assert_int_eq(pushes[0].result, PUSH_EXISTS);
        ck_assert_int_eq(pushes[1].result, PUSH_CONFLICT);
        ck_assert_ptr_null(refusals[1]);
        ck_assert_int_eq(pushes[2].result, PUSH_PENDING);
        ck_assert_ptr_nonnull(strstr(refusals[2], "1001"));
        ck_assert_int_eq(pushes[3].result, PUSH_STORED);
        free_jobs(pushes, refusals, 4);
        scene_close(&s);
        return 0;
}

IN_LOOP(full_queue_is_told_to_who_does_not_wait)
{
        struct push pushes[4];
        char *refusals[4] = { NULL };
        struct scene s;

        scene_open(&s, 2);
        make_jobs(pushes, 4, NULL);
        ck_assert_int_eq(PUSH(s, pushes, refusals, 4, false), 0);
        ck_assert_int_eq(pushes[0].result, PUSH_STORED);
        ck_assert_int_eq(pushes[1].result, PUSH_STORED);
        ck_assert_int_eq(pushes[2].result, PUSH_FULL);
        ck_assert_int_eq(pushes[3].result, PUSH_FULL);
        free_jobs(pushes, refusals, 4);
        scene_close(&s);
        return 0;
}

/* Ends ten jobs, which come in their order. */
static int work_off(void *arg)
{
        struct scene *s = arg;

        for (int i = 0; i < 10; i++) {
                struct job *job = api_fetch(&s->w);

                ck_assert_uint_eq(job->fields.payload.size, 2);
                ck_assert_int_eq(job->fields.payload.data[1], '0' + i);
                job_unref(job);
        }
        return 0;
}

IN_LOOP(who_waits_gets_all_in_and_in_order)
{
        struct push pushes[10];
        char *refusals[10] = { NULL };
        struct pen_task *worker;
        struct scene s;

        scene_open(&s, 2);
        make_jobs(pushes, 10, NULL);
        ck_assert_int_eq(pen_spawn(work_off, &s, &worker), 0);
        ck_assert_int_eq(PUSH(s, pushes, refusals, 10, true), 0);
        for (int i = 0; i < 10; i++)
                ck_assert_int_eq(pushes[i].result, PUSH_STORED);
        ck_assert_int_eq(pen_await(worker, NULL), 0);
        pen_task_unref(worker);
        free_jobs(pushes, refusals, 10);
        scene_close(&s);
        return 0;
}

IN_LOOP(binary_payload_arrives_bit_for_bit)
{
        struct push push = { .result = PUSH_PENDING };
        char all[256], *refusal = NULL;
        struct scene s;
        struct job *job;

        for (int i = 0; i < 256; i++)
                all[i] = (char)i;
        scene_open(&s, 0);
        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = { all, 256 } }, &push.job), 0);
        ck_assert_int_eq(PUSH(s, &push, &refusal, 1, true), 0);
        job = api_fetch(&s.w);
        ck_assert_uint_eq(job->fields.payload.size, 256);
        ck_assert_int_eq(memcmp(job->fields.payload.data, all, 256), 0);
        job_unref(job);
        free_jobs(&push, &refusal, 1);
        scene_close(&s);
        return 0;
}

IN_LOOP(queue_that_is_not_there_is_named)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct push push;
        char *refusal = NULL;
        struct scene s;

        scene_open(&s, 0);
        make_jobs(&push, 1, NULL);
        ck_assert_int_eq(s.client->class->push(s.client, "male", &push, &refusal, 1, true),
                         -ENOENT);
        ck_assert_ptr_nonnull(strstr(s.client->error, "male"));
        ck_assert_int_eq(s.client->class->status(s.client, "male", &states), -ENOENT);
        ck_assert_int_eq(s.client->class->join(s.client, "male"), -ENOENT);
        free_jobs(&push, &refusal, 1);
        scene_close(&s);
        return 0;
}

IN_LOOP(daemon_that_cannot_now_is_unreachable)
{
        struct push push;
        char *refusal = NULL;
        struct scene s;

        scene_open(&s, 0);
        s.w.ready = false;
        make_jobs(&push, 1, NULL);
        ck_assert_int_eq(PUSH(s, &push, &refusal, 1, true), -EHOSTUNREACH);
        ck_assert_int_eq(push.result, PUSH_PENDING);
        free_jobs(&push, &refusal, 1);
        scene_close(&s);
        return 0;
}

/* --- the others --------------------------------------------------------------------------------- */

IN_LOOP(status_is_the_daemons)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct push pushes[3];
        char *refusals[3] = { NULL };
        struct scene s;

        scene_open(&s, 0);
        s.w.paused = true;
        make_jobs(pushes, 3, NULL);
        ck_assert_int_eq(PUSH(s, pushes, refusals, 3, true), 0);
        api_end(&s.w, OUTCOME_DONE);
        ck_assert_int_eq(s.client->class->status(s.client, NULL, &states), 1);
        ck_assert_str_eq(states[0].name, "mail");
        ck_assert_uint_eq(states[0].counts.ready, 2);
        ck_assert_uint_eq(states[0].counts.done, 1);
        ck_assert(states[0].paused && states[0].by_daemon);
        free(TAKE(states));
        ck_assert_int_eq(s.client->class->status(s.client, "mail", &states), 1);
        ck_assert_uint_eq(states[0].counts.ready, 2);
        free_jobs(pushes, refusals, 3);
        scene_close(&s);
        return 0;
}

static int end_soon(void *arg)
{
        struct scene *s = arg;
        int r = pen_sleep(20 * PEN_MSEC);

        ck_assert_int_eq(r, 0);
        api_end(&s->w, OUTCOME_DONE);
        return 0;
}

IN_LOOP(join_waits_for_the_last_job)
{
        struct pen_task *worker;
        char *refusal = NULL;
        struct push push;
        struct scene s;

        scene_open(&s, 0);
        ck_assert_int_eq(s.client->class->join(s.client, "mail"), 0);
        make_jobs(&push, 1, NULL);
        ck_assert_int_eq(PUSH(s, &push, &refusal, 1, true), 0);
        ck_assert_int_eq(pen_spawn(end_soon, &s, &worker), 0);
        ck_assert_int_eq(s.client->class->join(s.client, "mail"), 0);
        ck_assert(pen_task_done(worker));
        pen_task_unref(worker);
        free_jobs(&push, &refusal, 1);
        scene_close(&s);
        return 0;
}

IN_LOOP(dead_letters_are_listed_page_by_page_and_retried)
{
        struct dead_letter letters[4];
        struct push pushes[3];
        char *refusals[3] = { NULL };
        struct scene s;

        scene_open(&s, 0);
        make_jobs(pushes, 3, "d");
        ck_assert_int_eq(PUSH(s, pushes, refusals, 3, true), 0);
        for (int i = 0; i < 3; i++)
                api_end(&s.w, OUTCOME_FAILED);
        ck_assert_int_eq(s.client->class->dead_list(s.client, "mail", "", letters, 2), 2);
        ck_assert_str_eq(letters[0].job->fields.id, "d0");
        ck_assert_str_eq(letters[0].error, "no luck");
        ck_assert_int_eq(
                s.client->class->dead_list(s.client, "mail", letters[1].place, letters + 2, 2), 1);
        ck_assert_str_eq(letters[2].job->fields.id, "d2");

        ck_assert_int_eq(s.client->class->dead_retry(s.client, "mail", letters[0].place), 0);
        ck_assert_int_eq(s.client->class->dead_retry(s.client, "mail", letters[0].place), -ENOENT);
        ck_assert_uint_eq(api_count(&s.w).ready, 1);
        ck_assert_uint_eq(api_count(&s.w).dead_letters, 2);
        for (int i = 0; i < 3; i++)
                dead_letter_deinit(&letters[i]);
        free_jobs(pushes, refusals, 3);
        scene_close(&s);
        return 0;
}

IN_LOOP(letter_whose_id_lives_stays)
{
        struct dead_letter letter;
        char *refusal = NULL;
        struct push push;
        struct scene s;

        scene_open(&s, 0);
        s.w.store_options.dedupe = 0;
        store_configure(s.w.store, &s.w.store_options);
        make_jobs(&push, 1, "d");
        ck_assert_int_eq(PUSH(s, &push, &refusal, 1, true), 0);
        api_end(&s.w, OUTCOME_FAILED);
        push.result = PUSH_PENDING;
        ck_assert_int_eq(PUSH(s, &push, &refusal, 1, true), 0);
        ck_assert_int_eq(push.result, PUSH_STORED);
        ck_assert_int_eq(s.client->class->dead_list(s.client, "mail", "", &letter, 1), 1);
        ck_assert_int_eq(s.client->class->dead_retry(s.client, "mail", letter.place), -EEXIST);
        dead_letter_deinit(&letter);
        free_jobs(&push, &refusal, 1);
        scene_close(&s);
        return 0;
}

/* --- over TCP ----------------------------------------------------------------------------------- */

IN_LOOP(token_opens_the_tcp_address_and_another_does_not)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct location location = { .token = "secret" };
        struct api_world w = API_WORLD;
        struct client *client;
        char address[32];

        w.options.token = "secret";
        api_world_start(&w);
        snprintf(address, sizeof(address), "127.0.0.1:%u", http_api_port(w.api, 1));
        location.address = address;
        open_client(&location, &client);
        ck_assert_int_eq(client->class->status(client, NULL, &states), 1);
        client->class->close(client);

        location.token = "guess";
        open_client(&location, &client);
        ck_assert_int_eq(client->class->status(client, NULL, &states), -EACCES);
        ck_assert_ptr_nonnull(strstr(client->error, "token"));
        client->class->close(client);
        api_world_stop(&w);
        return 0;
}

/* --- other daemons ------------------------------------------------------------------------------ */

/* Answers each connection's first request with this, and closes it. */
struct script {
        const char *const *answers;
        struct pen_listener *listener;
        struct pen_task *task;
        char directory[32], path[48];
        size_t requests;
};

static int play(void *arg)
{
        struct script *s = arg;

        for (;;) {
                struct pen_stream *stream;
                char head[4096];
                int r = pen_accept(s->listener, &stream);

                if (r < 0)
                        return r;
                if (pen_stream_read(stream, head, sizeof(head)) > 0 && s->answers[s->requests]) {
                        const char *answer = s->answers[s->requests++];

                        if (pen_stream_write(stream, answer, strlen(answer)) == 0)
                                ck_assert_int_eq(pen_stream_shutdown(stream), 0);
                }
                pen_stream_free(stream);
        }
}

static void script_start(struct script *s, struct location *location, const char *const *answers)
{
        char address[64];

        *s = (struct script){ .answers = answers, .directory = "/tmp/test-cli-XXXXXX" };
        ck_assert_ptr_nonnull(mkdtemp(s->directory));
        snprintf(s->path, sizeof(s->path), "%s/s", s->directory);
        snprintf(address, sizeof(address), "unix:%s", s->path);
        ck_assert_int_eq(pen_listen(address, &s->listener), 0);
        ck_assert_int_eq(pen_spawn(play, s, &s->task), 0);
        *location = (struct location){ .socket = s->path };
}

static void script_stop(struct script *s)
{
        pen_task_cancel(s->task);
        ck_assert_int_eq(pen_await(s->task, NULL), 0);
        pen_task_unref(s->task);
        pen_listener_free(s->listener);
        ck_assert_int_eq(rmdir(s->directory), 0);
}

#define NDJSON "HTTP/1.1 202 x\r\nContent-Type: application/x-ndjson\r\n\r\n"

static int push_against(const char *const *answers, bool wait, struct push *pushes, char **refusals,
                        size_t n, char error[512], size_t *requests)
{
        struct location location;
        struct client *client;
        struct script script;
        int r;

        script_start(&script, &location, answers);
        open_client(&location, &client);
        make_jobs(pushes, n, NULL);
        r = client->class->push(client, "mail", pushes, refusals, n, wait);
        strcpy(error, client->error);
        *requests = script.requests;
        client->class->close(client);
        script_stop(&script);
        return r;
}

IN_LOOP(store_that_went_away_under_a_batch_leaves_the_rest_unknown)
{
        static const char *const answers[] = {
                "HTTP/1.1 503 x\r\nContent-Type: application/x-ndjson\r\n\r\n"
                "{\"line\":1,\"status\":\"stored\",\"id\":\"1\"}\n"
                "{\"line\":2,\"status\":\"unavailable\"}\n",
                NULL
        };
        struct push pushes[2];
        char *refusals[2] = { NULL }, error[512];
        size_t requests;

        ck_assert_int_eq(push_against(answers, true, pushes, refusals, 2, error, &requests),
                         -EHOSTUNREACH);
        ck_assert_int_eq(pushes[0].result, PUSH_STORED);
        ck_assert_int_eq(pushes[1].result, PUSH_PENDING);
        ck_assert_ptr_null(refusals[1]);
        free_jobs(pushes, refusals, 2);
        return 0;
}

/* A daemon that keeps its connections, and dies at the second request of each without an answer. */
struct keeper {
        struct pen_listener *listener;
        struct pen_group *group;
        size_t requests;
};

struct kept {
        struct keeper *keeper;
        struct pen_stream *stream;
};

static int serve_one(void *arg)
{
        static const char answer[] = "HTTP/1.1 202 x\r\nContent-Type: application/x-ndjson\r\n"
                                     "Content-Length: 29\r\n\r\n"
                                     "{\"status\":\"stored\",\"id\":\"1\"}\n";
        struct kept *k = arg;
        char request[4096];

        for (int i = 0; i < 2 && pen_stream_read(k->stream, request, sizeof(request)) > 0; i++) {
                k->keeper->requests++;
                if (i == 0 && pen_stream_write(k->stream, answer, strlen(answer)) < 0)
                        break;
        }
        pen_stream_free(k->stream);
        free(k);
        return 0;
}

static int keep(void *arg)
{
        struct keeper *keeper = arg;
        int r = pen_group_create(&keeper->group);

        while (r == 0) {
                struct kept *k = malloc(sizeof(*k));

                ck_assert_ptr_nonnull(k);
                k->keeper = keeper;
                r = pen_accept(keeper->listener, &k->stream);
                if (r == 0)
                        r = pen_group_spawn(keeper->group, "kept", serve_one, k, NULL);
                else
                        free(k);
        }
        pen_group_free(keeper->group);
        return r;
}

/* curl sends again what a kept connection has swallowed; a job would be stored twice. */
IN_LOOP(no_push_is_sent_twice_behind_our_back)
{
        char directory[] = "/tmp/test-cli-XXXXXX", path[48], address[64];
        struct location location = { .socket = path };
        struct keeper keeper = { .requests = 0 };
        char *refusals[2] = { NULL };
        struct pen_task *task;
        struct push pushes[2];
        struct client *client;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/s", directory);
        snprintf(address, sizeof(address), "unix:%s", path);
        ck_assert_int_eq(pen_listen(address, &keeper.listener), 0);
        ck_assert_int_eq(pen_spawn(keep, &keeper, &task), 0);
        open_client(&location, &client);
        make_jobs(pushes, 2, NULL);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(
                        client->class->push(client, "mail", &pushes[i], &refusals[i], 1, true), 0);
                ck_assert_int_eq(pushes[i].result, PUSH_STORED);
        }
        ck_assert_uint_eq(keeper.requests, 2);
        client->class->close(client);
        pen_task_cancel(task);
        ck_assert_int_eq(pen_await(task, NULL), 0);
        pen_task_unref(task);
        pen_listener_free(keeper.listener);
        free_jobs(pushes, refusals, 2);
        ck_assert_int_eq(rmdir(directory), 0);
        return 0;
}

IN_LOOP(push_whose_connection_breaks_may_be_stored_or_not)
{
        static const char *const answers[] = { NULL };
        struct push push;
        char *refusal = NULL, error[512];
        size_t requests;

        ck_assert_int_eq(push_against(answers, true, &push, &refusal, 1, error, &requests),
                         -EHOSTUNREACH);
        ck_assert_int_eq(push.result, PUSH_PENDING);
        ck_assert_ptr_null(refusal);
        free_jobs(&push, &refusal, 1);
        return 0;
}

IN_LOOP(only_what_found_no_room_is_sent_again)
{
        static const char *const answers[] = {
                NDJSON
                "{\"status\":\"stored\",\"id\":\"1\"}\n{\"status\":\"full\"}\n{\"status\":\"full\"}\n",
                NDJSON "{\"status\":\"full\"}\n", NDJSON "{\"status\":\"stored\",\"id\":\"2\"}\n",
                NDJSON "{\"status\":\"stored\",\"id\":\"3\"}\n", NULL
        };
        struct push pushes[3];
        char *refusals[3] = { NULL }, error[512];
        size_t requests;

        ck_assert_int_eq(push_against(answers, true, pushes, refusals, 3, error, &requests), 0);
        ck_assert_uint_eq(requests, 4);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pushes[i].result, PUSH_STORED);
                ck_assert_int_eq(pushes[i].job->fields.id[0], '1' + i);
        }
        free_jobs(pushes, refusals, 3);
        return 0;
}

IN_LOOP(answer_that_is_not_understood_is_an_error)
{
        static const char *const wrong[] = {
                NDJSON "{\"status\":\"stored\"",
                NDJSON,
                NDJSON "<html>\n",
                "HTTP/1.1 200 x\r\nContent-Type: text/html\r\n\r\n<html>",
        };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                const char *const answers[] = { wrong[i], NULL };
                char *refusal = NULL, error[512];
                struct push push;
                size_t requests;

                ck_assert_int_eq(push_against(answers, true, &push, &refusal, 1, error, &requests),
                                 -EPROTO);
                ck_assert_ptr_nonnull(strstr(error, "version"));
                free_jobs(&push, &refusal, 1);
        }
        return 0;
}

IN_LOOP(socket_without_a_daemon_says_what_to_look_for)
{
        struct location location = { .socket = (char *)(uintptr_t) "/tmp/penstock-nobody/s" };
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct client *client;

        open_client(&location, &client);
        ck_assert_int_eq(client->class->status(client, NULL, &states), -ENOTCONN);
        ck_assert_ptr_nonnull(strstr(client->error, "/tmp/penstock-nobody/s"));
        ck_assert_ptr_nonnull(strstr(client->error, "is penstockd running?"));
        client->class->close(client);
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "client_http", pushed_jobs_get_their_ids_and_arrive_in_order,
                each_job_has_its_own_fate, full_queue_is_told_to_who_does_not_wait,
                who_waits_gets_all_in_and_in_order, binary_payload_arrives_bit_for_bit,
                queue_that_is_not_there_is_named, daemon_that_cannot_now_is_unreachable,
                status_is_the_daemons, join_waits_for_the_last_job,
                dead_letters_are_listed_page_by_page_and_retried, letter_whose_id_lives_stays,
                token_opens_the_tcp_address_and_another_does_not,
                store_that_went_away_under_a_batch_leaves_the_rest_unknown,
                no_push_is_sent_twice_behind_our_back,
                push_whose_connection_breaks_may_be_stored_or_not,
                only_what_found_no_room_is_sent_again, answer_that_is_not_understood_is_an_error,
                socket_without_a_daemon_says_what_to_look_for);
}
