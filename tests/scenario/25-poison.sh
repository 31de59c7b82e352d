#!/bin/bash
# A job that kills its daemon each time is buried, and the innocent who were with it are not.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a daemon that is started again whenever it dies, as by systemd"
redis_start
note work <<'SH'
case $payload in
poison) kill -9 $PPID ;;
# Long enough to be running when the poison is.
*) sleep 0.2 ;;
esac
echo "$PENSTOCK_ID" >>finished
SH
config_of one <<YAML
handlers:
  work: {exec: {argv: ["$work/work"]}}
queues:
  q: {handler: work, concurrency: 8, maxsize: 8, dedupe: 0, retry: {max_attempts: 2}}
YAML
deaths=0
all_ended() {
        if not_alive "${pids[one]}"; then
                deaths=$((deaths + 1))
                daemon_start one
        fi
        [ "$(dead_count q)" -ge 1 ] && queue_is_empty q
}

when "it gets 40 innocent jobs, and a poisonous one among them"
for i in $(seq 20); do push q payload "$i" >/dev/null; done
push q id culprit payload poison >/dev/null
for i in $(seq 21 40); do push q payload "$i" >/dev/null; done
daemon_start one
eventually 120 "the queue is empty, and there is a letter" all_ended
then_is "one is dead" 1 "$(dead_count q)"
then_is "the poisonous one" culprit "$(dead_field q 1 id)"
then_is "its outcome" crashed "$(dead_field q 1 outcome)"
then_true "the letter tells of crashes" grep -qiE 'crash|died' <<<"$(dead_field q 1 error)"
then_is "it spent no attempt" 0 "$(dead_field q 1 attempts)"
then_is "all 40 innocent ones are done" 40 "$(awk '$3 != "poison" { print $1 }' work.ran | sort -u | grep -cxFf - <(sort -u finished))"
then_is "each as its first attempt" 1 "$(awk '{ print $2 }' work.ran | sort -u)"
# The first death accuses nobody: from the second delivery on a start is recorded, and 3 such deaths bury.
then_at_most "deaths of the daemon" 4 "$deaths"
then_true "it did die" test "$deaths" -ge 3
then_says "it is told" 'job\.dead.*culprit' one.log
daemon_stop one
then_is "exit status" 0 "$status"
then_is "nothing is left of the jobs but an id that is remembered" "" "$(kept_of_jobs q)"

scenario_ends
