#!/bin/bash
# Redis itself is killed under load, with appendfsync always, and comes back with its files: nothing that it
# acknowledged is lost, and the daemons go on by themselves.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
jobs=4000 kills=5
seed=${SEED:-$((SRANDOM % 100000))}
RANDOM=$seed
lease=5

ends() { grep -c '^end' runs; }
went_on() { [ "$(ends)" -gt "$1" ]; }
all_is_done() { queue_is_empty plain && queue_is_empty kept; }
went_on_or_is_done() { went_on "$1" || all_is_done; } # the last kill may come late

given "Redis with appendfsync always, two daemons, seed $seed"
redis_start --appendonly yes --appendfsync always
recorder_start
for name in d1 d2; do
        config_of "$name" <<YAML
log: {jobs: failures}
handlers:
  post: {http: {url: "$recorder/$name"}}
  keep: {http: {url: "$recorder/k$name"}}
queues:
  plain: {handler: post, concurrency: 100, retry: {max_attempts: 1}}
  kept: {handler: keep, concurrency: 100, dedupe: 1h, retry: {max_attempts: 1}}
YAML
        daemon_start "$name"
done
daemon_ready d1
daemon_ready d2
produce plain --count $jobs --rate 150 --longest 500 --seed "$seed" &
producers=($!)
timeout 280 "$checkers/checker" produce --redis "$redis" --key 'penstock:{kept}:ready' --acknowledged acknowledged-kept \
        --first 1000000 --count $jobs --rate 150 --longest 500 --seed "$seed" --ids job- &
producers+=($!)

for i in $(seq $kills); do
        until_true 60 went_on $((jobs * 2 * i / (kills + 3)))
        eventually 20 "there is work under way" runs_at_least d1 10
        when "Redis is killed, the $i. time"
        redis_kill
        until_true $((RANDOM % 4)) false # away for that long
        redis_again
        before=$(ends)
        eventually 30 "the work goes on" went_on_or_is_done $((before + 50))
done
for producer in "${producers[@]}"; do then_true "a producer has pushed all" wait "$producer"; done
eventually 120 "plain: all is done" queue_is_empty plain
eventually 120 "kept: all is done" queue_is_empty kept
then_true "both daemons live" kill -0 "${pids[d1]}" "${pids[d2]}"
eventually 20 "plain: one lease each" leases_are plain 2

grep -E '^[a-z]+ d[12] ' runs >runs.plain
grep -E '^[a-z]+ kd[12] ' runs >runs.kept
check_queue plain --runs runs.plain --daemons 2
then_is "kept: all are acknowledged" $jobs "$(grep -c '^ok ' acknowledged-kept)"
"$checkers/checker" check --acknowledged acknowledged-kept --runs runs.kept >verdict
then_is "kept: nothing lost, nothing unexpected" 0 $?
remembered() { redis --scan --pattern 'penstock:{kept}:job:job-*' | sort -u; }
then_is "kept: each id is remembered as ended" $jobs "$(remembered | sed 's/.*/HGET & ended/' | redis | grep -c '^done$')"
then_is "kept: each was settled once" $jobs "$(counter kept done)"
for name in d1 d2; do
        daemon_stop "$name"
        then_is "$name stops, exit status" 0 "$status"
done
then_says "the outage is told" 'store\.down' d1.log
then_says "and its end" 'store\.up' d1.log
then_at_most "lines of the log" 500 "$(wc -l <d1.log)"

scenario_ends
