#!/bin/bash
# Started without standard descriptors; programs that look at their own name.
. "$(dirname "$0")/lib.sh"

given "40 lines, and a command that lists its descriptors"
seq 1 40 >lines
when "penstock has no standard input, output and error"
timeout -k 5 120 penstock run -j 4 --lines lines --results results.jsonl -- ls /proc/self/fd <&- >&- 2>&-
then_is "exit status" 0 "$?"
then_is "every job is done" "40 {'done'}" "$(results 'str(len(r)) + " " + str({x["outcome"] for x in r})')"
then_is "and has its own three" "{'0 1 2 3'}" "$(results '{" ".join(x["result"].split()) for x in r}')"
then_is "the input is as it was" "$(seq 1 40 | cksum)" "$(cksum <lines)"
for closed in '<&-' '>&-' '2>&-' '<&- >&-' '>&- 2>&-'; do
        eval "timeout -k 5 120 penstock run -j 4 --lines lines --results results.jsonl -- echo {} $closed" >/dev/null 2>&1
        then_is "$closed: exit status" 0 "$?"
        then_is "$closed: results are results" "[$(seq -s ', ' 1 40)]" \
                "$(results 'sorted(int(x["result"]) for x in r)')"
done
timeout -k 5 60 penstock run --lines - -- touch ran <&- >out 2>err
then_is "a closed standard input is an empty one: exit status" 0 "$?"
then_says "no job" '0 done, 0 failed'
then_true "nothing ran" test ! -e ran

given "a program by the names of links to it, as in a virtual environment of Python"
mkdir real venv
script real/tool <<'SH'
echo "$0"
SH
ln -s ../real/tool venv/other-name
echo x >lines
said() { results 'r[0]["result"].strip().replace("/./", "/")'; }
run_penstock --lines lines --results results.jsonl -- venv/other-name
then_is "exit status" 0 "$status"
then_is "a path with a link keeps its name" "$work/venv/other-name" "$(said)"
PATH=$work/venv:$PATH run_penstock --lines lines --results results.jsonl -- other-name
then_is "found in PATH too" "$work/venv/other-name" "$(said)"
(cd venv && PATH=.:$PATH penstock run --lines ../lines --results ../results.jsonl -- other-name 2>err)
then_is "a relative PATH too" "$work/venv/other-name" "$(said)"
ln -s "$(command -v sh)" venv/sh-by-another-name
run_penstock --lines lines --results results.jsonl -- venv/sh-by-another-name -c \
        "tr '\\0' '\\n' </proc/\$\$/cmdline | head -n 1"
then_is "argv[0] is the link, absolute" "$work/venv/sh-by-another-name" "$(said)"

scenario_ends
