#!/bin/bash
# A bar on a terminal, none elsewhere.
. "$(dirname "$0")/lib.sh"

# on_terminal COMMAND…: with a terminal of 80 columns as its standard streams; what it shows: screen.
on_terminal() {
        python3 - "$@" >screen <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
        status=$?
        tr '\r' '\n' <screen >lines-shown
}

given "30 jobs of 100ms, and a terminal"
seq 1 30 >lines
script briefly <<'SH'
sleep 0.1
[ "$1" -ne 13 ] || { echo unlucky >&2; exit 1; }
SH
TERM=xterm on_terminal penstock run -j 3 --retries 0 --lines lines -- ./briefly {}
then_is "exit status" 1 "$status"
then_says "a bar grows" '\[#+ *\] [0-9]+/30  [0-9]+%' lines-shown
then_says "it tells what runs" '  3 running' lines-shown
then_says "and failures" '  1 failed' lines-shown
then_true "it is drawn again and again" test "$(grep -c '/30  ' lines-shown)" -ge 5
then_is "no line is wider than the terminal" 0 \
        "$(sed 's/\x1b\[K//g' lines-shown | awk 'length($0) > 80 && !/^penstock run: [0-9]+ done/' | wc -l)"
then_says "a failure stands on a line of its own" 'penstock run: line 13: failed: exit 1: unlucky' lines-shown
then_is "at the end the bar is gone and the summary stands" "penstock run: 29 done, 1 failed" \
        "$(sed 's/\x1b\[K//g' lines-shown | grep -v '^$' | tail -n 1 | grep -o '^penstock run: 29 done, 1 failed')"

when "the terminal is a dumb one"
TERM=dumb on_terminal penstock run -j 3 --retries 0 --lines lines -- ./briefly {}
then_silent "no bar" '\[#|\[ +\] ' lines-shown
then_silent "no escape codes" $'\033' lines-shown

when "it is not a terminal"
TERM=xterm run_penstock -j 3 --retries 0 --lines lines -- ./briefly {}
then_silent "no bar" '\[#|\[ +\] '
then_silent "no escape codes, no carriage returns" $'\033|\r'
then_says "the summary" '29 done, 1 failed'

when "Ctrl-C is typed on the terminal"
script slowly <<'SH'
echo $$ >>running
i=0
while [ ! -e go ] && [ $i -lt 1000 ]; do
        i=$((i + 1))
        sleep 0.02
done
SH
cat >type.py <<'PY'
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
deadline = time.monotonic() + 20
while not (os.path.exists("running") and len(open("running").readlines()) == 2):
    assert time.monotonic() < deadline
    time.sleep(0.02)
os.write(terminal, b"\x03")
seen = b""
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    if b"starting no more" in seen and not os.path.exists("go"):
        open("go", "w").close()
    assert time.monotonic() < deadline
open("typed", "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
TERM=xterm timeout 60 python3 type.py penstock run -j 2 --lines lines -- ./slowly {}
then_is "exit status" 1 "$?"
tr '\r' '\n' <typed >lines-shown
then_says "it drains" 'starting no more' lines-shown
then_says "what ran has finished: it is not hit by the terminal's signal" '2 done, 0 failed' lines-shown
then_says "what was left" 'left: 28 ' lines-shown

scenario_ends
