#!/bin/bash
# The memory store, fed through the daemon's socket by `penstock push`.
. "$(dirname "$0")/lib.sh"

cli() {
        timeout -k 5 60 penstock -c one.yaml "$@" >out 2>err </dev/null
        status=$?
}

given "a daemon with the memory store"
script work <<SH
cd '$work'
cat >"payload-\$PENSTOCK_ID"
echo "\$PENSTOCK_ID \$PENSTOCK_ATTEMPT" >>ran
case \$(head -c 5 "payload-\$PENSTOCK_ID") in
fail*) echo "as you wish" >&2; exit 65 ;;
hold*) until [ -e go ]; do sleep 0.02; done ;;
esac
SH
cat >one.yaml <<YAML
instance: one-$$
store: {kind: memory}
shutdown_timeout: 1s
http: {listen: ["unix:$work/one.sock"]}
handlers:
  work: {exec: {argv: ["$work/work"], kill_after: 1s}}
queues:
  q: {handler: work, capacity: 1000}
YAML
set -m
penstockd -c one.yaml >daemon.out 2>one.log </dev/null 7>&- &
pid=$!
set +m
started+=("$pid")
eventually 20 "it is ready" file_matches one.log 'daemon\.ready'

when "a job is pushed"
cli push q hello
then_is "exit status" 0 "$status"
id=$(tail -n 1 out | grep -oE '[A-Za-z0-9_.:-]+$')
eventually 10 "it runs" test -e "payload-$id"
then_is "with its payload" hello "$(cat "payload-$id")"
when "one is pushed with its own id"
cli push q again --id mine
then_is "exit status" 0 "$status"
cli push q again --id mine
then_is "the same again: exit status" 0 "$status"
cli push q different --id mine
then_true "another payload is a conflict" test "$status" -ne 0
then_says "and that is said" 'another payload' err
cli join q
then_is "join: exit status" 0 "$status"
then_is "it ran once" 1 "$(grep -c '^mine ' ran)"
cli push q fail --id bad
cli join q
cli dead list --queue q
then_says "a job that dies is a letter" 'bad' out
when "bytes come from standard input"
head -c 3000 /dev/urandom >binary
timeout 20 penstock -c one.yaml push q - --id bytes <binary >out 2>err
then_is "exit status" 0 "$?"
cli join q
then_true "they are the same bit for bit" cmp binary payload-bytes
when "a file of jobs comes"
seq 500 | sed 's/.*/{"id":"j&","payload":{"n":&}}/' >jobs
cli push q --jsonl jobs
then_is "exit status" 0 "$status"
cli join q
then_is "all have run" 500 "$(ls | grep -c '^payload-j[0-9]*$')"
then_is "as they were" '{"n":77}' "$(cat payload-j77)"
when "what is pushed is no job"
cli push nowhere x
then_true "no such queue" test "$status" -ne 0
then_says "it is named" nowhere err
cli push q x --timeout 5
then_true "a timeout without its unit" test "$status" -ne 0
cli status
then_is "status: exit status" 0 "$status"
then_says "it has the queue" '\bq\b' out

when "the daemon is stopped with jobs in it"
for i in 1 2 3; do cli push q hold --id "hold$i"; done
eventually 10 "they run" file_matches ran '^hold3'
kill -TERM "$pid"
end_penstock 20
then_is "exit status" 0 "$status"
then_says "it says how many it drops" 'store\.dropped.*jobs=3' one.log
cli push q x
then_is "then nobody is there: exit status" 69 "$status"

scenario_ends
