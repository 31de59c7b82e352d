#!/bin/bash
# What the daemon tells systemd.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a notify socket, a watchdog of 1s, and a Redis that is not there"
python3 "$here/notify.py" "$work/notify" >told 2>notify-errors 7>&- &
started+=($!)
until_true 20 test -S notify
recorder_start
redis_start
redis_kill
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=1000000
config_of one <<YAML
shutdown_timeout: 20s
handlers:
  hold: {http: {url: "$recorder/d1/200/hold"}}
queues:
  q: {handler: hold}
YAML
told() { grep -cE "$1" told; }
told_more() { # PATTERN THAN
        [ "$(told "$1")" -gt "$2" ]
}

daemon_start one
eventually 20 "it says that it waits for the store" file_matches one.log 'store\.down|redis.sock'
eventually 20 "the loop turns, and the watchdog is fed" told_more '^WATCHDOG=1$' 2
then_is "it is not ready" 0 "$(told '^READY=1$')"
redis_again
eventually 30 "once Redis answers, it is" told_more '^READY=1$' 0
then_is "once" 1 "$(told '^READY=1$')"
before=$(told '^WATCHDOG=1$')
eventually 10 "the watchdog is fed on" told_more '^WATCHDOG=1$' $((before + 2))

when "a job runs"
push q payload '1 0' >/dev/null
eventually 10 "it runs" runs_at_least d1 1
eventually 20 "the status counts it" told_more '^STATUS=.*1' 0

when "HUP comes"
daemon_signal one HUP
eventually 10 "it says that it reloads" told_more '^RELOADING=1$' 0
eventually 10 "since when" told_more '^MONOTONIC_USEC=[0-9]+$' 0
eventually 10 "and that it is ready again" told_more '^READY=1$' 1
sed -i 's/^queues:/queuess:/' one.yaml
daemon_signal one HUP
eventually 10 "after a bad file too" told_more '^READY=1$' 2
sed -i 's/^queuess:/queues:/' one.yaml

when "it is stopped as a process that hangs is"
daemon_signal one STOP
before=$(told '^WATCHDOG=1$')
until_true 3 false
then_at_most "what comes in 3s" $((before + 1)) "$(told '^WATCHDOG=1$')"
daemon_signal one CONT
eventually 10 "then the watchdog is fed again" told_more '^WATCHDOG=1$' $((before + 1))

when "TERM comes, and a job takes its time"
daemon_signal one TERM
eventually 10 "it says that it stops" told_more '^STOPPING=1$' 0
eventually 10 "and asks for time" told_more '^EXTEND_TIMEOUT_USEC=[0-9]+$' 0
before=$(told '^WATCHDOG=1$')
eventually 10 "the watchdog is fed while it drains" told_more '^WATCHDOG=1$' "$before"
release d1
daemon_ends one 20
then_is "exit status" 0 "$status"

given "an abstract socket, and one that nobody reads"
python3 - <<'PY' >abstract 2>&1 7>&- &
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0penstock-scenario-28")
print("bound", flush=True)
print(s.recv(65536).decode(), flush=True)
PY
started+=($!)
until_true 20 has_lines abstract 1
NOTIFY_SOCKET=@penstock-scenario-28 daemon_start one
eventually 20 "the first words come" file_matches abstract '=.'
daemon_stop one
then_is "exit status" 0 "$status"
NOTIFY_SOCKET=$work/nobody daemon_start one
daemon_ready one 3
daemon_stop one
then_is "a daemon without a listener works as well, exit status" 0 "$status"

scenario_ends
