#!/bin/bash
# An id runs once.
. "$(dirname "$0")/lib.sh"

given "a file in which ids come again: the same job, another payload, another type"
cat >jobs <<'JSONL'
{"id":"a","payload":"one"}
{"id":"b","payload":"two"}
{"id":"a","payload":"one"}
{"id":"a","payload":"other"}
{"id":"b","payload":"two","type":"mail"}
{"payload":"one"}
{"payload":"one"}
JSONL
script note <<'SH'
echo "$1" >>ran
SH
when "it runs"
run_penstock -j 1 jobs --results results.jsonl -- ./note {}
then_is "exit status: two lines were no jobs" 1 "$status"
then_is "each id ran once, jobs without an id each" "one one one two" "$(sort ran | tr '\n' ' ' | sed 's/ $//')"
then_says "the summary" '4 done, 0 failed, 2 not jobs, 1 repeated'
then_is "conflicts are told by line" "[4, 5]" "$(results '[x["line"] for x in r if x["outcome"] == "invalid"]')"
then_says "with the reason" 'line 4: not a job: .*id.*payload'
then_is "made ids differ" 2 "$(results 'len({x["id"] for x in r if x["line"] in (6, 7)})')"

given "an id that comes again after its job has ended"
mkfifo pipe
exec 7<>pipe
rm -f ran
start_reading pipe - --results results.jsonl -- ./note {}
echo '{"id":"a","payload":"one"}' >&7
eventually 10 "it has run" has_lines ran 1
echo '{"id":"a","payload":"one"}' >&7
echo '{"id":"c","payload":"end"}' >&7
eventually 10 "the next one has run" has_lines ran 2
exec 7>&-
end_penstock 10
then_is "exit status" 0 "$status"
then_says "it did not run again" '2 done, 0 failed, 1 repeated'
then_is "what ran" "one end" "$(tr '\n' ' ' <ran | sed 's/ $//')"

given "a job that failed for good, and its id again"
printf '{"id":"x","payload":"no"}\n{"id":"x","payload":"no"}\n' >jobs
run_penstock -j 1 --retries 0 jobs -- false
then_is "exit status" 1 "$status"
then_says "once is enough" '0 done, 1 failed, 1 repeated'

scenario_ends
