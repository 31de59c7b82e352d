/* recorder FILE: a web server that plays the handlers of a scenario, and records what it was made to run.
 *
 * A payload is `NUMBER MS [FAILS]`: the job with that number takes so long, and fails (503) as often,
 * by its count of attempts. The path says how its daemon's handler behaves:
 *
 *     POST /LANE[/STATUS[/hold]]    runs the job in that lane, answers with STATUS (200); held until
 *                                   it is released, whatever its payload says
 *     GET /count/LANE               `RUNNING STARTED ENDED` of that lane
 *     GET /release/LANE             ends what it holds, and holds nothing any more; answers how many
 *
 * Each run leaves two lines in FILE, written before anybody learns of them:
 *
 *     start LANE NUMBER ID ATTEMPT TOKEN
 *     end   LANE NUMBER ID ATTEMPT TOKEN STATUS     the work is done; the answer may still get lost
 *     gone  LANE NUMBER ID ATTEMPT TOKEN            instead: who asked hung up while it ran
 *
 * Its first line of output is the port at 127.0.0.1. TERM or INT ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include <base/list.h>
#include <base/util.h>
#include <penstock/fd.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/stream.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

#define LINE_MAX_SIZE 8192
#define LANES_MAX 32

/* What came in by one path; mostly that is one daemon. */
struct lane {
        char name[32];
        size_t running, started, ended;
        struct list held; /* of runs */
        bool released;
};

struct recorder {
        struct pen_listener *listener;
        struct pen_group *connections;
        struct lane lanes[LANES_MAX];
        size_t n_lanes;
        int out;
};

struct connection {
        struct recorder *recorder;
        struct pen_stream *stream;
};

struct request {
        char method[8], path[128];
        char id[160], attempt[16], token[32];
        char body[64]; /* what is longer is cut */
        size_t size;
};

struct run {
        struct lane *lane;
        const struct request *request;
        long number; /* -1: the payload has none */
        pen_usec takes;
        int status;
        struct list held;
        struct pen_timeout scope;
};

/* --- lanes and the record ------------------------------------------------------------------------- */

static struct lane *lane_of(struct recorder *recorder, const char *name)
{
        struct lane *lane;

        for (size_t i = 0; i < recorder->n_lanes; i++) {
                if (strcmp(recorder->lanes[i].name, name) == 0)
                        return &recorder->lanes[i];
        }
        if (recorder->n_lanes == LANES_MAX)
                return NULL;
        lane = &recorder->lanes[recorder->n_lanes++];
        snprintf(lane->name, sizeof(lane->name), "%s", name);
        list_init(&lane->held);
        return lane;
}

/* One write: lines of a file that is appended to never mix. */
static int record(const struct recorder *recorder, const char *what, const struct run *run)
{
        const struct request *request = run->request;
        char line[512];
        int n = snprintf(line, sizeof(line), "%s %s %ld %s %s %s", what, run->lane->name,
                         run->number, request->id, request->attempt, request->token);

        n += snprintf(line + n, sizeof(line) - (size_t)n, *what == 'e' ? " %d\n" : "\n",
                      run->status);
        return write(recorder->out, line, (size_t)n) == n ? 0 : -EIO;
}

/* --- running -------------------------------------------------------------------------------------- */

/* Runs for its time, or until it is let go. -EPIPE: who asked has gone. */
static int run_for_its_time(struct run *run, struct pen_stream *stream)
{
        char byte;
        ssize_t n;

        pen_timeout_begin(&run->scope, run->takes);
        n = pen_stream_read(stream, &byte, 1);
        n = pen_timeout_end(&run->scope, n < 0 ? (int)n : -EPIPE);
        return n == -ETIME ? 0 : (int)n;
}

static int answer(struct pen_stream *stream, int status, const char *text)
{
        char head[128];
        int n = snprintf(head, sizeof(head), "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n\r\n",
                         status, strlen(text));
        int r = pen_stream_write(stream, head, (size_t)n);

        if (r == 0)
                r = pen_stream_write(stream, text, strlen(text));
        return r < 0 ? r : pen_stream_drain(stream);
}

static int run_job(struct connection *connection, struct run *run)
{
        struct recorder *recorder = connection->recorder;
        struct lane *lane = run->lane;
        char text[64];
        int r, recorded;

        if (run->takes == PEN_FOREVER)
                list_append(&lane->held, &run->held);
        lane->started++;
        lane->running++;
        r = record(recorder, "start", run);
        if (r == 0)
                r = run_for_its_time(run, connection->stream);
        lane->running--;
        list_remove(&run->held);
        recorded = record(recorder, r == 0 ? "end" : "gone", run);
        if (r < 0 || recorded < 0)
                return r < 0 ? r : recorded;
        lane->ended++;
        snprintf(text, sizeof(text), "ran %ld", run->number);
        return answer(connection->stream, run->status, text);
}

static int post(struct connection *connection, const struct request *request)
{
        char name[32], hold[8] = "";
        long number, ms, fails = 0;
        struct run run = { .request = request, .status = 200, .number = -1 };

        list_init(&run.held);
        if (sscanf(request->path, "/%31[^/]/%d/%7s", name, &run.status, hold) < 1 ||
            !(run.lane = lane_of(connection->recorder, name)))
                return answer(connection->stream, 404, "no such lane");
        if (sscanf(request->body, "%ld %ld %ld", &number, &ms, &fails) >= 2) {
                run.number = number;
                run.takes = (pen_usec)ms * PEN_MSEC;
        }
        if (atol(request->attempt) <= fails)
                run.status = 503;
        if (strcmp(hold, "hold") == 0 && !run.lane->released)
                run.takes = PEN_FOREVER;
        return run_job(connection, &run);
}

/* --- questions ------------------------------------------------------------------------------------ */

static size_t release(struct lane *lane)
{
        size_t n = 0;

        lane->released = true;
        list_for_each(i, &lane->held) {
                struct run *run = list_entry(i, struct run, held);

                (void)pen_timeout_reschedule(&run->scope, 0); /* it is over already: as well */
                n++;
        }
        return n;
}

static int get(struct connection *connection, const struct request *request)
{
        char what[16], name[32], text[96];
        struct lane *lane;

        if (sscanf(request->path, "/%15[^/]/%31[^/]", what, name) != 2 ||
            !(lane = lane_of(connection->recorder, name)))
                return answer(connection->stream, 404, "no such lane\n");
        if (strcmp(what, "count") == 0)
                snprintf(text, sizeof(text), "%zu %zu %zu\n", lane->running, lane->started,
                         lane->ended);
        else if (strcmp(what, "release") == 0)
                snprintf(text, sizeof(text), "%zu\n", release(lane));
        else
                return answer(connection->stream, 404, "no such question\n");
        return answer(connection->stream, 200, text);
}

/* --- HTTP, as much as our clients speak ----------------------------------------------------------- */

/* A line without its end. Answers its size; -EPIPE: there is none any more. */
static ssize_t read_line(struct pen_stream *stream, char line[LINE_MAX_SIZE])
{
        char *text;
        ssize_t n = pen_stream_read_line(stream, LINE_MAX_SIZE - 1, &text);

        if (n <= 0)
                return n < 0 ? n : -EPIPE;
        memcpy(line, text, (size_t)n);
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
                n--;
        line[n] = '\0';
        return n;
}

static void take_header(struct request *request, const char *line)
{
        const struct {
                const char *name;
                char *to;
                size_t size;
        } wanted[] = {
                { "Penstock-Id:", request->id, sizeof(request->id) },
                { "Penstock-Attempt:", request->attempt, sizeof(request->attempt) },
                { "Penstock-Token:", request->token, sizeof(request->token) },
        };

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                size_t n = strlen(wanted[i].name);

                if (strncasecmp(line, wanted[i].name, n) == 0)
                        snprintf(wanted[i].to, wanted[i].size, "%s",
                                 line + n + strspn(line + n, " "));
        }
        if (strncasecmp(line, "Content-Length:", 15) == 0)
                request->size = strtoul(line + 15, NULL, 10);
}

static int read_body(struct pen_stream *stream, struct request *request)
{
        size_t kept = MIN(request->size, sizeof(request->body) - 1);
        int r = pen_stream_read_exactly(stream, request->body, kept);
        char rest[1024];

        for (size_t left = request->size - kept; r == 0 && left > 0;) {
                size_t n = MIN(left, sizeof(rest));

                r = pen_stream_read_exactly(stream, rest, n);
                left -= n;
        }
        return r;
}

static int read_request(struct pen_stream *stream, struct request *request)
{
        char line[LINE_MAX_SIZE];
        ssize_t n = read_line(stream, line);

        *request = (struct request){ .id = "-", .attempt = "0", .token = "0" };
        if (n < 0)
                return (int)n;
        if (sscanf(line, "%7s %127s", request->method, request->path) != 2)
                return -EPROTO;
        while ((n = read_line(stream, line)) > 0)
                take_header(request, line);
        return n < 0 ? (int)n : read_body(stream, request);
}

static int serve(void *arg)
{
        struct connection *connection = arg;
        struct request request;
        int r;

        do {
                r = read_request(connection->stream, &request);
                if (r == 0)
                        r = strcmp(request.method, "GET") == 0 ? get(connection, &request)
                                                               : post(connection, &request);
        } while (r == 0);
        pen_stream_free(connection->stream);
        free(connection);
        return r == -EIO ? r : 0; /* a record with a hole would accuse the innocent: that ends us */
}

static int accept_all(void *arg)
{
        struct recorder *recorder = arg;

        for (;;) {
                struct connection *connection = calloc(1, sizeof(*connection));
                int r = connection ? pen_accept(recorder->listener, &connection->stream) : -ENOMEM;

                if (r < 0) {
                        free(connection);
                        return r;
                }
                connection->recorder = recorder;
                r = pen_group_spawn(recorder->connections, NULL, serve, connection, NULL);
                if (r < 0) {
                        pen_stream_free(connection->stream);
                        free(connection);
                        return r;
                }
        }
}

static int run(void *arg)
{
        static const int signals[] = { SIGTERM, SIGINT };
        struct recorder *recorder = arg;
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *listener = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *connections = NULL;
        int r = pen_listen("127.0.0.1:0", &listener);

        if (r == 0)
                r = pen_group_create(&connections);
        recorder->listener = listener;
        recorder->connections = connections;
        if (r == 0)
                r = pen_group_spawn(connections, "accept", accept_all, recorder, NULL);
        if (r < 0)
                return r;
        printf("%u\n", pen_listener_port(listener));
        fflush(stdout);
        r = pen_signal_wait(signals, ARRAY_SIZE(signals));
        return r == -ECANCELED ? pen_group_join(connections) : r; /* what broke, if something did */
}

int main(int argc, char **argv)
{
        struct recorder recorder = { .out = -1 };
        struct rlimit limit;
        int r;

        if (argc != 2) {
                fprintf(stderr, "usage: recorder FILE\n");
                return 2;
        }
        recorder.out = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (recorder.out < 0) {
                perror(argv[1]);
                return 2;
        }
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
        r = pen_run(run, &recorder);
        if (r < 0)
                fprintf(stderr, "recorder: %s\n", strerror(-r));
        return r < 0;
}
