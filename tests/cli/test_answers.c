#include "../runner.h"

#include <errno.h>
#include <string.h>

#include <cli/answers.h>

static struct bytes text(const char *text)
{
        return (struct bytes){ text, strlen(text) };
}

START_TEST(queues_are_read_with_all_their_numbers)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;

        ck_assert_int_eq(
                answers_read_states(
                        text("{\"queues\":[{\"name\":\"a\",\"ready\":1,\"delayed\":2,\"buffered\":3,"
                             "\"running\":4,\"dead_letters\":5,\"done\":6,\"dead\":7,\"expired\":8,"
                             "\"cancelled\":9,\"paused\":true}, {\"name\":\"b\",\"newer\":[{}]}]}\n"),
                        &states),
                2);
        ck_assert_str_eq(states[0].name, "a");
        ck_assert_uint_eq(states[0].counts.ready, 1);
        ck_assert_uint_eq(states[0].counts.delayed, 2);
        ck_assert_uint_eq(states[0].buffered, 3);
        ck_assert_uint_eq(states[0].counts.running, 4);
        ck_assert_uint_eq(states[0].counts.dead_letters, 5);
        ck_assert_uint_eq(states[0].counts.done, 6);
        ck_assert_uint_eq(states[0].counts.dead, 7);
        ck_assert_uint_eq(states[0].counts.expired, 8);
        ck_assert_uint_eq(states[0].counts.cancelled, 9);
        ck_assert(states[0].paused && states[0].by_daemon);
        ck_assert_str_eq(states[1].name, "b");
        ck_assert(!states[1].paused && states[1].by_daemon);
}
END_TEST

START_TEST(what_is_not_of_the_shape_is_refused)
{
        static const char *const broken[] = { "",
                                              "null",
                                              "[]",
                                              "{}",
                                              "{\"queues\":{}}",
                                              "{\"queues\":[1]}",
                                              "{\"queues\":[{\"ready\":\"1\"}]}",
                                              "{\"queues\":[{\"ready\":-1}]}",
                                              "{\"queues\":[{}]",
                                              "{\"queues\":[]} x" };

        for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
                struct queue_state *states = NULL;

                ck_assert_msg(answers_read_states(text(broken[i]), &states) == -EPROTO, "%s",
                              broken[i]);
                ck_assert_ptr_null(states);
        }
}
END_TEST

START_TEST(no_queues_are_an_answer_too)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;

        ck_assert_int_eq(answers_read_states(text("{\"queues\":[]}"), &states), 0);
}
END_TEST

START_TEST(letters_are_read_with_their_payloads)
{
        struct dead_letter letters[3];

        ck_assert_int_eq(
                answers_read_letters(
                        text("{\"letters\":[{\"outcome\":\"timeout\",\"attempts\":3,\"crashes\":1,"
                             "\"failed_at\":1800000000123,\"place\":\"5-0\",\"id\":\"x:1\",\"type\":"
                             "\"t\",\"error\":\"too\\nlate\",\"daemon\":\"d\",\"payload\":\"a\\u0000b\""
                             "},{\"place\":\"6-0\",\"outcome\":\"rejected\",\"payload_base64\":"
                             "\"/wA=\"},{\"place\":\"7-0\"}],\"next\":null}"),
                        letters, 2),
                2); /* and not more than are wanted */
        ck_assert_str_eq(letters[0].place, "5-0");
        ck_assert_int_eq(letters[0].outcome, OUTCOME_TIMEOUT);
        ck_assert_uint_eq(letters[0].failed_at, 1800000000123);
        ck_assert_str_eq(letters[0].error, "too\nlate");
        ck_assert_str_eq(letters[0].daemon, "d");
        ck_assert_str_eq(letters[0].job->fields.id, "x:1");
        ck_assert_str_eq(letters[0].job->fields.type, "t");
        ck_assert_uint_eq(letters[0].job->attempts, 3);
        ck_assert_uint_eq(letters[0].job->crashes, 1);
        ck_assert_uint_eq(letters[0].job->fields.payload.size, 3);
        ck_assert_int_eq(memcmp(letters[0].job->fields.payload.data, "a\0b", 3), 0);
        ck_assert_int_eq(letters[1].outcome, OUTCOME_REJECTED);
        ck_assert_ptr_null(letters[1].error);
        ck_assert_ptr_null(letters[1].job->fields.id);
        ck_assert_uint_eq(letters[1].job->fields.payload.size, 2);
        ck_assert_int_eq(memcmp(letters[1].job->fields.payload.data, "\xff\0", 2), 0);
        dead_letter_deinit(&letters[0]);
        dead_letter_deinit(&letters[1]);
}
END_TEST

START_TEST(broken_letter_leaves_none_of_those_before_it)
{
        struct dead_letter letters[3];

        ck_assert_int_eq(
                answers_read_letters(text("{\"letters\":[{\"place\":\"1\",\"error\":\"x\"},"
                                          "{\"place\":7}]}"),
                                     letters, 3),
                -EPROTO);
        ck_assert_int_eq(answers_read_letters(text("{\"letters\":[{\"payload_base64\":\"?\"}]}"),
                                              letters, 3),
                         -EPROTO);
}
END_TEST

static void assert_push(const char *line, enum push_result result, bool unavailable,
                        const char *refusal, const char *id)
{
        struct push_answer a;

        ck_assert_msg(answers_read_push(text(line), &a) == 0, "%s", line);
        ck_assert_int_eq(a.result, result);
        ck_assert_int_eq(a.unavailable, unavailable);
        ck_assert_str_eq(a.id, id);
        if (refusal)
                ck_assert_str_eq(a.refusal, refusal);
        else
                ck_assert_ptr_null(a.refusal);
        free(a.refusal);
}

START_TEST(each_fate_of_a_line_is_told_apart)
{
        assert_push("{\"line\":1,\"status\":\"stored\",\"id\":\"1-0\"}", PUSH_STORED, false, NULL,
                    "1-0");
        assert_push("{\"status\":\"exists\",\"id\":\"a\"}", PUSH_EXISTS, false, NULL, "a");
        assert_push("{\"status\":\"conflict\",\"id\":\"a\",\"error\":\"why\"}", PUSH_CONFLICT,
                    false, NULL, "a");
        assert_push("{\"status\":\"full\"}", PUSH_FULL, false, NULL, "");
        assert_push("{\"status\":\"unavailable\"}", PUSH_PENDING, true, NULL, "");
        assert_push("{\"status\":\"invalid\",\"error\":\"why\"}", PUSH_PENDING, false, "why", "");
        assert_push("{\"status\":\"too_large\"}", PUSH_PENDING, false, "too_large", "");
        assert_push("{\"error\":\"why\"}", PUSH_PENDING, false, "why", "");
}
END_TEST

START_TEST(line_without_a_fate_is_refused)
{
        struct push_answer a;

        ck_assert_int_eq(answers_read_push(text("{}"), &a), -EPROTO);
        ck_assert_int_eq(answers_read_push(text("{\"id\":\"a\"}"), &a), -EPROTO);
        ck_assert_int_eq(answers_read_push(text("{\"status\":1}"), &a), -EPROTO);
        ck_assert_int_eq(answers_read_push(text("{\"error\":\"x\",\"status\":\"st"), &a), -EPROTO);
}
END_TEST

START_TEST(problem_says_its_detail_or_its_title)
{
        char said[16];

        answers_read_problem(text("{\"title\":\"Bad\",\"status\":400,\"detail\":\"why\"}"), said,
                             sizeof(said));
        ck_assert_str_eq(said, "why");
        answers_read_problem(text("{\"title\":\"Bad\"}"), said, sizeof(said));
        ck_assert_str_eq(said, "Bad");
        answers_read_problem(text("{\"detail\":\"longer than there is room\"}"), said,
                             sizeof(said));
        ck_assert_str_eq(said, "longer than the");
        answers_read_problem(text("<html>"), said, sizeof(said));
        ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(retries_are_counted)
{
        uint64_t retried, kept;

        ck_assert_int_eq(answers_read_retry(text("{\"retried\":3,\"kept\":1,\"reasons\":[]}"),
                                            &retried, &kept),
                         0);
        ck_assert_uint_eq(retried, 3);
        ck_assert_uint_eq(kept, 1);
        ck_assert_int_eq(answers_read_retry(text("[]"), &retried, &kept), -EPROTO);
}
END_TEST

int main(void)
{
        return RUN_SUITE("answers", queues_are_read_with_all_their_numbers,
                         what_is_not_of_the_shape_is_refused, no_queues_are_an_answer_too,
                         letters_are_read_with_their_payloads,
                         broken_letter_leaves_none_of_those_before_it,
                         each_fate_of_a_line_is_told_apart, line_without_a_fate_is_refused,
                         problem_says_its_detail_or_its_title, retries_are_counted);
}
