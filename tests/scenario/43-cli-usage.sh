#!/bin/bash
# What is asked for wrongly is told, with what to do; and the configuration's verbs.
. "$(dirname "$0")/lib.sh"

refused() { # PATTERN ARG…
        local pattern=$1

        shift
        run_verb "$@"
        then_is "penstock $*: exit status" 2 "$status"
        then_says "says why" "$pattern"
}

given "every verb"
for verb in run push status join 'dead list' 'dead retry' 'config check' 'config show'; do
        # shellcheck disable=SC2086
        run_verb $verb --help
        then_is "$verb --help: exit status" 0 "$status"
        then_says "is on standard output" "^Usage: penstock $verb " out
        # shellcheck disable=SC2086
        run_verb $verb --nonsense
        then_is "$verb --nonsense: exit status" 2 "$status"
        then_says "tells where to read on" "Try .penstock $verb --help"
done
run_verb dead --help
then_says "a verb of verbs lists them" '^  retry ' out
run_verb -c none.yaml --help
then_says "help behind an option" '^  push ' out

when "words are wrong"
s=unix:///nowhere
refused 'no verb .dead. *lst|no verb .lst' dead lst
refused 'which QUEUE' --store "$s" push
refused 'one PAYLOAD' --store "$s" push q a b
refused 'not the name of a queue' --store "$s" push 'q*' a
refused 'not the name of a queue' --store "$s" push '' a
refused 'either PAYLOAD or --jsonl' --store "$s" push q a --jsonl f
refused 'stand in its lines' --store "$s" push q --jsonl f --id x
refused 'No such file' --store "$s" push q --jsonl nothing.jsonl
refused 'id: "a b" is not an id' --store "$s" push q --id 'a b'
refused 'max_attempts: "x" is not a whole number' --store "$s" push q --max-attempts x
refused 'max_attempts: 0 is not' --store "$s" push q --max-attempts 0
refused 'delay: "5" is not' --store "$s" push q --delay 5
refused 'run_at: .*must not stand beside' --store "$s" push q --delay 5s --run-at 2030-01-01T00:00:00Z
refused 'unique: "k" is for a field that this version does not carry out yet' --store "$s" push q --unique k
refused 'group: ' --store "$s" push q --group g
refused 'meta.*NAME=VALUE' --store "$s" push q --meta lonely
refused 'is there twice' --store "$s" push q --meta a=1 --meta a=2
refused 'one of -c, --store and --socket' --store "$s" --socket x status
refused 'begin with redis://' --store http://x status
refused 'which QUEUE' --store "$s" join
refused '--timeout 0: must be more than 0' --store "$s" join q --timeout 0
refused 'either the PLACE' --store "$s" dead retry q
refused 'either the PLACE' --store "$s" dead retry q 1-1 --all
refused 'is no PLACE' --store "$s" dead retry q '../1'
refused 'takes no words' --store "$s" status q
refused 'keeps its jobs itself' --store "$s" run --lines x -- true
refused '--limit 0: must be' --store "$s" dead list --limit 0

when "there is no configuration"
unset PENSTOCK_CONFIG
run_verb -c none.yaml status
then_is "exit status" 78 "$status"
then_says "which file" 'none\.yaml: No such file'
run_verb --socket "$work/none.sock" status
then_is "no daemon: exit status" 69 "$status"

given "a configuration, and one with two errors"
cat >good.yaml <<YAML
store: {kind: redis, url: "redis://user:hunter2@127.0.0.1:1/0"}
handlers: {nothing: {noop: {}}}
queues: {letters: {handler: nothing}}
YAML
cat >bad.yaml <<YAML
store: {kind: memory}
handlers: {nothing: {noop: {}}}
queues:
  letters: {handler: nothing, capazity: 7}
  parcels: {handler: nobody}
YAML
run_verb config check good.yaml
then_is "config check: exit status" 0 "$status"
then_says "counts" 'good.yaml is right: handlers: 1, queues: 1' out
run_verb config check bad.yaml
then_is "of the other: exit status" 78 "$status"
then_says "all errors, with their places" 'bad.yaml:4:[0-9]+: .*capacity'
then_says "the second" 'bad.yaml:5:[0-9]+: .*nobody'
run_verb config check --json bad.yaml
then_is "as JSON: exit status" 78 "$status"
then_is "two errors" 2 "$(python3 -c 'import json; x = json.load(open("out")); assert not x["ok"]; print(len(x["errors"]))')"
run_verb -c good.yaml config show
then_is "config show: exit status" 0 "$status"
then_says "defaults too" '^shutdown_timeout: 25s' out
then_silent "no secret" hunter2 out
cp out shown.yaml
run_verb config show bad.yaml
then_is "of the other: exit status" 78 "$status"
run_verb config check
then_is "none given, none there: exit status" 78 "$status"
run_verb -c bad.yaml status
then_is "a verb with a bad one: exit status" 78 "$status"
then_says "tells its errors" 'bad.yaml:4:'
scenario_ends
