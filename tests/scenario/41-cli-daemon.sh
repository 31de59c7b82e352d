#!/bin/bash
# The same verbs through a daemon's socket: its jobs are in its memory.
. "$(dirname "$0")/lib.sh"

state() { # FIELD [QUEUE]
        penstock status --json | python3 -c 'import json, sys
print([x for x in map(json.loads, sys.stdin) if x["queue"] == sys.argv[2]][0][sys.argv[1]])' "$1" "${2:-letters}"
}

state_is() { # FIELD VALUE [QUEUE]
        [ "$(state "$1" "${3:-letters}")" = "$2" ]
}

given "a daemon with a store in memory"
script touchy <<SH
payload=\$(cat)
[ "\$payload" != bad ] || exit 65
until [ -e "$work/go" ]; do sleep 0.02; done
SH
cat >one.yaml <<YAML
instance: one
store: {kind: memory}
http: {listen: ["unix:$work/one.sock"]}
handlers:
  touchy: {exec: {argv: ["$work/touchy"]}}
  doomed: {noop: {fail: 1}}
queues:
  doomed: {handler: doomed, retry: {max_attempts: 1}}
  letters: {handler: touchy, capacity: 4, concurrency: 1, maxsize: 1}
YAML
export PENSTOCK_CONFIG=$work/one.yaml
run_verb status
then_is "before it runs: exit status" 69 "$status"
then_says "what to look for" "no daemon at $work/one.sock .*is penstockd running\\?"
set -m
XDG_RUNTIME_DIR=$work penstockd >/dev/null 2>one.log 7>&- &
set +m
started+=($!)
eventually 20 "it is ready" file_matches one.log 'daemon\.ready'

when "jobs are pushed until there is no room"
for payload in 1 2 3 4 5 6; do
        run_verb push letters "$payload"
        then_is "push $payload: exit status" 0 "$status"
done
run_verb push letters 7 --no-wait
then_is "one more: exit status" 1 "$status"
then_says "why" 'the queue is full'
timeout 60 penstock push letters 8 >id8 2>err8 &
waiting=$!
then_true "who does not say --no-wait waits" kill -0 "$waiting"
touch go
then_true "and gets in when there is room" wait "$waiting"
then_says "with an id" . id8
run_verb join letters --timeout 60s
then_is "join: exit status" 0 "$status"
then_is "all are done" 7 "$(state done)"
run_verb --socket "$work/one.sock" status
then_is "status by the socket alone: exit status" 0 "$status"
then_says "a table" '^QUEUE +READY +DELAYED +BUFFERED +RUNNING +LETTERS +DONE +DEAD +EXPIRED +CANCELLED$' out
then_says "its numbers" '^letters +0 +0 +0 +0 +0 +7 +0 +0 +0$' out

when "a job dies"
run_verb push letters bad --id b1
eventually 10 "it is a letter" state_is dead_letters 1
run_verb dead list
then_says "dead list shows it" '^letters +[0-9]+ +b1 +- +rejected' out
run_verb dead retry letters --all
then_is "dead retry: exit status" 0 "$status"
eventually 10 "it is dead again" state_is dead 2
seq 250 | sed 's/.*/{"payload":&}/' >doomed.jsonl
run_verb push doomed --jsonl doomed.jsonl
eventually 20 "250 others that always do are letters" state_is dead_letters 250 doomed
run_verb dead retry doomed --all
then_says "those that die again meanwhile are not retried again" '250 ready again, 0 stay'
eventually 20 "each died twice" state_is dead 500 doomed
run_verb dead list --queue doomed --limit 1000 --json
then_is "over several pages no letter is shown twice" 250 "$(sort -u out | wc -l)"
run_verb push letters fine --delay 400d
then_is "what the daemon refuses: exit status" 2 "$status"
run_verb --socket "$work/one.sock" push leters x
then_is "a queue that it has not: exit status" 2 "$status"
then_says "is named" 'leters'
seq 20 | sed 's/.*/{"payload":"line &","id":"l&"}/' >jobs.jsonl
sed -i '7s/.*/{"payload":/; 9s/l9/l8/' jobs.jsonl
run_verb push letters --jsonl jobs.jsonl
then_is "a file: exit status, for a line is none" 2 "$status"
then_says "the line is named" 'line 7: column 12'
then_says "a conflict too" 'line 9: .*another payload'
then_says "and all the others are stored" '18 stored, 1 in conflict with an earlier job, 1 are no jobs'
run_verb join letters --timeout 60s
then_is "the queue of 4 has taken them all" 25 "$(state done)"
scenario_ends
