#!/bin/bash
# What a command finds when it runs, and how it is stopped.
. "$(dirname "$0")/lib.sh"

given "a command that looks at itself, 50 times at once"
seq 1 50 >lines
exec 7<lines # not ours to hand on
when "it lists its descriptors"
run_penstock -j 50 --lines lines --results results.jsonl -- ls /proc/self/fd
then_is "exit status" 0 "$status"
then_is "0, 1, 2, and the directory that ls itself reads" "{'0 1 2 3'}" \
        "$(results '{" ".join(x["result"].split()) for x in r}')"
when "it looks at its process group and its signals"
script look <<'SH'
group=$(cut -d ' ' -f 5 /proc/$$/stat)
[ "$group" = $$ ] && group=own
echo "group: $group"
# 32 and 33 are libc's own: its posix_spawn has them ignored, and no program can change that.
while read -r name mask; do
        case $name in SigBlk: | SigIgn:) echo "$name $((0x$mask & ~0x180000000))" ;; esac
done </proc/$$/status
SH
run_penstock -j 50 --lines lines --results results.jsonl -- ./look
exec 7<&-
then_is "exit status" 0 "$status"
then_is "a process group of its own; no signal blocked or ignored" \
        "{'group: own SigBlk: 0 SigIgn: 0'}" "$(results '{" ".join(x["result"].split()) for x in r}')"

given "penstock itself started with SIGINT and SIGPIPE ignored"
(trap '' INT PIPE; run_penstock -j 1 --lines lines --results results.jsonl -- ./look)
then_is "the command does not inherit that" "{'group: own SigBlk: 0 SigIgn: 0'}" \
        "$(results '{" ".join(x["result"].split()) for x in r}')"

given "a job that ignores TERM, and its child that does too"
script stubborn <<'SH'
trap '' TERM
echo $$ >>pids
sleep 1000 &
echo $! >>pids
echo partial
wait
SH
echo '{"id":"s","timeout":"300ms","max_attempts":1}' >jobs
start_penstock jobs --results results.jsonl -- ./stubborn
eventually 10 "it runs" has_lines pids 2
end_penstock 30
then_is "exit status" 1 "$status"
then_is "it ran past its time" timeout "$(results 'ids["s"]["outcome"]')"
then_true "TERM at 0.3s, KILL 5s later: $(results 'ids["s"]["run_ms"]') ms" \
        test "$(results 'str(5200 <= ids["s"]["run_ms"] < 9000)')" = True
eventually 5 "both are gone" all_gone pids

given "a job that ends at TERM"
script gentle <<'SH'
trap 'echo bye >>goodbye; exit 0' TERM
while :; do sleep 0.05; done
SH
began=$SECONDS
run_penstock jobs --results results.jsonl -- ./gentle
then_is "it could tidy up" bye "$(cat goodbye)"
then_is "yet the outcome is timeout" timeout "$(results 'ids["s"]["outcome"]')"
then_at_most "and nobody waited for KILL, seconds" 4 $((SECONDS - began))

given "a job that leaves a child behind which holds its pipes"
script parent <<'SH'
sleep 1000 &
echo $! >>left
echo result
SH
rm -f left
echo x >lines
began=$SECONDS
run_penstock --lines lines --results results.jsonl -- ./parent
then_is "exit status" 0 "$status"
then_is "the result is there at once" result "$(results 'r[0]["result"].strip()')"
then_at_most "seconds" 5 $((SECONDS - began))
xargs kill <left 2>/dev/null

given "a job that writes without end, and one that does not read its input"
echo '{"id":"w","timeout":"1500ms","max_attempts":1}' >jobs
start_penstock jobs --results results.jsonl -- sh -c 'yes; yes >&2'
end_penstock 30
then_is "exit status" 1 "$status"
then_is "outcome" timeout "$(results 'ids["w"]["outcome"]')"
{
        printf '{"id":"big","payload":"'
        head -c 900000 /dev/zero | tr '\0' z
        echo '"}'
} >jobs
run_penstock jobs --results results.jsonl -- sh -c 'head -c 200000 /dev/zero | tr "\0" r'
then_is "exit status" 0 "$status"
then_is "a result is cut at 64KiB, and says so" "65536 True" \
        "$(results 'str(len(ids["big"]["result"])) + " " + str(ids["big"]["result_cut"])')"

given "2,000 short commands"
seq 1 2000 >lines
run_penstock -j 20 --lines lines -- true
then_is "exit status" 0 "$status"
then_says "all done" '2000 done, 0 failed'

given "penstock killed while jobs run"
script lasting <<'SH'
echo $$ >>lasting-pids
exec sleep 1000
SH
start_penstock -j 5 --lines lines -- ./lasting
eventually 10 "5 run" has_lines lasting-pids 5
kill -KILL "$pid"
eventually 10 "its children do not run on" all_gone lasting-pids

scenario_ends
