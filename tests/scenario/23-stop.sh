#!/bin/bash
# TERM: what runs gets its time, the rest goes back, before newer jobs and without an attempt spent.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
lease=60 # whoever waits for it fails

make_config() { # NAME CONCURRENCY GRACE
        config_of "$1" <<YAML
shutdown_timeout: $3
handlers:
  work: {exec: {argv: ["$work/work"], kill_after: 1s}}
queues:
  q: {handler: work, concurrency: $2, maxsize: 5, retry: {max_attempts: 1}}
YAML
}

ran_lines() { has_lines work.ran "$1"; }
payloads() { awk '{ print $3 }' work.ran | paste -sd ' '; }

given "10 jobs, 2 at once, that run until they are let go"
redis_start
note work <<'SH'
echo $$ >>pids
i=0
until [ -e go ] || [ $i -gt 3000 ]; do i=$((i + 1)); sleep 0.02; done
echo "$PENSTOCK_ID" >>finished
SH
make_config one 2 60s
daemon_start one
daemon_ready one
for i in $(seq 10); do push q payload "$i" >/dev/null; done
eventually 10 "2 run" ran_lines 2
when "TERM comes"
daemon_signal one TERM
eventually 10 "it says that it drains" file_matches one.log 'daemon\.drain'
then_true "those that run go on" kill -0 $(cat pids)
touch go
daemon_ends one 20
then_is "exit status" 0 "$status"
then_is "what ran has finished" 2 "$(wc -l <finished)"
then_is "and nothing was begun after the signal" 2 "$(wc -l <work.ran)"
then_is "the other 8 are there" 8 "$(ready_count q)"

when "another daemon starts, and newer jobs come"
for i in 11 12; do push q payload "$i" >/dev/null; done
make_config two 1 60s
daemon_start two
daemon_ready two
eventually 15 "it takes them all, at once" queue_is_empty q
then_is "in their order" "1 2 3 4 5 6 7 8 9 10 11 12" "$(payloads)"
daemon_stop two
then_is "exit status" 0 "$status"

given "4 jobs that do not end, of one attempt each, and 2 that wait behind them"
rm -f go pids work.ran finished
make_config three 4 1s
daemon_start three
daemon_ready three
for i in $(seq 6); do push q payload "$i" >/dev/null; done
eventually 10 "4 run" ran_lines 4
when "TERM comes, and their time passes"
daemon_signal three TERM
daemon_ends three 20
then_is "exit status" 0 "$status"
eventually 5 "no child is left" all_gone pids
then_is "all are there" 6 "$(ready_count q)"
then_is "nobody was told dead" 0 "$(dead_count q)"
then_says "it says what it has given back" 'job\.released' three.log
for i in 7 8; do push q payload "$i" >/dev/null; done
touch go
rm work.ran
make_config four 1 60s
daemon_start four
daemon_ready four
eventually 20 "the next daemon runs all" queue_is_empty q
then_is "those that were taken back before the newer ones" "1 2 3 4 5 6 7 8" "$(payloads)"
then_is "all as the first attempt: none was spent" 1 "$(awk '{ print $2 }' work.ran | sort -u)"
then_is "and none died, though one attempt is all they have" 0 "$(dead_count q)"
daemon_stop four

given "jobs that run, and a minute of grace"
rm -f go pids work.ran finished
make_config five 3 60s
daemon_start five
daemon_ready five
for i in $(seq 3); do push q payload "$i" >/dev/null; done
eventually 10 "3 run" ran_lines 3
daemon_signal five TERM
eventually 10 "it drains" file_matches five.log 'daemon\.drain'
then_true "and waits" kill -0 "${pids[five]}"
when "TERM comes again"
daemon_signal five TERM
daemon_ends five 15
then_is "it goes at once, exit status" 0 "$status"
eventually 5 "no child is left" all_gone pids
then_is "all jobs are there" 3 "$(ready_count q)"
then_is "no lease is left" 0 "$(redis HLEN 'penstock:{q}:leases')"

given "the same jobs, a second of grace, and a file that is read again while they run"
rm -f pids work.ran finished
make_config reloaded 3 1s
daemon_start reloaded
daemon_ready reloaded
eventually 10 "3 run" ran_lines 3
daemon_signal reloaded HUP
eventually 10 "it has read it" file_matches reloaded.log 'daemon\.reload'
when "TERM comes"
daemon_signal reloaded TERM
daemon_ends reloaded 15
then_is "the grace holds for those that began before, too: exit status" 0 "$status"
eventually 5 "no child is left" all_gone pids
then_is "all jobs are there" 3 "$(ready_count q)"

given "INT instead, and nothing to do"
touch go
make_config six 1 60s
daemon_start six
daemon_ready six
eventually 20 "what was left is run" queue_is_empty q
daemon_signal six INT
daemon_ends six 15
then_is "exit status" 0 "$status"
then_says "it says that it has stopped" 'daemon\.stop' six.log
then_is "no job was told dead in all of this" 0 "$(dead_count q)"

scenario_ends
