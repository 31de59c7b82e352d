#!/bin/bash
# --rate bounds the starts, as the jobs themselves see them.
. "$(dirname "$0")/lib.sh"

given "a command that notes when it starts"
script stamp <<'SH'
date +%s%N >>stamps
SH
# The moments in ms from the first to the last one, and how many.
span() { sort -n stamps | awk 'NR == 1 { first = $1 } END { printf "%d %d\n", ($1 - first) / 1000000, NR }'; }

when "31 lines run with --rate 20/s, and more consumers than that"
seq 1 31 >lines
run_penstock -j 31 --rate 20/s --lines lines -- ./stamp
then_is "exit status" 0 "$status"
read -r took n < <(span)
then_is "starts" 31 "$n"
# Each may be noted a moment after it was started, the first one too.
then_true "from the first to the last at least 30/20 s, less 100ms for noting it: $took ms" test "$took" -ge 1400
if [ -z "$sanitized" ]; then
        then_at_most "and not much longer, ms" 5000 "$took"
fi
if [ "$took" -ge 1400 ]; then
        within=$(sort -n stamps | awk '{ t[NR] = $1 / 1000000 }
                END { for (i = 1; i <= NR; i++) { n = 0; for (j = i; j <= NR && t[j] < t[i] + 500; j++) n++; if (n > most) most = n } print most }')
        then_at_most "the most in any half of a second: 10 and what starting late brings together" 16 "$within"
fi

given "the same without --rate"
rm stamps
run_penstock -j 31 --lines lines -- ./stamp
then_is "exit status" 0 "$status"
read -r took n < <(span)
then_is "starts" 31 "$n"
[ -n "$sanitized" ] || then_at_most "they are at once, ms" 1300 "$took"

given "a rate by the minute"
rm stamps
seq 1 3 >lines
run_penstock -j 3 --rate 120/m --lines lines -- ./stamp
then_is "exit status" 0 "$status"
read -r took n < <(span)
then_true "3 starts at 120/m take at least a second, less 100ms: $took ms" test "$n" -eq 3 -a "$took" -ge 900

given "attempts that fail"
rm stamps
script failing <<'SH'
date +%s%N >>stamps
exit 1
SH
echo '{"payload":"x","max_attempts":1}' >job
for i in $(seq 1 21); do cat job; done >jobs
run_penstock -j 21 --rate 20/s jobs -- ./failing
then_is "exit status" 1 "$status"
read -r took n < <(span)
then_true "they count too: 21 starts take at least a second, less 100ms: $took ms" test "$n" -eq 21 -a "$took" -ge 900

scenario_ends
