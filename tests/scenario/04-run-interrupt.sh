#!/bin/bash
# Ctrl-C drains and tells what was left; a second one stops what runs.
. "$(dirname "$0")/lib.sh"

given "20 jobs, 4 at once, that run until they are let go"
seq 1 20 >lines
script patient <<'SH'
echo "$1" >>begun
i=0
while [ ! -e go ] && [ $i -lt 3000 ]; do
        i=$((i + 1))
        sleep 0.02
done
echo "$1" >>finished
SH
for signal in INT TERM; do
        rm -f go begun finished
        start_penstock -j 4 --lines lines --results results.jsonl -- ./patient {}
        eventually 10 "4 run" has_lines begun 4
        when "SIG$signal comes"
        kill -"$signal" "$pid"
        eventually 10 "it says what it waits for" file_matches err 'starting no more; waiting up to 25s for the 4 running'
        then_true "those that run go on" kill -0 "$pid"
        touch go
        end_penstock 20
        then_is "exit status" 1 "$status"
        then_is "none was started after the signal" 4 "$(wc -l <begun)"
        then_is "those that ran have finished" 4 "$(wc -l <finished)"
        then_says "what was done" '4 done, 0 failed'
        then_says "what was left" 'left: 16 \(stopped while running: 0\); lines was read up to line 20'
        then_is "results have what has ended" "4 done" "$(results 'str(len(r)) + " " + r[0]["outcome"]')"
done

given "jobs that never end, and their own children"
script endless <<'SH'
echo $$ >>pids
sleep 1000 &
echo $! >>pids
wait
SH
rm -f pids
start_penstock -j 4 --lines lines --results results.jsonl -- ./endless {}
eventually 10 "4 run, each with a child" has_lines pids 8
kill -INT "$pid"
eventually 10 "the first interrupt only asks" file_matches err 'starting no more'
then_true "they still run" kill -0 $(cat pids)
when "a second interrupt comes"
kill -INT "$pid"
end_penstock 15
then_is "exit status" 1 "$status"
eventually 5 "no child is left, nor a child's child" all_gone pids
then_says "it says so" 'stopping the 4 running'
then_says "what was left" 'left: 20 \(stopped while running: 4\)'
then_is "what was stopped has no result" 0 "$(results 'len(r)')"

given "one job that is done, and one that does not heed TERM: stopping it takes its time"
script stubborn <<'SH'
[ "$1" = 1 ] && exit 0
trap '' TERM
echo $$ >>pids
while :; do sleep 0.1; done
SH
rm -f pids
seq 2 >two
start_penstock -j 2 --lines two --results results.jsonl -- ./stubborn {}
eventually 10 "it runs" has_lines pids 1
kill -INT "$pid"
eventually 10 "the first interrupt only asks" file_matches err 'starting no more'
kill -INT "$pid"
end_penstock 20
then_is "the one that was done has its result" 1 "$(results 'len(r)')"
then_silent "and nothing is said of results that could not be written" 'results.jsonl:'
eventually 5 "the other is gone" all_gone pids

given "a job that has failed and waits for its next attempt"
echo '{"payload":"x"}' >jobs
script failing <<'SH'
echo once >>failed
exit 1
SH
start_penstock --retries 50 jobs -- ./failing
eventually 10 "it has failed" has_lines failed 1
kill -INT "$pid"
end_penstock 10
then_is "exit status: nothing runs, so it ends at once" 1 "$status"
then_says "the job that waits is left" 'left: 1 '

given "an interrupt before anything has come"
mkfifo pipe
exec 7<>pipe
start_reading pipe --lines - -- true
catches_interrupts() {
        grep -q penstock "/proc/$pid/comm" &&
                [ $((0x$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$pid/status") & 2)) -ne 0 ]
}
eventually 10 "it listens to signals" catches_interrupts
kill -INT "$pid"
end_penstock 10
then_is "exit status" 1 "$status"
then_says "the input was not read to its end" 'left: 0 .* standard input was read up to line 0'

scenario_ends
