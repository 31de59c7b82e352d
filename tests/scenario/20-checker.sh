#!/bin/bash
# The checker itself: it must tell each fault that is planted in a history, or it proves nothing later.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

# A queue in which all has ended well: 10 jobs were pushed, run, acknowledged and deleted.
well_ended() {
        redis FLUSHALL >/dev/null
        rm -f acknowledged
        produce q --count 10 --seed 7
        redis XGROUP CREATE 'penstock:{q}:ready' penstock 0 >/dev/null
        while read -r _ _ id; do
                redis XDEL 'penstock:{q}:ready' "$id" >/dev/null
        done <acknowledged
        awk '{ print "start d1", $2, $3, 1, 1; print "end d1", $2, $3, 1, 1, 200 }' acknowledged >runs
}

# finds PATTERN WHAT [OPTION…]: the checker says so and fails.
finds() {
        local pattern=$1 what=$2

        shift 2
        if "$checkers/checker" check --redis "$redis" --queue q --acknowledged acknowledged --runs runs \
                "$@" >verdict 2>&1; then
                not_ok "$what: it fails"
        else
                then_says "$what: it fails and says so" "$pattern" verdict
        fi
}

id_of() { # NUMBER
        awk -v number="$1" '$2 == number { print $3 }' acknowledged
}

given "a queue in which all has ended well"
redis_start
well_ended
then_is "each acknowledged job is in the file" 10 "$(grep -cE '^ok [0-9] [0-9]+-[0-9]+$' acknowledged)"
check_queue q
then_says "it has counted" 'acknowledged 10, perhaps pushed 0, done 10, dead 0, runs 10' verdict

given "one job whose run did not end"
sed -i '/^end d1 3 /d' runs
finds '^lost: job 3, id [0-9-]+, was started 1 times' "lost"

given "one job that ended badly and was never tried again"
well_ended
sed -i '/^end d1 3 /s/200$/503/' runs
finds '^lost: job 3' "a failure is no end"

given "one that was never started"
well_ended
sed -i '/^[a-z]* d1 4 /d' runs
finds '^lost: job 4, id [0-9-]+, was started 0 times' "lost"

given "one that is neither, for it is among the dead letters"
redis XADD 'penstock:{q}:dead' '*' id "$(id_of 4)" payload '4 1' error planted outcome rejected attempts 1 >/dev/null
check_queue q --dead 1
finds '^leftover: XLEN dead: 1, and not 0' "a letter that should not be there"

given "a run of a job that nobody pushed"
well_ended
echo 'start d1 77 1-1 1 1' >>runs
finds '^unexpected: nobody pushed it: start d1 77' "unexpected"

given "a run of a job under another's id"
well_ended
echo "start d1 2 $(id_of 5) 1 2" >>runs
finds '^unexpected: it was pushed as another: start d1 2' "unexpected"

given "a job that perhaps was pushed: it may run or not"
well_ended
echo 'maybe 10' >>acknowledged
echo 'maybe 11' >>acknowledged
echo 'start d1 10 5-5 1 1' >>runs
check_queue q

given "a job that was done twice, after its daemon had died"
well_ended
printf 'start d2 6 %s 1 2\nend d2 6 %s 1 2 200\n' "$(id_of 6)" "$(id_of 6)" >>runs
check_queue q
then_says "that may be, and is told" '^duplicated 1, the most runs of one that succeeded: 2' verdict

given "two runs with one token"
sed -i 's/ 1 2$/ 1 1/' runs
finds '^mistaken: job 6 ran twice with token 1' "mistaken"

given "a run as a second attempt of a job that has not failed"
well_ended
echo "start d2 6 $(id_of 6) 2 2" >>runs
finds '^mistaken: it has not failed so often: start d2 6' "mistaken"

given "the same after it has failed"
sed -i '/^end d1 6 /s/200$/503/' runs
printf 'end d2 6 %s 2 2 200\n' "$(id_of 6)" >>runs
check_queue q

given "each kind of leftover, one at a time"
leaves() { # PATTERN WHAT COMMAND…
        local pattern=$1 what=$2

        shift 2
        well_ended
        redis "$@" >/dev/null
        finds "$pattern" "$what"
}
leaves '^leftover: XLEN ready: 1' "an entry" XADD 'penstock:{q}:ready' '*' payload x
leaves '^leftover: ZCARD delayed: 1' "a delayed job" ZADD 'penstock:{q}:delayed' 5 some
leaves '^leftover: HLEN leases: 1' "a lease of a daemon that has gone" HSET 'penstock:{q}:leases' gone 17
leaves '^leftover: consumers: 1' "a consumer of one" XGROUP CREATECONSUMER 'penstock:{q}:ready' penstock gone
leaves '^leftover: key penstock:\{q\}:job:a' "what is known of a job" HSET 'penstock:{q}:job:a' attempts 1
leaves '^leftover: key penstock:\{q\}:result:a' "a result" HSET 'penstock:{q}:result:a' state done
leaves '^leftover: key penstock:\{q\}:unique:a' "a lock" SET 'penstock:{q}:unique:a' b
leaves '^leftover: key penstock:\{q\}:group:a' "a group" SADD 'penstock:{q}:group:a' b
leaves '^leftover: key penstock:\{q\}:what' "a key of which nobody knows" SET 'penstock:{q}:what' ever
well_ended
redis XADD 'penstock:{q}:ready' '*' payload x >/dev/null
redis XREADGROUP GROUP penstock c STREAMS 'penstock:{q}:ready' '>' >/dev/null
finds '^leftover: pending entries: 1' "a pending entry"
well_ended
redis HSET 'penstock:{q}:leases' living 17 >/dev/null
check_queue q --daemons 1
redis SET 'penstock:{other}:what' ever >/dev/null
check_queue q --daemons 1
seq 5000 | sed 's/.*/SET penstock:{q}:cron:& x/' | redis >/dev/null
redis SET 'penstock:{q}:result:last' x >/dev/null
finds '^leftover: key penstock:\{q\}:result:last' "one key among thousands that may stay" --daemons 1
then_says "and only that one" '^leftovers 1$' verdict

given "an acknowledgement that was cut in half"
well_ended
printf 'ok 12 17' >>acknowledged
finds 'acknowledged:11: Invalid argument' "it cannot judge"

given "a producer whose Redis is killed under it, and comes back"
redis FLUSHALL >/dev/null
redis CONFIG SET appendonly yes >/dev/null
redis_options=(--appendonly yes --appendfsync always)
rm -f acknowledged
produce q --count 20000 --rate 10000 &
producer=$!
until_true 30 has_lines acknowledged 3000
redis_kill
redis_again
then_true "it goes on to the end" wait "$producer"
sort -n -k 2 acknowledged | awk '{ print $2 }' >numbers
then_is "each number is accounted for, once" "$(seq 0 19999 | cksum)" "$(cksum <numbers)"
then_true "some were not answered" grep -q '^maybe' acknowledged
redis --raw XRANGE 'penstock:{q}:ready' - + | grep -E '^[0-9]+-' | sort >kept
awk '$1 == "ok" { print $3 }' acknowledged | sort >promised
then_is "whatever was acknowledged is kept" 0 "$(comm -23 promised kept | wc -l)"

given "the same with ids of the jobs' own"
rm -f acknowledged
redis FLUSHALL >/dev/null
produce q --count 20000 --rate 10000 --ids job- &
producer=$!
until_true 30 has_lines acknowledged 3000
redis_kill
redis_again
then_true "it goes on to the end" wait "$producer"
then_is "all are acknowledged, for it may push again" 20000 "$(grep -c '^ok [0-9]* job-[0-9]*$' acknowledged)"

given "the recorder, and requests as a daemon sends them"
recorder_start
# ask PATH ID ATTEMPT PAYLOAD: on descriptor 9, which stays open.
ask() {
        exec 9<>"/dev/tcp/127.0.0.1/$recorder_port"
        printf 'POST %s HTTP/1.1\r\nPenstock-Id: %s\r\nPenstock-Attempt: %s\r\nPenstock-Token: %s\r\nContent-Length: %s\r\n\r\n%s' \
                "$1" "$2" "$3" "$3" "${#4}" "$4" >&9
}
answered() { head -n 1 <&9 | cut -d ' ' -f 2; }
ask /d1 a-1 1 '1 0'
then_is "a job that takes no time" 200 "$(answered)"
then_is "is begun and ended" "start d1 1 a-1 1 1;end d1 1 a-1 1 1 200" "$(paste -sd ';' runs)"
ask /d1 a-2 1 '2 0 1'
then_is "one that fails once" 503 "$(answered)"
ask /d1 a-2 2 '2 0 1'
then_is "and then not" 200 "$(answered)"
ask /d1/410 a-3 1 '3 0'
then_is "a path with its answer" 410 "$(answered)"
then_says "that is recorded" '^end d1 3 a-3 1 1 410$' runs
ask /d2 a-4 1 '4 60000'
eventually 10 "a job that takes a minute runs" count_is running d2 1
exec 9>&-
eventually 10 "until who asked has gone" count_is running d2 0
then_says "and is recorded as that" '^gone d2 4 a-4 1 1$' runs
then_silent "not as an end" '^end d2' runs
ask /d3/200/hold a-5 1 '5 0'
eventually 10 "a job that is held runs" count_is running d3 1
then_silent "and does not end" '^end d3' runs
release d3
then_is "until it is released" 200 "$(answered)"
then_is "counts" "0 1 1" "$(ask_recorder /count/d3)"
ask /d3/200/hold a-6 1 '6 0'
then_is "from then on nothing is held there" 200 "$(answered)"
began=$(date +%s%3N)
ask /d1 a-7 1 '7 300'
then_is "a job that takes 300ms" 200 "$(answered)"
then_true "takes them" test $(($(date +%s%3N) - began)) -ge 300
exec 9>&-

scenario_ends
