#!/bin/bash
# A file of jobs into Redis: each line's fate, room, and a Redis that goes away in the middle.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a Redis, and a file with lines of every kind"
redis_start
url=unix://$work/redis.sock
{
        printf '\xef\xbb\xbf{"payload":"first"}\n\n'
        printf '{"payload":{"n": 1.50},"id":"a"}\r\n'
        printf '{"payload":"x","id":"a"}\n'
        printf '{"pay":"x"}\n'
        printf '{"payload_base64":"AP8="}\n'
        printf 'nonsense\n'
        printf '{"payload":{"n": 1.50},"id":"a"}\n'
        printf '{"payload":"later","delay":"400d"}\n'
        printf '{"payload":"no end of line"}'
} >jobs.jsonl
run_verb --store "$url" push q --jsonl jobs.jsonl
then_is "exit status" 2 "$status"
then_says "an unknown field" 'line 5: column 2: no field is called "pay"; the nearest is'
then_says "what is no JSON" 'line 7: column 1:'
then_says "a start that is too far" 'line 9: .*365d'
then_says "a conflict" 'line 4: .*another payload'
then_says "the counts" '4 stored, 1 were there already, 1 in conflict with an earlier job, 3 are no jobs'
then_is "all the others are there" 4 "$(ready_count q)"
redis --raw XRANGE 'penstock:{q}:ready' - + >entries
then_says "any JSON value as it stands" '^\{"n": 1\.50\}$' entries
then_true "binary" env LC_ALL=C grep -qaP '^\x00\xff$' entries
verb_reading jobs.jsonl --store "$url" push r --jsonl - --json
then_is "as JSON from a pipe: a line each" 9 "$(wc -l <out)"
then_is "each with its number, and what became of it" \
        "1 stored,3 stored,4 conflict,5 error,6 stored,7 error,8 exists,9 error,10 stored" \
        "$(python3 -c 'import json
print(",".join("%d %s" % (x["line"], x.get("status", "error")) for x in sorted(map(json.loads, open("out")), key=lambda x: x["line"])))')"

when "a writer takes its time"
mkfifo pipe
(
        exec 6>pipe
        echo '{"payload":"one"}' >&6
        until_true 20 count_is ready_count slow 1 && echo pushed >seen
        echo '{"payload":"two"}' >&6
) &
verb_reading pipe --store "$url" push slow --jsonl -
then_is "exit status" 0 "$status"
then_says "what has come was stored before more came" pushed seen
then_is "both are there" 2 "$(ready_count slow)"

when "100,000 jobs come in order"
seq 100000 | sed 's/.*/{"payload":&}/' >many.jsonl
run_verb --store "$url" push many --jsonl many.jsonl
then_is "exit status" 0 "$status"
then_is "all are there" 100000 "$(ready_count many)"
redis --raw XRANGE 'penstock:{many}:ready' - + | awk '/^payload$/ { getline; print }' >payloads
then_true "in the order of the file" cmp -s payloads <(seq 100000)

given "a queue with room for 100"
config_of one <<YAML
handlers: {nothing: {noop: {}}}
queues: {small: {handler: nothing, capacity: 100}}
YAML
export PENSTOCK_CONFIG=$work/one.yaml
head -n 500 many.jsonl >some.jsonl
redis HSET 'penstock:{small}:limits' capacity 100 >/dev/null
run_verb push small --jsonl some.jsonl --no-wait
then_is "who does not wait: exit status" 1 "$status"
then_says "what found it full" '100 stored, 400 found the queue full'
then_says "ten are told one by one" 'further ones are only counted'
redis DEL 'penstock:{small}:ready' >/dev/null
timeout 60 penstock push small --jsonl some.jsonl >out 2>err &
waiting=$!
eventually 20 "who waits fills it" count_is ready_count small 100
daemon_start one
then_true "and ends well when a daemon makes room" wait "$waiting"
then_says "with all" '500 stored'
run_verb join small --timeout 60s
then_is "which are all done" 500 "$(counter small done)"
daemon_stop one

when "Redis is killed in the middle"
seq 1000000 | sed 's/.*/{"payload":"a job of some length, so that there are enough bytes: &"}/' >million.jsonl
has_more_than() { [ "$(ready_count "$1")" -gt "$2" ]; }
push_million() { # QUEUE: in the background, until it has begun
        timeout 120 penstock --store "$url" push "$1" --jsonl million.jsonl >out 2>err </dev/null &
        pid=$!
        eventually 20 "it has begun" has_more_than "$1" 5000
}
number() { # SED-PATTERN: of err
        sed -n "s/.*$1.*/\\1/p" err | head -n 1
}
account() {
        then_is "exit status" 69 "$status"
        then_says "what was acknowledged and what is not known" '[0-9]+ acknowledged, [0-9]+ unknown'
        then_says "from where on to push again" 'all lines before line [0-9]+ were dealt with'
        acknowledged=$(number ' \([0-9]*\) acknowledged, ')
        unknown=$(number ' acknowledged, \([0-9]*\) unknown')
        line=$(number 'before line \([0-9]*\) were')
        then_true "it had stored some" test "$acknowledged" -gt 0
        then_true "at most three batches are unknown" test "$unknown" -le 768
        then_true "the lines before that one are acknowledged" test $((line - 1)) -le "$acknowledged"
}
push_million big
redis_kill
wait "$pid"
status=$?
account
then_says "what happened" 'the connection to Redis broke|Redis went away'

when "it stands still, as behind a network that is gone, and goes on later"
redis_again
push_million stopped
kill -STOP "$redis_pid"
wait "$pid"
status=$?
kill -CONT "$redis_pid"
until_true 20 redis_answers
account
then_true "some are unknown" test "$unknown" -gt 0
stored=$(ready_count stopped)
then_true "what was acknowledged is there" test "$stored" -ge "$acknowledged"
then_true "and no more than what is unknown besides" test "$stored" -le $((acknowledged + unknown))
scenario_ends
