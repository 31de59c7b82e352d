#!/bin/bash
# The commands about the daemon in README.md and docs/redis.md, as they stand there: but for the paths and the port,
# which are this folder's.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

# block FILE PATTERN: the first block of commands with a line like the pattern, for this folder. What would stay in
# the foreground is left out: the scenario starts it.
block() {
        awk -v pattern="$2" '
                $0 == "```" && inside { if (text ~ pattern) { printf "%s", text; exit } inside = 0; next }
                inside { text = text $0 "\n" }
                $0 == "```sh" { inside = 1; text = "" }' "$here/../../$1" |
                sed -e "s|/tmp/|$work/|; s|redis://127.0.0.1:6379/0|unix://$work/redis.sock|" \
                        -e '/^penstockd -c [a-z]*\.yaml$/d'
}

redis-cli() {
        command redis-cli -s "$work/redis.sock" "$@"
}

foreground() { # NAME: the line that was left out
        then_says "the daemon is started" "^penstockd -c $1.yaml\$" "$here/../../README.md"
        daemon_start "$1"
        daemon_ready "$1"
}

given "the README's daemon with jobs in memory"
block README.md 'cat > memory.yaml' >commands
. ./commands >out 2>err
then_is "its file is right" 0 $?
foreground memory

when "the README's pushes are made"
block README.md 'penstock push words' >commands
. ./commands >out 2>err
then_is "each command answers 0" 0 $?
then_true "the ids are told" grep -qx greeting-1 out
then_says "both are done" 'words .* 2( |$)' out
penstock push words 'hello again' --id greeting-1 --delay 1s >out 2>err
then_says "the same id is not stored again" 'was pushed before' err
daemon_stop memory
then_is "it drains and exits 0" 0 "$status"

given "the README's daemon with a Redis"
redis_start
block README.md 'cat > redis.yaml' >commands
. ./commands >out 2>err
then_is "its file is written" 0 $?
foreground redis

when "the README's jobs are pushed"
block README.md 'XADD .*words' >commands
. ./commands >out 2>err
then_is "the last command answers 0" 0 $?
then_says "the death of the one is told" 'order-17' out
place=$(awk '$1 == "hopeless" { print $2 }' out)
died_again() {
        redis XRANGE "penstock:{hopeless}:dead" - + | head -n 1 | grep -qvxe "$place" -e ''
}
then_true "its place is told" test -n "$place"
eventually 30 "what was retried ran, and died again" died_again
daemon_stop redis
then_is "it exits 0" 0 "$status"

when "the jobs of docs/redis.md are pushed"
block docs/redis.md 'XADD .*emails' >commands
. ./commands >out 2>err
then_is "each is answered with its place in the stream" 2 "$(grep -cE '^[0-9]+-[0-9]+$' out)"
block docs/redis.md 'SCRIPT LOAD' | sed "s|/usr/local/share|$(dirname "$(command -v penstock)")/../share|" >commands
. ./commands >out 2>err
then_says "the installed script stores a job" '^stored$' out
. ./commands >out 2>err
then_says "… once" '^exists$' out
scenario_ends
