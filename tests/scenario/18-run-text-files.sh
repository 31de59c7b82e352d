#!/bin/bash
# Files as other systems write them: a byte order mark, carriage returns.
. "$(dirname "$0")/lib.sh"

given "lines of text with a byte order mark and carriage returns"
printf '\xef\xbb\xbfone\r\ntwo\r\n\r\n   \r\nthr\ree\r\nlast\r' >lines
run_penstock -j 1 --lines lines --results results.jsonl -- printf '<%s>' {}
then_is "exit status" 0 "$status"
then_is "neither is part of the payload; blank lines are still blank" \
        "['<one>', '<two>', '<thr\\ree>', '<last>']" "$(results '[x["result"] for x in r]')"
then_is "their places in the file" "[1, 2, 5, 6]" "$(results '[x["line"] for x in r]')"

given "the same as JSON"
printf '\xef\xbb\xbf{"id":"a","payload":"one"}\r\n\r\n{"id":"b","payload":"two\\r"}\r\n' >jobs
run_penstock -j 1 jobs --results results.jsonl -- cat
then_is "exit status" 0 "$status"
then_is "line ends are white space; what a payload says of itself stays" "['one', 'two\\r']" \
        "$(results '[ids["a"]["result"], ids["b"]["result"]]')"

given "a byte order mark that is not at the beginning of the file"
printf 'one\n\xef\xbb\xbftwo\n' >lines
run_penstock -j 1 --lines lines --results results.jsonl -- cat
then_is "it is data" "['one', '\\ufefftwo']" "$(results '[ascii(x["result"])[1:-1] for x in r]' | sed "s/\\\\\\\\u/\\\\u/")"

given "a file of nothing but a byte order mark"
printf '\xef\xbb\xbf' >lines
run_penstock --lines lines -- touch ran
then_is "exit status" 0 "$status"
then_says "there is no job in it" '0 done, 0 failed'
then_true "nothing ran" test ! -e ran
printf '\xef\xbb\xbf\r\n' >lines
run_penstock --lines lines -- touch ran
then_is "nor with a line end: exit status" 0 "$status"
then_true "nothing ran" test ! -e ran

scenario_ends
