#!/bin/bash
# Tables, colour and a bar on a terminal; none of it elsewhere.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

# on_terminal COLUMNS COMMAND…: with a terminal as its standard streams; what it shows: screen.
on_terminal() {
        python3 - "$@" >screen <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
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
        sed 's/\x1b\[[0-9;]*[mK]//g; s/\r//g' screen >shown
}

widest() { wc -L <shown; }

given "a Redis with a dead letter whose error is long, and not made for terminals"
redis_start
url=unix://$work/redis.sock
note refuse <<'SH'
printf 'a long word of why this job has failed, with \033]0;a title\007 and \302\233 in it, and so on and on and on and on\n' >&2
exit 65
SH
config_of one <<YAML
handlers: {refuse: {exec: {argv: ["$work/refuse"]}}}
queues: {letters: {handler: refuse}}
YAML
daemon_start one
daemon_ready one
run_verb --store "$url" push letters x --id some-id-that-is-long-enough-to-be-cut-in-a-table-of-80-columns
eventually 10 "it is dead" count_is dead_count letters 1
daemon_stop one

when "the letters are listed on a terminal"
export TERM=xterm
for columns in 200 110; do
        on_terminal "$columns" penstock --store "$url" dead list
        then_is "$columns columns: exit status" 0 "$status"
        then_true "no line is wider" test "$(widest)" -le "$columns"
done
then_says "what has no room ends in an ellipsis" '…$' shown
then_silent "nothing that the job wrote is obeyed" $'\033\\]|\302\233|\007' screen
run_verb --store "$url" dead list
then_says "elsewhere nothing is cut" 'and on and on$' out
then_silent "and nothing coloured" $'\033' out
on_terminal 80 penstock --store "$url" status
then_says "status marks the letters" $'\033\\[31m1\033\\[0m' screen
then_true "within 80 columns" test "$(widest)" -le 80
NO_COLOR=1 on_terminal 80 penstock --store "$url" status
then_silent "not with NO_COLOR" $'\033' screen
TERM=dumb on_terminal 80 penstock --store "$url" status
then_silent "not on a dumb one" $'\033' screen

when "a file is pushed on a terminal"
seq 400000 | sed 's/.*/{"payload":&}/' >many.jsonl
on_terminal 80 penstock --store "$url" push many --jsonl many.jsonl
then_is "exit status" 0 "$status"
tr '\r' '\n' <screen >lines-shown
then_says "a bar grows" '\[#+ *\] [0-9]+/[0-9]+  [0-9]+%' lines-shown
then_silent "nothing runs here" 'running' lines-shown
then_says "at the end the summary stands" '400000 stored in' lines-shown
run_verb --store "$url" push many --jsonl many.jsonl
then_silent "elsewhere there is no bar" '\[#|\[ +\]'
scenario_ends
