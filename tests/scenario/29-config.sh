#!/bin/bash
# penstockd --check and --print-config: all errors of a file at once, by place, and what the file means.
. "$(dirname "$0")/lib.sh"

run_daemon() {
        timeout -k 5 30 penstockd "$@" >out 2>err </dev/null
        status=$?
}

# bad WHAT PATTERN: standard input is a file that is refused with that.
bad() {
        cat >bad.yaml
        run_daemon -c bad.yaml --check
        if [ "$status" = 78 ] && grep -qE -- "$2" err; then
                ok "$1: exit 78, $(grep -m 1 -E -- "$2" err | cut -c 1-120)"
        else
                not_ok "$1: wanted exit 78 and '$2', found $status and:"
                head -n 5 err | sed 's/^/         | /'
        fi
}

given "a good file"
cat >good.yaml <<YAML
# A comment
instance: "%H-test"
concurrency: 32
shutdown_timeout: 5s
store: {kind: redis, url: "redis://user:topsecret@127.0.0.1:1/0", lease: 15s, prefix: penstock}
http:
  listen: ["unix:$work/sock"]
log: {level: info, format: logfmt, jobs: failures, stats: 30s}
limits: {payload: 64KiB}
handlers:
  send: {http: {url: "http://127.0.0.1:1/x", timeout: 10s}}
  work: {exec: {argv: [/bin/cat, "-"], env: {LANG: C}, kill_after: 2s, reject_exit: [65, 66]}}
  none: {noop: {run: 10ms, fail: 0.5}}
queues:
  emails:
    handler: send
    concurrency: 20
    rate: 100/s
    retry: {max_attempts: 8, backoff: exponential, delay: 1s, factor: 2, max_delay: 10m, jitter: full}
    dead: {keep: 90d, max: null}
  files: {types: {paper: work}}
YAML
run_daemon -c good.yaml --check
then_is "--check: exit status" 0 "$status"
run_daemon -c good.yaml --print-config
then_is "--print-config: exit status" 0 "$status"
cp out printed.yaml
then_says "it has what the file says" 'concurrency: 32' printed.yaml
then_says "and what it does not say" 'max_crashes: 3' printed.yaml
then_silent "but no secrets" topsecret printed.yaml
run_daemon -c printed.yaml --check
then_is "what is printed can be read" 0 "$status"
run_daemon -c printed.yaml --print-config
then_true "and means the same" diff printed.yaml out
PENSTOCK_CONFIG=good.yaml run_daemon --check
then_is "the environment can name the file" 0 "$status"
run_daemon -V
then_is "-V: exit status" 0 "$status"
then_says "a version" '[0-9]+\.[0-9]+' out

given "files that are none"
run_daemon -c nowhere.yaml --check
then_is "missing: exit status" 78 "$status"
then_says "by its path" 'nowhere\.yaml' err
run_daemon -c nowhere.yaml
then_is "without --check too" 78 "$status"
bad "empty" 'bad\.yaml' </dev/null
run_daemon --what
then_is "an option that is none: exit status" 2 "$status"

given "files with errors"
base='handlers: {n: {noop: {}}}'
bad "an unknown key, its place, and the nearest" 'bad\.yaml:3:[0-9]+.*concurency.*concurrency' <<YAML
$base
queues:
  q: {handler: n, concurency: 3}
YAML
bad "a key twice, both places" 'bad\.yaml:4:[0-9]+.*\b3\b' <<YAML
$base
queues: {q: {handler: n}}
concurrency: 3
concurrency: 4
YAML
bad "no for a number" 'bad\.yaml:2:[0-9]+.*concurrency.*no' <<YAML
$base
concurrency: no
YAML
bad "1.5 for a whole number" 'bad\.yaml:2:[0-9]+.*1\.5' <<YAML
$base
concurrency: 1.5
YAML
bad "0x10" 'bad\.yaml:2:[0-9]+.*0x10' <<YAML
$base
concurrency: 0x10
YAML
bad "less than nothing" 'bad\.yaml:2:[0-9]+.*-1' <<YAML
$base
concurrency: -1
YAML
bad "nobody to work" 'bad\.yaml:2:[0-9]+.*concurrency.*0' <<YAML
$base
concurrency: 0
YAML
bad "more than a number holds" 'bad\.yaml:2:[0-9]+.*99999999999999999999' <<YAML
$base
concurrency: 99999999999999999999
YAML
bad "a time without its unit" 'bad\.yaml:2:[0-9]+.*shutdown_timeout.*25' <<YAML
$base
shutdown_timeout: 25
YAML
bad "an anchor" 'bad\.yaml:[0-9]+:[0-9]+.*(anchor|alias)' <<YAML
handlers: {n: &a {noop: {}}}
queues: {q: {handler: n}}
YAML
bad "a tag" 'bad\.yaml:2:[0-9]+.*tag' <<YAML
$base
concurrency: !!int "3"
YAML
bad "a second document" 'bad\.yaml:[0-9]+:[0-9]+.*document' <<YAML
$base
---
$base
YAML
bad "a handler that is not there" 'bad\.yaml:2:[0-9]+.*nobody' <<YAML
$base
queues: {q: {handler: nobody}}
YAML
bad "a program by a path that is not absolute" 'bad\.yaml:1:[0-9]+.*(absolute|convert)' <<YAML
handlers: {c: {exec: {argv: [convert]}}}
queues: {q: {handler: c}}
YAML
bad "a queue's name" 'bad\.yaml:2:[0-9]+' <<YAML
$base
queues: {"../x": {handler: n}}
YAML
bad "a variable that is not set" 'bad\.yaml:2:[0-9]+.*NOT_SET_AT_ALL' <<YAML
$base
instance: "\${NOT_SET_AT_ALL}"
YAML
python3 -c 'print("a: " + "[" * 10000 + "]" * 10000)' >deep
bad "nested 10,000 deep" 'bad\.yaml:1:' <deep
bad "what is no YAML" 'bad\.yaml:2:' <<YAML
handlers: {n: {noop: {}}
queues: [
YAML
bad "three errors" 'concurrency' <<YAML
handlers: {n: {noop: {runn: 1s}}}
concurrency: many
queues: {q: {handler: m}}
YAML
then_is "all are told" 3 "$(grep -cE '^(.*: )?bad\.yaml:[0-9]+:[0-9]+' err)"
run_daemon -c bad.yaml
then_is "a daemon does not start with it" 78 "$status"

scenario_ends
