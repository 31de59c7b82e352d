#!/bin/bash
# Lines of text drained by a command, N at a time and never more.
. "$(dirname "$0")/lib.sh"

# Most jobs at once, from a log in which each writes + when it begins and - when it ends.
most_at_once() {
        awk '{ now += $1 == "+" ? 1 : -1; if (now > most) most = now } END { print most + 0 }' "$1"
}

given "60 lines, and a command whose first 8 runs wait for one another"
seq 1 60 >lines
script job <<'SH'
echo + >>log
echo "$1" >>seen
i=0
while [ "$(grep -c + log)" -lt 8 ]; do
        i=$((i + 1))
        [ $i -lt 1000 ] || exit 1
        sleep 0.02
done
sleep 0.05
echo - >>log
SH
when "it runs with -j 8"
run_penstock -j 8 --lines lines -- ./job {}
then_is "exit status" 0 "$status"
then_is "most at once, as the jobs themselves counted" 8 "$(most_at_once log)"
then_is "every line was a job once" "$(sort -n lines | cksum)" "$(sort -n seen | cksum)"
then_says "the summary counts" 'penstock run: 60 done, 0 failed in [0-9.]+s, [0-9]+/s; run time p50 .*, p99 '
then_is "nothing is printed to standard output" 0 "$(wc -c <out)"
then_silent "no libraries' noise" '\[warn\]|\[err\]'

given "the same with -j 1"
rm -f log seen
script job <<'SH'
echo + >>log
echo "$1" >>seen
echo - >>log
SH
run_penstock -j 1 --lines lines -- ./job {}
then_is "most at once" 1 "$(most_at_once log)"
then_true "in the order of the file" cmp lines seen

given "blank lines, spaces, and a last line without its end"
printf 'one\n\n   \n two words \nlast' >lines
run_penstock -j 1 --lines lines --results results.jsonl -- printf '<%s>' {}
then_is "exit status" 0 "$status"
then_is "blank lines are no jobs" 3 "$(results 'len(r)')"
then_is "lines are taken as they stand" "['<one>', '< two words >', '<last>']" \
        "$(results '[x["result"] for x in r]')"

given "text that a shell would take for orders"
cat >lines <<'LINES'
; touch pwned
$(touch pwned)
`touch pwned`
-n --version
a  'b' "c" \d * {}
LINES
script show <<'SH'
printf '%s' "$1"
SH
run_penstock -j 1 --lines lines --results results.jsonl -- ./show {}
then_is "exit status" 0 "$status"
results '"\n".join(x["result"] for x in r)' >seen
then_true "arguments are data, also a leading dash and {}" cmp lines seen
then_true "nothing was carried out" test ! -e pwned

given "a command without {}"
printf 'alpha\nbeta\n' >lines
run_penstock -j 1 --lines lines --results results.jsonl -- cat
then_is "the payload is its standard input, without the line's end" "['alpha', 'beta']" \
        "$(results '[x["result"] for x in r]')"

given "an empty file"
: >lines
run_penstock --lines lines -- false
then_is "exit status" 0 "$status"
then_says "the summary" '0 done, 0 failed'

scenario_ends
