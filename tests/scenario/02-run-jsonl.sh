#!/bin/bash
# Jobs as JSON: delay, timeout, max_attempts, retries with backoff, and the file of results.
. "$(dirname "$0")/lib.sh"

given "20 jobs that fail twice, and one command that says when it was called"
for i in $(seq 1 20); do
        echo "{\"id\":\"job-$i\",\"payload\":\"$i\"}"
done >jobs
script flaky <<'SH'
date +%s.%N >>"calls-$1"
echo "try $PENSTOCK_ATTEMPT of $PENSTOCK_MAX_ATTEMPTS" >&2
[ "$PENSTOCK_ATTEMPT" -eq 3 ] || exit 4
echo fine
SH
when "it runs"
run_penstock -j 20 jobs --results results.jsonl -- ./flaky {}
then_is "exit status" 0 "$status"
then_is "all done at the third attempt" "True 20" "$(results 'str(all(x["outcome"] == "done" and x["attempts"] == 3 for x in r)) + " " + str(len(r))')"
then_is "each was called three times" "20 60" "$(ls calls-* | wc -l) $(cat calls-* | wc -l)"
then_says "the summary counts retries" '20 done, 0 failed.*; retries: 40'
gaps=$(python3 - <<'PY'
import glob
first, second = [], []
for f in glob.glob('calls-*'):
    t = [float(x) for x in open(f)]
    first.append(t[1] - t[0])
    second.append(t[2] - t[1])
# Full jitter: uniform in 0..1s, then in 0..2s.
print(max(first) < 1.9, max(second) < 2.9, max(first) > 0.2, max(second) > 0.4,
      len({round(x, 2) for x in first}) > 3)
PY
)
then_is "waits are within 1s, then 2s; some are long; they differ" "True True True True True" "$gaps"

given "jobs that always fail, with budgets of their own"
cat >jobs <<'JSONL'
{"id":"default","payload":"exit 3"}
{"id":"once","payload":"echo broken >&2; exit 3","max_attempts":1}
{"id":"twice","payload":"exit 3","max_attempts":2}
{"id":"never","payload":"echo no such order >&2; exit 65","max_attempts":9}
{"id":"killed","payload":"kill -SEGV $$","max_attempts":1}
{"id":"well","payload":"echo out; echo noise >&2"}
JSONL
when "they run with --retries 1"
run_penstock -j 10 --retries 1 jobs --results results.jsonl -- sh -c {}
then_is "exit status" 1 "$status"
then_is "every job has its line" 6 "$(results 'len(r)')"
then_is "--retries is the default" 2 "$(results 'ids["default"]["attempts"]')"
then_is "max_attempts 1" 1 "$(results 'ids["once"]["attempts"]')"
then_is "max_attempts 2" 2 "$(results 'ids["twice"]["attempts"]')"
then_is "exit 65 is rejected at once" "rejected 1" "$(results 'ids["never"]["outcome"] + " " + str(ids["never"]["attempts"])')"
then_is "the error is the cause and what was written to stderr" "exit 3: broken" "$(results 'ids["once"]["error"]')"
then_is "a death by signal is told apart" "True" "$(results 'str("SIGSEGV" in ids["killed"]["error"])')"
then_is "fields of a job that is done" "attempts id line outcome result run_ms" "$(results '" ".join(sorted(ids["well"]))')"
then_is "fields of a job that failed" "attempts error id line outcome run_ms" "$(results '" ".join(sorted(ids["once"]))')"
then_is "its result is standard output" "out" "$(results 'ids["well"]["result"].strip()')"
then_is "line is its place in the file" 6 "$(results 'ids["well"]["line"]')"
then_is "run_ms is a number" True "$(results 'str(all(isinstance(x["run_ms"], (int, float)) and x["run_ms"] >= 0 for x in r))')"
then_says "failures are told" 'line 2: failed: exit 3: broken'
then_says "the summary" '1 done, 5 failed'

given "a job with a timeout and one with --timeout"
cat >jobs <<'JSONL'
{"id":"own","payload":"30","timeout":"200ms","max_attempts":1}
{"id":"other","payload":"30","max_attempts":1}
{"id":"quick","payload":"0"}
JSONL
began=$SECONDS
run_penstock -j 3 --timeout 700ms jobs --results results.jsonl -- sleep {}
then_is "exit status" 1 "$status"
then_is "outcomes" "timeout timeout done" "$(results '" ".join(ids[i]["outcome"] for i in ("own", "other", "quick"))')"
then_is "each after its own time" True "$(results 'str(200 <= ids["own"]["run_ms"] < 700 <= ids["other"]["run_ms"])')"
then_at_most "seconds in all" 10 $((SECONDS - began))

given "jobs with a delay, a start in the past, and one that expires first"
cat >jobs <<'JSONL'
{"id":"later","payload":"a","delay":"1200ms"}
{"id":"now","payload":"b"}
{"id":"past","payload":"c","run_at":"2001-02-03T04:05:06Z"}
{"id":"stale","payload":"d","expires_at":"2001-02-03T04:05:06Z"}
{"id":"expires","payload":"e","delay":"600ms","expires_at":1000000000000}
JSONL
script stamp <<'SH'
date +%s%N >"at-$1"
SH
run_penstock jobs --results results.jsonl -- ./stamp {}
then_is "exit status" 1 "$status"
then_is "outcomes" "done done done expired expired" "$(results '" ".join(ids[i]["outcome"] for i in ("later", "now", "past", "stale", "expires"))')"
waited=$((($(cat at-a) - $(cat at-b)) / 1000000))
then_true "the delayed one started 1.2s after the others ($waited ms)" test "$waited" -gt 1000 -a "$waited" -lt 3000
then_true "what has expired never ran" test ! -e at-d -a ! -e at-e
then_is "attempts of what never ran" 0 "$(results 'ids["stale"]["attempts"]')"
then_says "the summary" '3 done, 0 failed, 2 expired'

given "payloads that are JSON, and the environment of a handler"
cat >jobs <<'JSONL'
{"id":"object","type":"mail","payload": {"b": [1.0, 2e3],  "a":"\u00e9"} ,"meta":{"shop":"north"}}
{"id":"string","payload":"caf\u00e9 \u0022q\u0022"}
{"id":"number","payload":12345678901234567890.10}
{"id":"none"}
JSONL
script show <<'SH'
echo "$PENSTOCK_ID|$PENSTOCK_QUEUE|${PENSTOCK_TYPE-}|$PENSTOCK_ATTEMPT|$PENSTOCK_MAX_ATTEMPTS|${PENSTOCK_META_SHOP-}" >>environment
cat
SH
run_penstock -j 1 jobs --results results.jsonl -- ./show
then_is "exit status" 0 "$status"
then_is "an object is its exact source text" '{"b": [1.0, 2e3],  "a":"\u00e9"}' "$(results 'ids["object"]["result"]')"
then_is "a string is its bytes" 'café "q"' "$(results 'ids["string"]["result"]')"
then_is "a number is its digits" '12345678901234567890.10' "$(results 'ids["number"]["result"]')"
then_is "no payload is empty" '' "$(results 'ids["none"].get("result", "")')"
then_is "the environment says which job this is" "object|run|mail|1|3|north" "$(head -n 1 environment)"

given "--json"
run_penstock --json jobs -- true
then_is "the summary is one object on standard output" "4 0 True" \
        "$(python3 -c 'import json; s = json.load(open("out")); print(s["done"], s["failed"], s["input_ended"])')"
then_silent "and not on standard error" ' done, '

given "--results -"
run_penstock jobs --results - -- true
then_is "results on standard output" 4 "$(grep -c '"outcome":"done"' out)"

scenario_ends
