#!/bin/bash
# Failures: through the delayed set, with the attempts counted, to the dead letters; and back.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a queue of three attempts, 400ms apart"
redis_start
recorder_start
# What it shall do is the payload: a word each attempt.
note work <<'SH'
set -- $payload
shift $((PENSTOCK_ATTEMPT - 1))
date +%s%3N >>"$PENSTOCK_ID.times"
case ${1-ok} in
fail) echo "no luck with attempt $PENSTOCK_ATTEMPT" >&2; exit 1 ;;
never) echo "this is no address" >&2; exit 65 ;;
hang) exec sleep 1000 ;;
die) kill -9 $$ ;;
esac
SH
config_of one <<YAML
handlers:
  work: {exec: {argv: ["$work/work"], kill_after: 1s}}
  post: {http: {url: "$recorder/d1"}}
queues:
  q: {handler: work, timeout: 20s, retry: {max_attempts: 3, backoff: constant, delay: 400ms, jitter: none}}
  load: {handler: post, concurrency: 100, retry: {max_attempts: 5, backoff: constant, delay: 100ms, jitter: full}}
YAML
sed 's/instance: one/instance: two/; s/one\.sock/two.sock/' one.yaml >two.yaml
daemon_start one
daemon_ready one

ran() { grep -c "^$1 " work.ran; }

when "a job fails twice"
id=$(push q payload 'fail fail ok')
eventually 10 "it waits among the delayed" count_is delayed_count q 1
eventually 10 "what is known of it is kept" key_exists "penstock:{q}:job:$id"
eventually 20 "then it is done" file_matches one.log "job\.done.*$id"
eventually 10 "the queue is empty" queue_is_empty q
then_is "three attempts, by their numbers" "1 2 3" "$(awk -v id="$id" '$1 == id { print $2 }' work.ran | paste -sd ' ')"
then_true "not before the delay" awk 'NR > 1 && $1 - last < 395 { exit 1 } { last = $1 }' "$id.times"
then_is "two retries are told" 2 "$(grep -cE "job\.retry.*$id" one.log)"
then_is "nothing is kept of it" 0 "$(redis EXISTS "penstock:{q}:job:$id")"
then_is "no letter" 0 "$(dead_count q)"

when "a job fails for good"
id=$(push q id hopeless payload 'fail fail fail fail' type letter meta.shop north)
eventually 20 "it is among the dead letters" count_is dead_count q 1
dead_fields q 1 >letter
then_says "its id" '^id=hopeless$' letter
then_says "its payload" '^payload=fail fail fail fail$' letter
then_says "its type" '^type=letter$' letter
then_says "what the producer said besides" '^meta\.shop=north$' letter
then_says "the error of the last attempt" '^error=.*no luck with attempt 3' letter
then_says "the outcome" '^outcome=failed$' letter
then_says "the attempts" '^attempts=3$' letter
then_says "when" '^failed_at=[0-9TZ:.-]+$' letter
then_says "which daemon" '^daemon=one' letter
then_says "one line says so" 'job\.dead.*hopeless' one.log
then_is "it ran so often" 3 "$(ran hopeless)"
eventually 10 "nothing else is left of it" queue_is_empty q

when "a handler says never again"
id=$(push q payload never)
eventually 20 "it is dead at once" count_is dead_count q 2
then_is "outcome" rejected "$(dead_field q 2 outcome)"
then_true "its error" grep -q 'no address' <<<"$(dead_field q 2 error)"
then_is "it ran once" 1 "$(ran "$id")"

when "one runs past its time, one is killed by a signal"
push q id slow payload 'hang hang' timeout 300ms max_attempts 2 >/dev/null
eventually 20 "it is dead" count_is dead_count q 3
then_is "outcome" timeout "$(dead_field q 3 outcome)"
then_is "attempts: timeouts count as failures do" 2 "$(dead_field q 3 attempts)"
push q id shot payload die max_attempts 1 >/dev/null
eventually 20 "it is dead" count_is dead_count q 4
then_is "outcome: a handler that dies has failed" failed "$(dead_field q 4 outcome)"
then_true "the signal is told" grep -qiE 'signal|kill' <<<"$(dead_field q 4 error)"

when "the letters are looked at, and one is sent again"
timeout 20 penstock -c one.yaml dead list --queue q >letters 2>&1
then_says "penstock dead list has it" hopeless letters
then_says "with the reason" 'no luck' letters
place=$(timeout 20 penstock -c one.yaml dead list --queue q --json | python3 -c '
import json, sys
print(*(x["place"] for x in map(json.loads, sys.stdin) if x["id"] == "hopeless"))')
timeout 20 penstock -c one.yaml dead retry q "$place" >retried 2>&1
then_is "penstock dead retry: exit status" 0 $?
eventually 20 "with its budget new it runs three times more" count_is ran hopeless 6
eventually 20 "and is a letter again" count_is dead_count q 4

given "a job that waits after its first failure"
id=$(push q payload 'fail fail ok' id traveller)
eventually 10 "it has run once" file_matches work.ran '^traveller 1'
eventually 10 "and waits" count_is delayed_count q 1
when "its daemon is killed, and another one starts"
daemon_kill one
daemon_start two
daemon_ready two
eventually 20 "it goes on where it was" file_matches two.log 'job\.done.*traveller'
then_is "attempts" "1 2 3" "$(awk '$1 == "traveller" { print $2 }' work.ran | paste -sd ' ')"
eventually 20 "the queue is empty" queue_is_empty q

given "1,000 jobs that fail up to three times"
rm -f acknowledged
produce load --count 1000 --longest 20 --fails 3 --seed 22
eventually 60 "all are done" queue_is_empty load
eventually $((lease * 2)) "the lease of the one that was killed is gone" leases_are load 1
daemon_stop two
then_is "exit status" 0 "$status"
check_queue load
then_says "none has died" '^acknowledged 1000, perhaps pushed 0, done 1000, dead 0' verdict
then_says "none was done twice" '^duplicated 0' verdict
then_true "there were retries" test "$(grep -c ' 503$' runs)" -gt 1000

scenario_ends
