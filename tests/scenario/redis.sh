# What the scenarios with Redis share; sourced after lib.sh. Servers, daemons and the recorder are started
# here, and ended by their process ids.
#
#     redis_start [OPTION…]             a server of our own in this folder: $redis (unix:/…), $redis_port
#     redis COMMAND…                    redis-cli to it
#     redis_kill, redis_again           kill -9; the same files, the same options
#     recorder_start                    the checker's web server: $recorder (http://…), runs
#     running LANE, started_in LANE     how many runs there are now, and were begun
#     release LANE                      ends what the recorder holds
#     config_of NAME <<YAML             writes NAME.yaml: store, HTTP socket and log, then what is given
#     daemon_start NAME [OPTION…]       penstockd -c NAME.yaml; its log is NAME.log, $pid, pid_of NAME
#     daemon_ready NAME                 it says so
#     daemon_stop NAME [SECONDS]        TERM, and waits: $status
#     push Q FIELD VALUE…               XADD of a plain producer; prints the id
#     note NAME <<SH                    makes a program that notes each run in NAME.ran, and goes on as given
#     queue_is_empty Q                  nothing is ready, running or delayed
#     dead_fields Q N                   the N-th letter: FIELD=VALUE lines; dead_count Q
#
# The checker's programs are in $CHECKERS; those who set it have built them. The server's program may be another one:
# REDIS_SERVER.
checkers=${CHECKERS:-}
redis_server=${REDIS_SERVER:-redis-server}
lease=${lease:-3}
declare -A pids=()

need() { # PROGRAM…: a scenario cannot do without
        local program

        for program; do
                command -v "$program" >/dev/null || {
                        not_ok "$program is there"
                        exit 1
                }
        done
}

need "$redis_server" redis-cli python3
[ -x "$checkers/checker" ] && [ -x "$checkers/recorder" ] || {
        not_ok "the checker's programs are built (make checkers) and in \$CHECKERS"
        exit 1
}

# --- Redis ----------------------------------------------------------------------------------------------

redis_options=()

redis_start() {
        mkdir -p redis-data
        redis_options=("$@")
        redis=unix:$work/redis.sock
        redis_again
}

redis_again() {
        "$redis_server" --port 0 --unixsocket "$work/redis.sock" --dir "$work/redis-data" --save '' \
                --daemonize no --logfile "$work/redis.log" "${redis_options[@]}" </dev/null >/dev/null 2>&1 7>&- &
        redis_pid=$!
        started+=("$redis_pid")
        until_true 30 redis_answers || not_ok "$redis_server answers"
}

redis() {
        redis-cli -s "$work/redis.sock" "$@"
}

redis_answers() {
        [ "$(redis PING 2>/dev/null)" = PONG ]
}

redis_kill() {
        kill -KILL "$redis_pid"
        wait "$redis_pid" 2>/dev/null
}

push() {
        local queue=$1

        shift
        redis XADD "penstock:{$queue}:ready" '*' "$@"
}

# Notes of exec handlers, one line a run; `note` makes such a handler.
# note NAME: it appends `ID ATTEMPT PAYLOAD` to the file NAME.ran, and then does what standard input says.
note() {
        {
                echo "cd '$work'"
                echo 'payload=$(cat)'
                echo "echo \"\$PENSTOCK_ID \$PENSTOCK_ATTEMPT \$payload\" >>$1.ran"
                cat
        } | script "$1"
}

# The interpreter that has redis-py: there may be several.
python_with_redis() {
        local python

        for python in python3 /usr/bin/python3; do
                "$python" -c 'import redis' 2>/dev/null && echo "$python" && return
        done
        return 1
}

ready_count() { redis XLEN "penstock:{$1}:ready"; }
delayed_count() { redis ZCARD "penstock:{$1}:delayed"; }
dead_count() { redis XLEN "penstock:{$1}:dead"; }
pending_count() { redis XPENDING "penstock:{$1}:ready" penstock 2>/dev/null | head -n 1; }

key_exists() { # redis-cli itself always answers 0
        [ "$(redis EXISTS "$1")" = 1 ]
}

# What is kept of a queue's jobs for good. Ids are remembered for `dedupe`: those keys expire.
kept_of_jobs() { # Q
        redis --scan --pattern "penstock:{$1}:*" | grep -E '\}:(job|unique|group|result):' | while read -r key; do
                [ "$(redis TTL "$key" </dev/null)" -gt 0 ] || echo "$key"
        done
}

count_is() { # COMMAND Q N
        [ "$("$1" "$2")" = "$3" ]
}

queue_is_empty() {
        [ "$(ready_count "$1")" = 0 ] && [ "$(delayed_count "$1")" = 0 ] && [ "$(pending_count "$1")" = 0 ]
}

# The N-th of the letters, 1 being the oldest.
dead_fields() {
        redis --json XRANGE "penstock:{$1}:dead" - + | python3 -c '
import json, sys
fields = json.load(sys.stdin)[int(sys.argv[1]) - 1][1]
for name, value in zip(fields[::2], fields[1::2]):
    print("%s=%s" % (name, value.replace("\n", " ")))' "$2"
}

dead_field() { # Q N FIELD
        dead_fields "$1" "$2" 2>/dev/null | sed -n "s/^$3=//p"
}

counter() { # Q NAME
        local n

        n=$(redis HGET "penstock:{$1}:counters" "$2")
        echo "${n:-0}"
}

# --- the recorder -----------------------------------------------------------------------------------------

recorder_start() {
        : >runs
        "$checkers/recorder" runs >recorder-port 2>recorder-errors </dev/null 7>&- &
        recorder_pid=$!
        started+=("$recorder_pid")
        until_true 20 has_lines recorder-port 1 || not_ok "the recorder listens"
        recorder_port=$(cat recorder-port)
        recorder=http://127.0.0.1:$recorder_port
}

ask_recorder() { # PATH
        local line body=

        exec 8<>"/dev/tcp/127.0.0.1/$recorder_port" || return
        printf 'GET %s HTTP/1.1\r\n\r\n' "$1" >&8
        while read -r line <&8 && [ "$line" != $'\r' ]; do :; done
        read -r body <&8
        exec 8>&-
        echo "$body"
}

running() { ask_recorder "/count/$1" | cut -d ' ' -f 1; }
started_in() { ask_recorder "/count/$1" | cut -d ' ' -f 2; }
release() { ask_recorder "/release/$1" >/dev/null; }

runs_at_least() { # LANE N
        [ "$(running "$1")" -ge "$2" ]
}

started_at_least() { # LANE N
        [ "$(started_in "$1")" -ge "$2" ]
}

leases_are() { # Q N
        [ "$(redis HLEN "penstock:{$1}:leases")" = "$2" ]
}

produce() { # Q OPTION…: acknowledged ids go to the file `acknowledged`
        local queue=$1

        shift
        timeout -k 5 280 "$checkers/checker" produce --redis "$redis" --key "penstock:{$queue}:ready" \
                --acknowledged acknowledged "$@"
}

# check_queue Q OPTION…: one assertion; what the checker said is in `verdict`.
check_queue() {
        local queue=$1

        shift
        if timeout -k 5 120 "$checkers/checker" check --redis "$redis" --queue "$queue" \
                --acknowledged acknowledged --runs runs "$@" >verdict 2>&1; then
                ok "the checker: $(grep -hE '^(acknowledged|duplicated|lost|unexpected|leftovers)' verdict | paste -sd ';' | sed 's/;/; /g')"
        else
                not_ok "the checker finds nothing wrong"
                sed 's/^/         | /' verdict
        fi
}

# --- daemons ----------------------------------------------------------------------------------------------

config_of() {
        {
                cat <<YAML
instance: $1-$$
store: {kind: redis, url: "unix://$work/redis.sock", lease: ${lease}s}
http: {listen: ["unix:$work/$1.sock"]}
YAML
                cat
        } >"$1.yaml"
}

daemon_start() {
        local name=$1

        need penstockd
        shift
        set -m
        XDG_RUNTIME_DIR=$work XDG_STATE_HOME=$work penstockd -c "$name.yaml" "$@" >>"$name.out" 2>>"$name.log" </dev/null 7>&- &
        pid=$!
        set +m
        started+=("$pid")
        pids[$name]=$pid
}

# Of this start: each is told by its own line.
daemon_ready() {
        eventually 30 "$1 is ready" is_ready "$1" "${2:-1}"
        is_ready "$1" "${2:-1}" && return
        # Nothing that follows would prove anything.
        tail -n 20 "$1.log" | cut -c 1-200 | sed 's/^/         | /'
        exit 1
}

is_ready() { # NAME TIMES
        local n

        n=$(grep -cE 'daemon\.ready' "$1.log" 2>/dev/null)
        [ "${n:-0}" -ge "$2" ]
}

daemon_kill() { # NAME
        kill -KILL "${pids[$1]}"
        wait "${pids[$1]}" 2>/dev/null
}

daemon_signal() { # NAME SIGNAL
        kill -"$2" "${pids[$1]}"
}

daemon_ends() { # NAME [SECONDS]
        pid=${pids[$1]}
        end_penstock "${2:-40}"
}

daemon_stop() {
        daemon_signal "$1" TERM
        daemon_ends "$@"
}
