#!/bin/bash
# Results go to a reader that is slow, and never onto the input.
. "$(dirname "$0")/lib.sh"

given "a reader of the results that takes a little and then nothing"
mkfifo slow
yes "$(head -c 1000 /dev/zero | tr '\0' x)" | head -n 20000 >lines
exec 7<>slow # holds the fifo open, and reads when asked
penstock_slowly() {
        set -m
        penstock run "$@" >slow 2>err </dev/null 7>&- &
        pid=$!
        set +m
        started+=("$pid")
}
penstock_slowly -j 4 --lines lines --results - -- cat
IFS= read -r first <&7
then_true "the first result comes" test -n "$first"
# It is held back once the pipe and 1 MiB of its own are full: no job starts any more.
is_held_back() {
        local before after

        before=$(awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io")
        [ "$before" -gt 1000000 ] || return 1
        sleep 1
        after=$(awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io")
        [ "$before" = "$after" ]
}
eventually 60 "it waits for the reader" is_held_back
then_true "it lives" kill -0 "$pid"
when "it is interrupted, and again"
# Two that come at once are one: so until it has gone.
interrupted_away() {
        kill -INT "$pid" 2>/dev/null
        not_alive "$pid"
}
eventually 20 "it ends, though nobody reads" interrupted_away
end_penstock 5
then_is "exit status" 1 "$status"
then_says "and tells what was left" 'left: [0-9]+'
exec 7>&-

given "a reader that is slow, but reads all"
seq 1 300 >lines
mkfifo slower
python3 - >seen <<'PY' &
import sys, time
n = 0
with open('slower', 'rb', buffering=0) as f:
    while True:
        data = f.read(512)
        if not data:
            break
        n += data.count(b'\n')
        time.sleep(0.005)
print(n)
PY
reader=$!
started+=("$reader")
timeout -k 5 120 penstock run -j 20 --lines lines --results - -- echo {} >slower 2>err </dev/null
then_is "exit status" 0 "$?"
wait "$reader"
then_is "it has all results" 300 "$(cat seen)"

given "--results that is the input"
seq 1 100 >lines
cp lines before
for way in lines ./lines link symlink; do
        case $way in
        link) ln lines link ;;
        symlink) ln -s lines symlink ;;
        esac
        run_penstock --lines lines --results "$way" -- touch ran
        then_is "--results $way: exit status" 2 "$status"
        then_says "it says why" 'that is the input'
        then_true "the input is as it was" cmp lines before
        then_true "nothing ran" test ! -e ran
done
timeout 60 penstock run --lines - --results lines -- touch ran <lines >out 2>err
then_is "as standard input: exit status" 2 "$?"
then_true "the input is as it was" cmp lines before
timeout 60 penstock run --lines lines --results - -- touch ran >>lines 2>err </dev/null
then_is "as standard output: exit status" 2 "$?"
then_true "the input is as it was" cmp lines before
then_true "nothing ran" test ! -e ran

given "results of an earlier run that were longer"
seq 1 100 >results.jsonl
echo x >lines
run_penstock --lines lines --results results.jsonl -- true
then_is "exit status" 0 "$status"
then_is "they are replaced as a whole" 1 "$(wc -l <results.jsonl)"

scenario_ends
