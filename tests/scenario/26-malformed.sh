#!/bin/bash
# What producers write that is no job: nothing in the stream can stop the queue, nothing vanishes unsaid.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a daemon, and a limit of 1 KiB for payloads"
redis_start
note work <<'SH'
:
SH
config_of one <<YAML
limits: {payload: 1KiB, delay: 30d}
handlers:
  work: {exec: {argv: ["$work/work"]}}
queues:
  q: {handler: work, dedupe: 1m}
  typed: {types: {letter: work}}
YAML
touch work.ran
daemon_start one
daemon_ready one

letters=0
# refused WHAT PATTERN FIELD VALUE…: it becomes a dead letter whose error is like that.
refused() {
        local what=$1 pattern=$2

        shift 2
        push q "$@" >/dev/null
        letters=$((letters + 1))
        if ! until_true 10 count_is dead_count q "$letters"; then
                not_ok "$what is a dead letter"
                letters=$(dead_count q)
        elif grep -qiE -- "$pattern" <<<"$(dead_field q "$letters" error)"; then
                ok "$what: $(dead_field q "$letters" error | cut -c 1-100)"
        else
                not_ok "$what: the reason is like '$pattern': $(dead_field q "$letters" error)"
        fi
}

when "entries come that are none of the table's"
refused "no known field" 'foo' foo bar
refused "an unknown field beside known ones" 'color' payload x color red
refused "a field of JSON's" 'payload_base64' payload_base64 eA==
refused "a timeout without its unit" 'timeout' payload x timeout 5
refused "a timeout that is none" 'timeout' payload x timeout soon
refused "a delay below nothing" 'delay' payload x delay -1s
refused "a start that is none" 'run_at' payload x run_at tomorrow
refused "a start in the year 9999" 'run_at|delay' payload x run_at 9999-01-01T00:00:00Z
refused "an end that is none" 'expires_at' payload x expires_at never
refused "no attempts" 'max_attempts' payload x max_attempts 0
refused "half an attempt" 'max_attempts' payload x max_attempts 1.5
refused "an id with a space" 'id' payload x id 'a b'
refused "an id of nothing" 'id' payload x id ''
refused "an id too long" 'id' payload x id "$(printf '%0129d' 0)"
refused "a type with a slash" 'type' payload x type a/b
refused "a field twice" 'payload' payload x payload y
refused "meta without a name" 'meta' payload x meta. y
refused "meta with 17 names" 'meta' payload x $(seq -f 'meta.n%g 1' 17)
refused "a version that is none" 'v' payload x v latest
refused "a payload of limit and one" '1 ?KiB|1024|too large|limit' payload "$(printf '%01025d' 0)"
then_is "none of them ran" 0 "$(wc -l <work.ran)"
then_true "line ends in what is told do not make lines" test "$(grep -vcE '^(ts=|\{|[0-9T:.Z-]+ )' one.log)" -eq 0

when "entries come that are odd, but jobs"
id=$(push q payload "$(printf '%01024d' 0)")
eventually 10 "a payload of the limit" file_matches work.ran "^$id "
id=$(push q payload '')
eventually 10 "an empty payload" file_matches work.ran "^$id "
id=$(push q type only-a-type)
eventually 10 "no payload" file_matches work.ran "^$id "
id=$(push q payload '; rm -rf $(echo x) `y`')
eventually 10 "one that a shell would take for orders" file_matches work.ran "^$id 1 ; rm -rf"
id=$(push q payload x v 1)
eventually 10 "version 1" file_matches work.ran "^$id "
eventually 10 "the queue is empty" queue_is_empty q
then_is "no letter more" "$letters" "$(dead_count q)"

when "a type comes that is not listed"
push typed type letter payload x id good >/dev/null
push typed type parcel payload x >/dev/null
push typed payload x >/dev/null
eventually 10 "it is dead, and so is none at all" count_is dead_count typed 2
then_true "the reason names it" grep -q parcel <<<"$(dead_field typed 1 error)"
eventually 10 "a listed one runs" file_matches work.ran '^good '

when "an id comes again"
before=$(counter q duplicates)
push q id a payload one >/dev/null
push q id a payload one >/dev/null
eventually 10 "it runs" file_matches work.ran '^a 1 one'
eventually 10 "the queue is empty" queue_is_empty q
push q id a payload one >/dev/null
eventually 10 "again" queue_is_empty q
then_is "it ran once" 1 "$(grep -c '^a ' work.ran)"
then_is "the two others are counted as duplicates" $((before + 2)) "$(counter q duplicates)"
then_is "and are no letters" "$letters" "$(dead_count q)"
refused "the same id with another payload" 'conflict|payload|id' id a payload other
then_is "the letter has that payload" other "$(dead_field q "$letters" payload)"
refused "the same id with another type" 'conflict|type|id' id a payload one type mail
then_is "it still ran once" 1 "$(grep -c '^a ' work.ran)"

when "an entry of a newer version comes"
id=$(push q payload x v 2 surprise yes)
push q payload after id after >/dev/null
eventually 10 "those behind it run" file_matches work.ran '^after '
eventually 10 "it is reported" file_matches one.log "$id|version"
then_is "it is not run" 0 "$(grep -c "^$id " work.ran)"
then_is "nor dead" "$letters" "$(dead_count q)"
stays() { # in the stream, or put aside with what it had
        redis --raw XRANGE 'penstock:{q}:ready' - + | paste -sd ' ' | grep -q 'payload x v 2 surprise yes' ||
                redis --raw HGETALL "penstock:{q}:job:$id" | paste -sd ' ' | grep -q 'surprise yes'
}
then_true "it is kept untouched, its unknown fields too" stays

daemon_stop one
then_is "exit status" 0 "$status"
then_true "and still after the stop" stays

scenario_ends
