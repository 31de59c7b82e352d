#!/bin/bash
# Jobs fed by plain XADD, from the command line, Python and Node, run by each kind of handler.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
examples=$here/../../examples/producers

last_header() { # NAME: of the request that came last
        python3 -c 'import json, sys, urllib.request as u
print(json.load(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=20)).get(sys.argv[2], "absent"))' \
                "http://127.0.0.1:$port/last" "$1"
}

given "a daemon with queues for exec, http and noop"
python3 "$here/server.py" >port 2>server-errors 7>&- &
started+=($!)
eventually 20 "a web server listens" has_lines port 1
port=$(cat port)
redis_start
mkdir payloads
script keep_payload <<SH
cat >"$work/payloads/\$PENSTOCK_ID.part"
env | sort >"$work/payloads/\$PENSTOCK_ID.env"
mv "$work/payloads/\$PENSTOCK_ID.part" "$work/payloads/\$PENSTOCK_ID"
printf 'kept %s' "\$PENSTOCK_ID"
SH
config_of one <<YAML
handlers:
  keep: {exec: {argv: ["$work/keep_payload"]}}
  post: {http: {url: "http://127.0.0.1:$port/ok/posted"}}
  pretend: {noop: {}}
queues:
  files: {handler: keep, dedupe: 0, retry: {max_attempts: 5}}
  posts: {handler: post, dedupe: 0}
  trials: {handler: pretend}
  mixed: {types: {paper: keep, air: pretend}}
YAML
daemon_start one
daemon_ready one

when "redis-cli pushes one job, with nothing but a payload"
id=$(push files payload '{"to":"a@example.org"}')
eventually 10 "exec runs it" test -e "payloads/$id"
then_is "the payload is its standard input" '{"to":"a@example.org"}' "$(cat "payloads/$id")"
then_says "its id is the entry's" "^PENSTOCK_ID=$id\$" "payloads/$id.env"
then_says "the queue" '^PENSTOCK_QUEUE=files$' "payloads/$id.env"
then_says "the attempt" '^PENSTOCK_ATTEMPT=1$' "payloads/$id.env"
then_says "the most attempts" '^PENSTOCK_MAX_ATTEMPTS=5$' "payloads/$id.env"
then_says "the token of its first delivery" '^PENSTOCK_TOKEN=1$' "payloads/$id.env"
eventually 10 "its entry is gone: nothing grows" queue_is_empty files
then_says "one line says that it is done" "job\.done.*$id" one.log

given "a job with every field that an entry may have for its handler"
push files id own.id:1 type letter payload text max_attempts 2 timeout 30s v 1 meta.shop north meta.lang de \
        traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 >/dev/null
eventually 10 "it runs under its own id" test -e payloads/own.id:1
then_says "type" '^PENSTOCK_TYPE=letter$' payloads/own.id:1.env
then_says "its own most attempts" '^PENSTOCK_MAX_ATTEMPTS=2$' payloads/own.id:1.env
then_says "meta" '^PENSTOCK_META_SHOP=north$' payloads/own.id:1.env
then_says "trace context" '^TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01$' payloads/own.id:1.env
then_says "a deadline" '^PENSTOCK_DEADLINE=.' payloads/own.id:1.env
eventually 10 "it is done" queue_is_empty files

given "the producer in Python, with redis-py"
python=$(python_with_redis) || python=
then_true "redis-py is there" test -n "$python"
export REDIS_URL=unix://$work/redis.sock
$python -c 'import os; os.write(1, bytes(range(256)) * 40)' >binary
id=$($python "$examples/python/produce.py" files - <binary)
eventually 10 "a binary payload runs" test -e "payloads/$id"
then_true "and is the same bit for bit" cmp binary "payloads/$id"
$python "$examples/python/produce.py" files one two three type=letter >ids
then_is "three in one round trip" 3 "$(wc -l <ids)"
all_kept() {
        while read -r id; do [ -e "payloads/$id" ] || return 1; done <ids
}
eventually 10 "all run" all_kept
then_is "with their payloads" "one two three" "$(xargs -I ID cat payloads/ID <ids | sed 's/one/one /; s/two/two /')"
then_says "and the field" '^PENSTOCK_TYPE=letter$' "payloads/$(head -n 1 ids).env"

given "the producer in Node, with ioredis"
if [ -n "${SCENARIO_OFFLINE:-}" ]; then
        given "no registry of packages can be reached: it is left out"
else
        need node npm
        cp -r "$examples/node" node
        then_true "npm ci installs what the lock file says" \
                timeout 120 npm --prefix node ci --no-audit --no-fund --ignore-scripts --loglevel error
        timeout 30 node node/produce.js posts '{"n":1}' 'caf$(touch pwned)é' type=greeting id=from-node >ids
        then_is "an id for each" 2 "$(wc -l <ids)"
        eventually 10 "it runs" queue_is_empty posts
        timeout 30 node node/produce.js posts '{"n":2}' type=greeting >ids
        id=$(cat ids)
        eventually 10 "http posts it" test "$(last_header Penstock-Id)" = "$id"
fi

when "redis-cli pushes a job for http"
id=$(push posts payload x type greeting)
posted() { [ "$(last_header Penstock-Id)" = "$id" ]; }
eventually 10 "it is posted" posted
then_is "with the key that makes it idempotent" "penstock:posts:$id" "$(last_header Idempotency-Key)"
then_is "queue" posts "$(last_header Penstock-Queue)"
then_is "type" greeting "$(last_header Penstock-Type)"
then_is "attempt" 1 "$(last_header Penstock-Attempt)"
then_is "token" 1 "$(last_header Penstock-Token)"
eventually 10 "and done" queue_is_empty posts

given "10,000 jobs for noop in one go"
for i in $(seq 10000); do echo "XADD penstock:{trials}:ready * payload $i"; done | redis >pushed
then_is "all are taken" 10000 "$(grep -cE '^[0-9]+-[0-9]+$' pushed)"
eventually 60 "all are done, and the stream is empty" queue_is_empty trials
then_is "each counted once" 10000 "$(counter trials done)"
then_is "the stream keeps its group" 1 "$(redis XINFO GROUPS 'penstock:{trials}:ready' | grep -c '^name$')"

given "a queue that chooses its handler by type"
id=$(push mixed type paper payload written)
eventually 10 "one type goes to one handler" test -e "payloads/$id"
push mixed type air payload gone >/dev/null
eventually 10 "another to another" queue_is_empty mixed
push mixed type water payload wet >/dev/null
eventually 10 "a type that is not listed is dead" count_is dead_count mixed 1
then_true "with a reason that names it" grep -q water <<<"$(dead_field mixed 1 error)"

given "starts in the future"
begun() { date +%s%3N -r "payloads/$1.env"; }
id=$(push files payload later delay 1s)
eventually 10 "a delayed job is put aside" count_is delayed_count files 1
then_true "and does not run before" test ! -e "payloads/$id"
eventually 10 "it runs when it is due" test -e "payloads/$id"
then_true "not earlier" test $(($(begun "$id") - ${id%-*})) -ge 990
at=$(($(date +%s%3N) + 700))
id=$(push files payload then run_at "$at")
eventually 10 "run_at in milliseconds" test -e "payloads/$id"
then_true "not earlier" test "$(begun "$id")" -ge $((at - 10))
id=$(push files payload past run_at 2001-01-01T00:00:00Z)
eventually 10 "a start that is past is now" test -e "payloads/$id"
id=$(push files payload late expires_at 2001-01-01T00:00:00Z)
eventually 10 "one that came too late is not run" file_matches one.log "job\.expired.*$id"
then_true "at all" test ! -e "payloads/$id"
eventually 10 "and leaves the queue" queue_is_empty files

when "the command line looks"
then_true "penstock status" timeout 20 penstock -c one.yaml status >status.txt
then_says "it has the queues" trials status.txt
then_true "penstock join" timeout 20 penstock -c one.yaml join files posts trials
daemon_stop one
then_is "exit status of the daemon" 0 "$status"
then_is "no lease is left" 0 "$(redis HLEN 'penstock:{files}:leases')"
for queue in files posts trials mixed; do
        then_is "$queue: nothing is left of the jobs but ids that are remembered" "" "$(kept_of_jobs "$queue")"
done

scenario_ends
