#!/bin/bash
# push, status, join and dead on a Redis: without a daemon, and beside one.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

field() { # FIELD [FILE]: of the first line of JSON
        head -n 1 "${2:-out}" | python3 -c 'import json, sys
print(json.load(sys.stdin).get(sys.argv[1]))' "$1"
}

state() { # QUEUE FIELD
        penstock --store "$url" status --json | python3 -c 'import json, sys
print([json.loads(l) for l in sys.stdin if json.loads(l)["queue"] == sys.argv[1]][0][sys.argv[2]])' "$@"
}

ran_twice() { [ "$(grep -c "^$1 " refuse.ran)" -eq 2 ]; }

given "a Redis, and no daemon"
redis_start
url=unix://$work/redis.sock
run_verb --store "$url" status
then_is "status: exit status" 0 "$status"
then_says "there are no queues yet" 'no queues yet'

when "jobs are pushed"
run_verb --store "$url" push letters '{"to":"a@example.org"}'
then_is "push: exit status" 0 "$status"
then_says "the id, alone" '^[0-9]+-0$' out
run_verb push --store "$url" letters --id own:1 --type mail --delay 1h --timeout 30s --max-attempts 3 \
        --expires-at 2099-01-01T00:00:00Z --meta shop=north --meta lang=de \
        --traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 text
then_is "with every field: exit status" 0 "$status"
then_is "its own id" own:1 "$(cat out)"
redis HGETALL 'penstock:{letters}:job:own:1' >fields
redis XRANGE 'penstock:{letters}:ready' - + >>fields
for found in type mail timeout max_attempts expires_at meta.shop north meta.lang traceparent; do
        then_says "the entry has $found" "^$found\$" fields
done
printf 'a\0b\377' >binary
verb_reading binary --store "$url" push letters --json -
then_is "binary from standard input: exit status" 0 "$status"
then_is "as JSON: what became of it" stored "$(field status)"
redis --raw XRANGE 'penstock:{letters}:ready' "$(field id)" "$(field id)" >entry
then_true "its payload bit for bit" env LC_ALL=C grep -qaP '^a\x00b\xff$' entry
run_verb --store "$url" push letters --id own:1 --type mail text
then_is "the same id again: exit status" 0 "$status"
then_says "it is told" 'stored once'
run_verb --store "$url" push letters --id own:1 --type mail other
then_is "the same id with another payload: exit status" 1 "$status"
then_says "the conflict is told" 'another payload or type'
then_is "status counts them all" 3 "$(state letters ready)"
run_verb --store "$url" join letters --timeout 300ms
then_is "join: exit status, for they wait" 75 "$status"
then_says "and says so" 'still work'
run_verb --store "$url" join leters
then_is "a queue that nobody used: exit status" 2 "$status"
then_says "is named" 'no queue leters'

given "a daemon whose handler refuses the payload bad"
note refuse <<'SH'
[ "$payload" != bad ] || { echo "I do not like it" >&2; exit 65; }
SH
config_of one <<YAML
handlers:
  refuse: {exec: {argv: ["$work/refuse"]}}
queues:
  letters: {handler: refuse, capacity: 1000}
  parcels: {types: {box: refuse}, handler: null}
YAML
daemon_start one
daemon_ready one
export PENSTOCK_CONFIG=$work/one.yaml
run_verb push letters bad --id b1
run_verb push letters bad --id b2
eventually 10 "both are dead" count_is dead_count letters 2

when "somebody looks"
run_verb dead list
then_is "dead list: exit status" 0 "$status"
then_says "a table" '^QUEUE +PLACE +ID +TYPE +OUTCOME +ATTEMPTS +FAILED AT +ERROR' out
then_says "with the reason" '^letters +[0-9]+-[0-9]+ +b1 +- +rejected +1 +20[0-9-]+ [0-9:]+ +.*I do not like it' out
run_verb dead list --queue letters --limit 1 --json
then_is "as JSON, one" 1 "$(wc -l <out)"
then_says "that there are more" 'more than these 1'
then_is "the oldest" b1 "$(field id)"
then_is "its payload" bad "$(field payload)"
place=$(field place)
run_verb dead retry letters "$place"
then_is "dead retry: exit status" 0 "$status"
eventually 10 "it runs again" ran_twice b1
eventually 10 "and is dead again" count_is dead_count letters 2
run_verb dead retry letters "$place"
then_is "a place that is no more: exit status" 1 "$status"
then_says "is named" "$place stays: there is no letter"
then_is "status shows the letters" 2 "$(state letters dead_letters)"

when "all are retried, and someone waits for the end"
run_verb dead retry letters --all --json
then_is "dead retry --all: exit status" 0 "$status"
then_is "how many" 2 "$(field retried)"
eventually 10 "they are dead again" count_is dead_count letters 2
redis ZREM 'penstock:{letters}:delayed' own:1 >/dev/null
run_verb join letters
then_is "nothing left: exit status" 0 "$status"
run_verb push letters bad --delay 1s
run_verb join letters --json
then_is "a job died meanwhile: exit status" 1 "$status"
then_is "which is counted" 1 "$(field died)"

when "what the configuration knows is held against a push"
run_verb push leters x
then_is "a queue that it has not: exit status" 2 "$status"
then_says "is named, with the file" 'one\.yaml has no queue leters'
run_verb push parcels x
then_is "no type where types choose: exit status" 2 "$status"
run_verb push parcels x --type crate
then_is "an unknown type: exit status" 2 "$status"
then_says "is named" 'crate'
run_verb push letters x --delay 400d
then_is "a start that is too far: exit status" 2 "$status"
head -c 1048577 /dev/zero >much
verb_reading much push letters -
then_is "a payload that is too large: exit status" 2 "$status"
then_says "with both sizes" '1048577 bytes; at most 1048576'
daemon_stop one

when "Redis is not there"
redis_kill
run_verb status
then_is "exit status" 69 "$status"
then_says "where it was looked for" 'Redis does not answer: unix:.*redis.sock: Connection refused'
then_is "in one line" 1 "$(wc -l <err)"
scenario_ends
