#!/bin/bash
# An HTTP request for each job.
. "$(dirname "$0")/lib.sh"

fetch() { # PATH, to standard output
        python3 -c 'import sys, urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=20).read().decode())' "http://127.0.0.1:$port$1"
}

stat() {
        fetch /stats | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

given "a web server"
python3 "$here/server.py" >port 2>server-errors &
started+=($!)
eventually 20 "it listens" has_lines port 1
port=$(cat port)
base=http://127.0.0.1:$port

when "1,000 addresses are fetched with -j 50"
for i in $(seq 1 1000); do echo "$base/ok/$i"; done >urls
run_penstock -j 50 --lines urls --url '{}' --results results.jsonl
then_is "exit status" 0 "$status"
then_is "all done" "1000 {'done'}" "$(results 'str(len(r)) + " " + str({x["outcome"] for x in r})')"
then_is "each result is its own body" True "$(results 'str(all(x["result"] == "ok /ok/%d" % x["line"] for x in r))')"
then_is "requests that came" 1000 "$(stat requests)"
then_at_most "most at once, as the server counted" 50 "$(stat most)"
then_says "the summary" '1000 done, 0 failed'

given "slow answers"
for i in $(seq 1 100); do echo "$base/slow/0.2"; done >urls
began=$(date +%s%N)
run_penstock -j 100 --lines urls --url '{}'
took=$((($(date +%s%N) - began) / 1000000))
then_is "exit status" 0 "$status"
then_at_most "100 of 0.2s at once take little longer than one, ms" 5000 "$took"
then_true "they were at once" test "$(stat most)" -gt 50

given "answers of all kinds"
cat >urls <<URLS
$base/ok/1
$base/status/404
$base/status/410
$base/status/500
$base/status/204
$base/flaky/a
$base/redirect
URLS
run_penstock -j 7 --retries 2 --lines urls --url '{}' --results results.jsonl
then_is "exit status" 1 "$status"
results '"\n".join("%d %s %d" % (x["line"], x["outcome"], x["attempts"]) for x in sorted(r, key=lambda x: x["line"]))' >seen
cat >wanted <<'LINES'
1 done 1
2 failed 3
3 rejected 1
4 failed 3
5 done 1
6 done 3
7 failed 3
LINES
then_true "404 and 500 are tried again, 410 is not, 503 heals, a redirect is not followed" diff wanted seen
then_is "the error names the status" True "$(results 'str(all("404" in x["error"] for x in r if x["line"] == 2))')"

given "a fixed address and payloads"
printf '{"id":"one","payload":"body \\u00e9","type":"greeting"}\n{"id":"two","payload_base64":"AAEC/w=="}\n' >jobs
run_penstock -j 1 jobs --url "$base/echo" --results results.jsonl
then_is "exit status" 0 "$status"
then_is "the payload is posted" "POST:body é" "$(results 'ids["one"]["result"]')"
then_is "binary too, bit for bit" "UE9TVDoAAQL/" "$(results 'ids["two"]["result_base64"]')"
then_is "headers name the job" "penstock:run:two two run 1" \
        "$(fetch /last | python3 -c 'import json, sys; h = json.load(sys.stdin); print(h["Idempotency-Key"], h["Penstock-Id"], h["Penstock-Queue"], h["Penstock-Attempt"])')"

given "a port where nobody listens, and a name that does not exist"
closed=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'http://127.0.0.1:%s/\nhttp://nobody.invalid/\n' "$closed" >urls
run_penstock --retries 0 --lines urls --url '{}' --results results.jsonl
then_is "exit status" 1 "$status"
then_is "the job named the target: it failed" "['failed', 'failed']" "$(results '[x["outcome"] for x in r]')"
then_is "with a reason" True "$(results 'str(all(x["error"] for x in r))')"

given "an answer that does not come"
echo "$base/slow/20" >urls
run_penstock --retries 0 --timeout 300ms --lines urls --url '{}' --results results.jsonl
then_is "exit status" 1 "$status"
then_is "the attempt ends at its time" "timeout True" "$(results 'r[0]["outcome"] + " " + str(300 <= r[0]["run_ms"] < 5000)')"

given "addresses that are none, or not of the web"
printf 'file:///etc/passwd\nftp://127.0.0.1/\nno address at all\n\001\n' >urls
run_penstock --retries 0 --lines urls --url '{}' --results results.jsonl
then_is "exit status" 1 "$status"
then_is "none is fetched" "4 0" "$(results 'str(len(r)) + " " + str(sum(x["outcome"] == "done" for x in r))')"

given "a proxy in the environment"
echo "$base/ok/1" >urls
http_proxy=http://127.0.0.1:$closed run_penstock --retries 0 --lines urls --url '{}'
then_is "it is not used" 0 "$status"

scenario_ends
