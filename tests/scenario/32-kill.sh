#!/bin/bash
# Three daemons drain one queue while one of them is killed, again and again: no acknowledged job is lost, none is
# invented, and nothing is left.
#
# SCENARIO_FULL=1: 100,000 jobs and 20 kills, each of a daemon that runs at least 50; otherwise 5,000, 5 and 20.
# Crashes are no end here: these kills prove nothing against a job (25-poison.sh is about those that do).
# SEED repeats the choice of victims and times.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
jobs=5000 kills=5 least=20 width=150
[ -z "${SCENARIO_FULL:-}" ] || jobs=100000 kills=20 least=50 width=700
seed=${SEED:-$((SRANDOM % 100000))}
RANDOM=$seed
daemons=(d1 d2 d3)
declare -A dead_since=()

broken() { grep -c "^gone $1 " runs; } # runs of that daemon that its death cut short
progress() { [ "$(grep -c '^end' runs)" -ge "$1" ]; }
broke_at_least() { [ "$(broken "$1")" -ge "$2" ]; }

start_again() { # NAME
        daemon_start "$1"
        unset "dead_since[$1]"
}

# Those that were left dead come back when others must have taken their jobs over.
start_those_left_dead() {
        local name

        for name in "${!dead_since[@]}"; do
                eventually $((lease * 3 / 2 + 2)) "what $name held is taken over by the others" \
                        leases_are q $((${#daemons[@]} - ${#dead_since[@]}))
                start_again "$name"
        done
}

given "$jobs jobs of 0 to 2s by XADD, three daemons of $width consumers, seed $seed"
redis_start
recorder_start
ulimit -n "$(ulimit -Hn)"
for name in "${daemons[@]}"; do
        config_of "$name" <<YAML
concurrency: $width
log: {jobs: failures}
handlers:
  post: {http: {url: "$recorder/$name", timeout: 60s}}
queues:
  q: {handler: post, concurrency: $width, maxsize: 100, timeout: 60s, max_crashes: 100, retry: {max_attempts: 1}}
YAML
        daemon_start "$name"
done
for name in "${daemons[@]}"; do daemon_ready "$name"; done
produce q --count "$jobs" --seed "$seed" &
producer=$!

when "one of them is killed, $kills times"
began=$SECONDS
for i in $(seq "$kills"); do
        # Spread over the work, the last ones while there is still enough of it.
        until_true 120 progress $((jobs * i / (kills + 3))) || not_ok "the work goes on, before kill $i"
        victim=${daemons[RANDOM % ${#daemons[@]}]}
        if [ -n "${dead_since[$victim]:-}" ]; then
                start_those_left_dead
        fi
        until_true 60 runs_at_least "$victim" $((least + least / 2)) || not_ok "$victim is at work, before kill $i"
        before=$(broken "$victim")
        daemon_kill "$victim"
        until_true 5 broke_at_least "$victim" $((before + least))
        then_true "kill $i, of $victim, finds $least or more that run: $(($(broken "$victim") - before))" \
                broke_at_least "$victim" $((before + least))
        if [ ${#dead_since[@]} -eq 0 ] && [ $((RANDOM % 3)) -eq 0 ]; then
                dead_since[$victim]=$SECONDS
        else
                start_again "$victim"
        fi
done
start_those_left_dead
then_true "the producer has pushed all" wait "$producer"
eventually 240 "all is done" queue_is_empty q
echo "     in $((SECONDS - began))s"
for name in "${daemons[@]}"; do
        then_true "$name lives" kill -0 "${pids[$name]}"
done
eventually 10 "each daemon has one lease, the dead none" leases_are q 3
then_is "acknowledged" "$jobs" "$(grep -c '^ok ' acknowledged)"
check_queue q --daemons 3
for name in "${daemons[@]}"; do daemon_signal "$name" TERM; done
for name in "${daemons[@]}"; do
        daemon_ends "$name" 40
        then_is "$name stops, exit status" 0 "$status"
done
check_queue q --daemons 0
then_is "nothing died" 0 "$(dead_count q)"

scenario_ends
