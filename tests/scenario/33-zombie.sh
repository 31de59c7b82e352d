#!/bin/bash
# A daemon that was stopped past its lease wakes up: what it no longer owns it does not touch. Only its `done` is
# accepted, for the work is done.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
n=60

# Three queues with 60 jobs each, all running in the first daemon when it is stopped:
#   ended    the other has done them when the first one's failures come
#   running  the other still runs them when the first one's failures come
#   agreed   the other still runs them when the first one says that they are done
make_config() { # NAME ENDED RUNNING AGREED: paths
        config_of "$1" <<YAML
concurrency: 400
handlers:
  ended: {http: {url: "$recorder/$2"}}
  running: {http: {url: "$recorder/$3"}}
  agreed: {http: {url: "$recorder/$4"}}
queues:
  ended: {handler: ended, concurrency: 100, retry: {max_attempts: 2, delay: 100ms}}
  running: {handler: running, concurrency: 100, retry: {max_attempts: 2, delay: 100ms}}
  agreed: {handler: agreed, concurrency: 100, retry: {max_attempts: 2, delay: 100ms}}
YAML
}

only() { # WHAT FIRST LAST: of the file of that name, the lines of those numbers
        awk -v first="$2" -v last="$3" '{ n = $1 == "ok" ? $2 : $3 } n >= first && n <= last' "$1"
}

check_numbers() { # Q FIRST LAST OPTION…
        local queue=$1

        only acknowledged "$2" "$3" >acknowledged.part
        only runs "$2" "$3" >runs.part
        shift 3
        check_queue "$queue" --acknowledged acknowledged.part --runs runs.part "$@"
}

given "a daemon that runs 60 jobs of each of three queues"
redis_start
recorder_start
make_config one ended1/503/hold running1/503/hold agreed1/200/hold
make_config two ended2 running2/200/hold agreed2/200/hold
daemon_start one
daemon_ready one
produce ended --count $n --longest 50
produce running --first 1000 --count $n --longest 50
produce agreed --first 2000 --count $n --longest 50
for queue in ended running agreed; do eventually 10 "$queue: $n run" runs_at_least "${queue}1" $n; done
daemon_start two
daemon_ready two

when "it is stopped, and its lease runs out"
daemon_signal one STOP
eventually $((lease * 2 + 2)) "the other takes over and does them" queue_is_empty ended
for queue in running agreed; do eventually 10 "$queue: the other runs them" runs_at_least "${queue}2" $n; done

when "its handlers answer, and it wakes up"
for queue in ended running agreed; do
        release "${queue}1"
        eventually 10 "$queue: they have answered" count_is running "${queue}1" 0
done
daemon_signal one CONT
eventually 20 "agreed: its done is accepted, while the other still runs them" queue_is_empty agreed

# A job of its own, behind whatever it had to settle: when that has failed for good, the rest is settled.
when "the other is held, and the one that was stopped fails a job of its own"
push ended payload '9000 0' >/dev/null
push ended payload '9001 0' >/dev/null
has_settled() { [ "$(counter ended done)" -ge $((n + 2)) ] || [ "$(dead_count ended)" -ge 1 ]; }
eventually 20 "that is settled" has_settled
eventually 20 "and nothing of that queue is left" queue_is_empty ended
then_is "running: its failures bring nothing back" 0 "$(delayed_count running)"
then_is "running: the jobs are still the other's" $n "$(pending_count running)"
then_is "running: nobody is dead" 0 "$(dead_count running)"

when "the other one's handlers answer too"
release running2
release agreed2
eventually 20 "running: all are done" queue_is_empty running
for queue in running agreed; do
        then_is "$queue: each is settled once" $n "$(counter $queue done)"
done
daemon_stop one
then_is "the one that was stopped ends well, exit status" 0 "$status"
daemon_stop two
then_is "and so does the other" 0 "$status"
check_numbers ended 0 999 --dead "$(dead_count ended)"
check_numbers running 1000 1999
check_numbers agreed 2000 2999
then_is "no job had a second attempt" 0 "$(awk '$1 == "start" && $3 < 9000 && $5 > 1' runs | wc -l)"
then_is "every second delivery had a higher token" 0 \
        "$(awk '$1 == "start" && $2 ~ /2$/ && $3 < 9000 && $6 < 2' runs | wc -l)"

scenario_ends
