#!/bin/bash
# Payloads and results are bytes: nothing is lost or changed, whatever they are.
. "$(dirname "$0")/lib.sh"

given "payloads of every byte, of NUL alone, of none, of 1 MiB"
python3 - <<'PY'
import base64, json, random
random.seed(7)
payloads = {
    "every": bytes(range(256)) * 3,
    "nul": b"\0",
    "empty": b"",
    "newlines": b"\n\r\n\n",
    "utf8": "żółw 🐢\u2028".encode(),
    "large": random.randbytes(1 << 20),
}
with open("jobs", "w") as f:
    for name, data in payloads.items():
        open("wanted-" + name, "wb").write(data)
        f.write(json.dumps({"id": name, "payload_base64": base64.b64encode(data).decode()}) + "\n")
PY
script keep <<'SH'
exec cat >"found-$PENSTOCK_ID"
SH
when "they are the standard input of a command"
run_penstock -j 6 jobs -- ./keep
then_is "exit status" 0 "$status"
for name in every nul empty newlines utf8 large; do
        then_true "$name arrives bit for bit" cmp "wanted-$name" "found-$name"
done

when "a command sends them back"
run_penstock -j 6 jobs --results results.jsonl -- cat
then_is "exit status" 0 "$status"
cat >check.py <<'PY'
import base64, json
for line in open("results.jsonl"):
    x = json.loads(line)
    data = base64.b64decode(x["result_base64"]) if "result_base64" in x else x.get("result", "").encode()
    wanted = open("wanted-" + x["id"], "rb").read()
    print(x["id"], "result_base64" if "result_base64" in x else "result", data == wanted[:65536])
PY
python3 check.py | sort >seen
cat >wanted <<'LINES'
empty result True
every result_base64 True
large result_base64 True
newlines result True
nul result True
utf8 result True
LINES
then_true "text is result, binary is result_base64, both exact" diff wanted seen

given "a payload with NUL, for an argument"
echo '{"id":"n","payload_base64":"YQBi"}' >jobs
run_penstock jobs --results results.jsonl -- echo {}
then_is "exit status" 1 "$status"
then_is "no argument can have it: rejected, never cut" rejected "$(results 'ids["n"]["outcome"]')"
then_says "the reason" 'NUL'

given "lines that are not UTF-8"
printf 'caf\xe9\n\xff\xfe\x80\n' >lines
script keep-all <<'SH'
cat >>found-lines
echo >>found-lines
SH
run_penstock -j 1 --lines lines -- ./keep-all
then_true "they are payloads as they stand" cmp lines found-lines

given "an error of escape codes and rubbish"
script rude <<'SH'
printf '\033[31mred\a\nsecond \377 line\n' >&2
exit 1
SH
echo x >lines
run_penstock --retries 0 --lines lines --results results.jsonl -- ./rude
then_is "exit status" 1 "$status"
then_silent "no escape code reaches the terminal" $'\033|\a'
then_says "it is written out" 'x1b\[31mred'
then_is "the results are valid JSON with the whole of it" True \
        "$(results 'str("\x1b[31mred" in r[0]["error"] and "second" in r[0]["error"])')"

scenario_ends
