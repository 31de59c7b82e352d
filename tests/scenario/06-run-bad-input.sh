#!/bin/bash
# Bad input is refused with the place, what was found and what is allowed; the rest goes on.
. "$(dirname "$0")/lib.sh"

given "a file in which some lines are no jobs"
cat >jobs <<'JSONL'
{"id":"good-1","payload":"x"}
{"payload":"x"
{"payload":"x","payload":"y"}
{"payload":"x","max_atempts":3}
{"payload":"x","delay":"5 minutes"}
{"payload":"x","delay":5}
{"payload":"x","delay":"800d"}
{"payload":"x","max_attempts":0}
{"payload":"x","max_attempts":1.5}
{"id":"has space","payload":"x"}
{"payload":"x","payload_base64":"eA=="}
{"payload_base64":"@@@@"}
plain text
[1,2]
{"payload":"\ud800"}
{"payload":"x"} trailing
{"payload":"x","run_at":"yesterday"}
{"payload":"x","v":2}
{"id":"good-2","payload":"x"}
JSONL
printf '{"payload":"\xff\xfe"}\n' >>jobs
{ printf '{"payload":'; head -c 100000 /dev/zero | tr '\0' '['; echo; } >>jobs
when "it runs"
run_penstock jobs --results results.jsonl -- true
then_is "exit status" 1 "$status"
then_is "the good ones are done" "['good-1', 'good-2']" "$(results 'sorted(x["id"] for x in r if x["outcome"] == "done")')"
then_is "each bad line has its line among the results" True \
        "$(results 'str({x["line"] for x in r if x["outcome"] == "invalid"} == set(range(2, 22)) - {19})')"
then_is "with a reason" True "$(results 'str(all(len(x["error"]) > 10 for x in r if x["outcome"] == "invalid"))')"
then_says "the summary counts them" '2 done, 0 failed, 19 not jobs'
then_says "they are told with line and column" '^penstock run: line 2: not a job: column [0-9]+: '
then_silent "what they contain does not reach the terminal as it is" $'\xff'

told() { # LINE PATTERN
        local error

        error=$(results "[x['error'] for x in r if x['line'] == $1][0]")
        then_true "line $1: $error" grep -qE -- "$2" <<<"$error"
}
told 3 'payload'
told 4 'max_atempts.*nearest is max_attempts'
told 5 'delay: .*5 minutes.*5m'
told 6 'delay: 5 .*30s'
told 7 'delay: .*365d'
told 8 'max_attempts: 0 .*whole number from 1'
told 9 'max_attempts: 1.5 .*whole number'
told 10 'id: .*A-Z'
told 11 'payload_base64.*beside payload'
told 12 'base64'
told 13 '--lines'
told 18 'newer'

given "many bad lines"
seq 1 500 >jobs
run_penstock jobs -- true
then_is "exit status" 1 "$status"
then_at_most "lines told before they are only counted" 15 "$(wc -l <err)"
then_says "that is said" 'only counted'

given "a payload of the limit, and one of a byte more"
{
        head -c 1048576 /dev/zero | tr '\0' a
        echo
        head -c 1048577 /dev/zero | tr '\0' b
        echo
} >lines
run_penstock --lines lines --results results.jsonl -- wc -c
then_is "exit status" 1 "$status"
then_is "the limit is allowed" "1048576" "$(results '[x["result"].strip() for x in r if x["line"] == 1][0]')"
then_is "a byte more is not" "invalid" "$(results '[x["outcome"] for x in r if x["line"] == 2][0]')"
then_says "both numbers are told" '1048577 bytes; at most 1048576'

given "a line that is longer than anything"
{
        echo first
        head -c 20000000 /dev/zero | tr '\0' c
        echo
        echo last
} >lines
run_penstock -j 1 --lines lines --results results.jsonl -- cat
then_is "exit status" 1 "$status"
then_is "it is refused once; the lines around it run" "[(1, 'done'), (2, 'invalid'), (3, 'done')]" \
        "$(results 'sorted((x["line"], x["outcome"]) for x in r)')"
then_says "the limit is told" 'line 2: not a job: the line is longer than 8 MiB'

given "orders that cannot be understood"
echo x >lines
refused() { # PATTERN ARG…
        local pattern=$1

        shift
        run_penstock "$@"
        if [ "$status" -eq 2 ] && grep -qE -- "$pattern" err && [ ! -s out ] && [ ! -e ran ]; then
                ok "refused: penstock run $*: $(head -n 1 err)"
        else
                not_ok "penstock run $*: status $status, wanted 2 and '$pattern':"
                head -n 5 err | sed 's/^/         | /'
        fi
}
refused '-j 0: must be a whole number from 1 to 100000' -j 0 lines -- touch ran
refused '-j -1' -j -1 lines -- touch ran
refused '-j 5x' -j 5x lines -- touch ran
refused '-j 100001' -j 100001 lines -- touch ran
refused '-j 99999999999999999999' --jobs 99999999999999999999 lines -- touch ran
refused '--retries many' --retries many lines -- touch ran
refused '--timeout 5: must be .*30s' --timeout 5 lines -- touch ran
refused '--timeout 0' --timeout 0 lines -- touch ran
refused '--rate 10: must be .*/s' --rate 10 lines -- touch ran
refused '--rate 0/s' --rate 0/s lines -- touch ran
refused '--colour.* not an option' --colour lines -- touch ran
refused '--jobs.*value' lines --jobs
refused 'which FILE' -- touch ran
refused 'one FILE' lines lines -- touch ran
refused 'what shall run' lines
refused 'no command behind' lines --
refused 'either a command or --url' lines --url http://127.0.0.1/ -- touch ran
refused 'no-such-program: not found in PATH' --lines lines -- no-such-program
refused './lines: not an executable file' --lines lines -- ./lines
refused '/: not an executable file' --lines lines -- /
refused 'no-such-file: No such file' no-such-file -- touch ran
refused 'no/such/dir/r.jsonl: No such file' --results no/such/dir/r.jsonl lines -- touch ran
refused '/: Is a directory' --results / lines -- touch ran
run_penstock --help
then_is "--help: exit status" 0 "$status"
then_says "--help goes to standard output" '^Usage: penstock run' out
penstock nonsense >out 2>err
then_is "an unknown verb: exit status" 2 "$?"
then_says "it is named" 'no verb `nonsense`'
penstock >out 2>err
then_is "no verb: exit status" 2 "$?"
then_true "--version" grep -qE '^penstock [0-9]+\.[0-9]+\.[0-9]+$' <(penstock --version)

given "a directory as the file"
mkdir directory
run_penstock --lines directory -- true
then_true "it is refused (status $status)" test "$status" -ne 0
then_says "by name" 'directory: Is a directory'

given "a disk that is full"
seq 1 200 >lines
run_penstock --lines lines --results /dev/full -- true
then_is "exit status" 1 "$status"
then_says "it is told" '/dev/full: No space left on device'
timeout 60 penstock run --lines --json lines -- true >/dev/full 2>err
then_is "a summary that cannot be written: exit status" 1 "$?"

given "a reader of the results that has gone away"
script until_closed <<'SH'
i=0
until [ -e closed ]; do
        i=$((i + 1))
        [ $i -lt 500 ] || exit 1
        sleep 0.02
done
SH
{
        timeout 60 penstock run -j 50 --lines lines --results - -- ./until_closed 2>err
        echo $? >status
} | {
        exec <&-
        touch closed
}
then_is "exit status" 1 "$(cat status)"
then_says "it is told" 'Broken pipe'

given "a program that vanishes while the jobs run"
script vanishing <<'SH'
rm -f vanishing
SH
echo x >lines
echo y >>lines
start_penstock -j 1 --lines lines -- ./vanishing
eventually 20 "the handler is unavailable, which is told" file_matches err 'waiting, and trying again: .*vanishing cannot be run: No such file'
script vanishing <<'SH'
exit 0
SH
end_penstock 60
then_is "it goes on by itself once the program is back: exit status" 0 "$status"
then_says "which is told too" 'it works again'

scenario_ends
