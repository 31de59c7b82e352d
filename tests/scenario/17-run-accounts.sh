#!/bin/bash
# Whenever a run is interrupted, its numbers add up: no line that was read is unaccounted for.
. "$(dirname "$0")/lib.sh"

given "30,000 lines, some that are no jobs, and commands that end, fail, or hang"
script work <<'SH'
echo >>begun
case $1 in
*7) exit 1 ;;
*3) exec sleep 1000 ;;
esac
SH
python3 - >jobs <<'PY'
for i in range(1, 30001):
    if i % 50 == 0:
        print('no job')
    elif i % 50 == 1:
        print('{"id":"again","payload":"x"}')
    else:
        print('{"payload":"%d","max_attempts":%d%s}' % (i, 1 + i % 2, ',"delay":"100s"' if i % 11 == 0 else ''))
PY

# The moments: so many commands have begun.
for moment in 0 1 5 40 150; do
        rm -f begun
        : >begun
        mkfifo pipe
        cat jobs >pipe &
        started+=($!)
        start_reading pipe -j 30 --json --results results.jsonl - -- ./work {}
        eventually 60 "$moment have begun" has_lines begun "$moment"
        # 0: as soon as it heeds signals at all.
        heeds_signals() {
                [ $((0x$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$pid/status") & 2)) -ne 0 ] &&
                        grep -q penstock "/proc/$pid/comm"
        }
        until_true 10 heeds_signals
        kill -INT "$pid"
        [ "$moment" -eq 0 ] || eventually 10 "it says what it waits for" file_matches err 'starting no more'
        kill -INT "$pid" 2>/dev/null
        end_penstock 30
        then_is "interrupted after $moment: exit status" 1 "$status"
        then_is "done, failed, expired, no jobs, repeated and left are the lines that were read" True \
                "$(python3 - <<'PY'
import json
try:
    s = json.load(open('out'))
    parts = [s[k] for k in ('done', 'failed', 'expired', 'invalid', 'repeated', 'left')]
    print(True if sum(parts) == s['lines_read'] <= 30000 and s['stopped'] <= s['left'] else s)
except ValueError:
    print('no summary:', repr(open('out').read()))
PY
)"
        then_is "the results have those that ended, each once" True "$(python3 - <<'PY'
import json
try:
    s = json.load(open('out'))
    r = [json.loads(line) for line in open('results.jsonl')]
    n = {k: sum(x['outcome'] == k for x in r) for k in ('done', 'failed', 'invalid')}
    print(n == {k: s[k] for k in n} and len({x['line'] for x in r}) == len(r) or (n, s))
except ValueError as e:
    print(e)
PY
)"
        rm pipe
done

scenario_ends
