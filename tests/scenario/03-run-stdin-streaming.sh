#!/bin/bash
# Standard input is drained as it comes, in bounded memory, however fast the producer is.
. "$(dirname "$0")/lib.sh"

peak_mib() {
        awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/$pid/status"
}

# The producer cannot write any more: not a byte within a second.
is_held_back() {
        local before after

        not_alive "$producer" && return 1
        before=$(awk '$1 == "wchar:" { print $2 }' "/proc/$producer/io")
        [ "$before" -gt 100000 ] || return 1
        sleep 1
        after=$(awk '$1 == "wchar:" { print $2 }' "/proc/$producer/io")
        [ "$before" = "$after" ]
}

given "a producer that writes a line and keeps the pipe open"
mkfifo pipe
script note <<'SH'
echo "$1" >>seen
SH
exec 7<>pipe # neither side waits for the other to open it
start_reading pipe --lines - -- ./note {}
echo first >&7
eventually 10 "its job runs before the end of the input" has_lines seen 1
echo second >&7
eventually 10 "so does the next" has_lines seen 2
printf 'half' >&7
then_true "a line that is not complete is no job yet" test "$(wc -l <seen)" -eq 2
printf ' a line\n' >&7
eventually 10 "until its end comes" has_lines seen 3
then_is "the third" "half a line" "$(tail -n 1 seen)"
then_true "it waits for more" kill -0 "$pid"
when "the producer closes the pipe"
exec 7>&-
# We were its reader too, and nobody else writes.
end_penstock 10
then_is "exit status" 0 "$status"
then_says "the summary" '3 done, 0 failed'

given "a producer without an end, and two consumers that do not come back"
for bytes in 15 100000; do
        mkfifo "fast-$bytes"
        yes "$(head -c "$bytes" /dev/zero | tr '\0' x)" >"fast-$bytes" 2>/dev/null &
        producer=$!
        started+=("$producer")
        start_reading "fast-$bytes" -j 2 --lines - -- sleep 1000
        eventually 60 "lines of $bytes bytes: the producer is held back" is_held_back
        if [ -z "$sanitized" ]; then
                then_at_most "peak of memory, MiB" $((bytes > 1000 ? 128 : 64)) "$(peak_mib)"
        fi
        when "it is interrupted, twice"
        kill -INT "$pid"
        eventually 10 "it waits for the two" file_matches err 'starting no more'
        kill -INT "$pid"
        end_penstock 30
        then_is "exit status" 1 "$status"
        then_says "what was left is told" \
                'left: [0-9]+ .*standard input was read up to line [0-9]+'
        wait "$producer" 2>/dev/null
done

given "3,000 lines from a pipe"
seq 1 3000 >lines
start_reading <(cat lines) -j 16 --lines - --results results.jsonl -- true
end_penstock 120
then_is "exit status" 0 "$status"
then_is "nothing lost, nothing twice" "3000 3000" "$(results 'str(len(r)) + " " + str(len({x["line"] for x in r}))')"

scenario_ends
