#!/bin/bash
# What a long run takes of memory and descriptors does not grow with the number of its jobs.
. "$(dirname "$0")/lib.sh"

given "jobs of which one, at a place in the file, looks at penstock's own process"
script look <<'SH'
case $1 in
*look*)
        awk '$1 == "VmHWM:" { print $2 }' "/proc/$PPID/status" >"peak-$1"
        ls "/proc/$PPID/fd" | wc -l >"descriptors-$1"
        ls "/proc/$PPID/task" | wc -l >"threads-$1"
        ;;
esac
SH
{
        seq 1 1000
        echo early-look
        seq 1001 19000
        echo late-look
        seq 19001 20000
} >lines
when "20,002 of them run"
timeout -k 5 280 penstock run -j 4 --lines lines --results results.jsonl -- ./look {} >out 2>err </dev/null
then_is "exit status" 0 "$?"
then_says "all done" '20002 done, 0 failed'
then_is "each has its line" "20002 20002" "$(results 'str(len(r)) + " " + str({x["line"] for x in r}.__len__())')"
if [ -z "$sanitized" ]; then
        then_at_most "peak of memory near the end, KiB" 40000 "$(cat peak-late-look)"
        then_at_most "beyond that after the first 1,000, KiB" 4000 $(($(cat peak-late-look) - $(cat peak-early-look)))
fi
# What the three others running just then have open comes and goes: 5 each.
then_at_most "descriptors near the end beyond those after the first 1,000" 15 \
        $(($(cat descriptors-late-look) - $(cat descriptors-early-look)))
then_at_most "threads likewise" 0 $(($(cat threads-late-look) - $(cat threads-early-look)))

scenario_ends
