#!/bin/bash
# TSTP and CONT, HUP with good files and with bad ones, TTIN.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

make_config() { # CONCURRENCY [LINE]
        config_of one <<YAML
handlers:
  post: {http: {url: "$recorder/d1/200/hold"}}
  quick: {http: {url: "$recorder/d2"}}
queues:
  q: {handler: post, concurrency: $1}
  other: {handler: quick}
${2-}
YAML
}

log_lines() { grep -cE "$1" one.log; }

given "a daemon that runs 2 jobs at once, which are held"
redis_start
recorder_start
make_config 2
daemon_start one
daemon_ready one
for i in 1 2 3 4; do push q payload "$i 0" >/dev/null; done
eventually 10 "2 run" runs_at_least d1 2

when "HUP comes, and the file says 4"
make_config 4
daemon_signal one HUP
eventually 10 "4 run" runs_at_least d1 4
then_is "none was started twice" 4 "$(started_in d1)"
then_says "it says that it has read the file" 'daemon\.reload' one.log
then_says "what was changed is told, key by key" 'queues\.q\.concurrency.*2.*4' one.log
then_true "the same process" kill -0 "${pids[one]}"

when "HUP comes, and the file is bad"
before=$(wc -l <one.log)
make_config 9 'concurrencyy: 3'
daemon_signal one HUP
said_bad() { tail -n "+$((before + 1))" one.log | grep -qE 'one\.yaml:[0-9]+:[0-9]+.*concurrencyy'; }
eventually 10 "it says where and what" said_bad
tail -n "+$((before + 1))" one.log >said
then_says "and what was perhaps meant" 'concurrencyy.*concurrency([^y]|$)' said
for i in 5 6; do push q payload "$i 0" >/dev/null; done
push other payload '7 0' >/dev/null
eventually 10 "other queues go on" queue_is_empty other
then_is "nothing is changed: still 4 at once" 4 "$(running d1)"
rm one.yaml
before=$(wc -l <one.log)
daemon_signal one HUP
said_missing() { tail -n "+$((before + 1))" one.log | grep -qE 'one\.yaml.*No such file'; }
eventually 10 "a file that is gone is told" said_missing
then_true "and the daemon goes on" kill -0 "${pids[one]}"

when "HUP brings a new queue, and takes one away"
config_of one <<YAML
handlers:
  post: {http: {url: "$recorder/d1/200/hold"}}
  quick: {http: {url: "$recorder/d2"}}
queues:
  q: {handler: post, concurrency: 4}
  newcomer: {handler: quick}
YAML
push newcomer payload '8 0' >/dev/null
daemon_signal one HUP
eventually 10 "it is served" queue_is_empty newcomer
push other payload '9 0' >/dev/null

when "TTIN comes"
before=$(wc -l <one.log)
daemon_signal one TTIN
new_lines() { tail -n "+$((before + 1))" one.log | grep -c "$1"; }
tells_four() { [ "$(new_lines 'queue=q\|"queue":"q"')" -ge 4 ]; }
eventually 10 "a line for each of the 4 that run" tells_four
then_is "the jobs go on" 4 "$(running d1)"

when "TSTP comes"
daemon_signal one TSTP
eventually 10 "it says so" file_matches one.log 'daemon\.quiet'
then_true "the process is not stopped" bash -c "! grep -q ') T ' /proc/${pids[one]}/stat"
id=$(push newcomer payload '10 0')
release d1
eventually 10 "what runs, runs to its end" count_is running d1 0
then_is "what was pushed is not fetched" 1 "$(ready_count newcomer)"
then_is "nor begun" 2 "$(started_in d2)"
when "CONT comes"
daemon_signal one CONT
eventually 10 "it fetches again" queue_is_empty newcomer
eventually 10 "all else is done too" queue_is_empty q
then_is "the queue that was taken away is left as it is" 1 "$(ready_count other)"

daemon_stop one
then_is "exit status" 0 "$status"
then_is "each ran once" "1 2 3 4 5 6 7 8 10" "$(awk '$1 == "start" { print $3 }' runs | sort -n | paste -sd ' ')"

scenario_ends
