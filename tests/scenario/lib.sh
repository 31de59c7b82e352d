# What the scenarios share; sourced, bash. A scenario is a dialogue of given, when and then with the
# installed programs: `penstock` is the one in PATH.
#
#     given "what there is"             when "what is done"       words, printed
#     run_penstock ARG…                 `penstock run ARG…` to its end: $status, out, err
#     run_verb VERB ARG…                the same of any verb; verb_reading FILE: with that as its input
#     start_penstock ARG…               in the background, job control as from a terminal: $pid
#     start_reading FILE ARG…           the same with that as its standard input
#     end_penstock SECONDS              waits for it: $status
#     then_is WHAT WANTED FOUND         one assertion each
#     then_says WHAT PATTERN [FILE]     a line of err (or FILE) matches; then_silent: none does
#     then_true WHAT COMMAND…           the command answers 0
#     eventually SECONDS WHAT COMMAND…  it does so in time
#     results EXPRESSION                Python, of `r`: the lines of results.jsonl as objects
#
# All happens in an empty directory of its own. At the end the processes that were started are
# killed, and the last line is `N passed, N failed`. Nothing here sleeps for luck: it polls.
set -u
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/scenario.XXXXXX") || exit 1
cd "$work" || exit 1
sanitized=${SCENARIO_SANITIZED:-} # by ASan: slower, and memory is not comparable
passed=0
failed=0
started=()
status=
pid=

finish() {
        local p

        for p in "${started[@]}"; do
                kill -KILL "-$p" 2>/dev/null || kill -KILL "$p" 2>/dev/null
        done
        wait 2>/dev/null
        cd /
        if [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] && [ -n "${ended:-}" ]; then
                rm -rf "$work"
        else
                echo "     what it left is in $work"
                [ -n "${ended:-}" ] || failed=$((failed + 1))
        fi
        echo "$passed passed, $failed failed"
        exit $((failed > 0)) # without a number, a trap keeps the status from before it
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# The last line of a scenario: that it was reached is asserted too.
scenario_ends() {
        ended=1
        exit 0
}

given() { echo "     given $*"; }
when() { echo "     when $*"; }

ok() {
        passed=$((passed + 1))
        echo "     then $*"
}

not_ok() {
        failed=$((failed + 1))
        echo "FAIL then $*"
}

then_is() {
        if [ "$2" = "$3" ]; then
                ok "$1: $2"
        else
                not_ok "$1: wanted '$2', found '$3'"
        fi
}

then_at_most() { # WHAT LIMIT FOUND
        if [ "$3" -le "$2" ]; then
                ok "$1: at most $2 ($3)"
        else
                not_ok "$1: wanted at most $2, found $3"
        fi
}

then_says() {
        local file=${3:-err}

        if grep -qE -- "$2" "$file"; then
                ok "$1"
        else
                not_ok "$1: no line of $file is like '$2':"
                head -c 2000 "$file" | sed 's/^/         | /'
        fi
}

then_silent() {
        local file=${3:-err}

        if grep -qE -- "$2" "$file"; then
                not_ok "$1: $file has:"
                grep -E -m 3 -- "$2" "$file" | head -c 1000 | sed 's/^/         | /'
        else
                ok "$1"
        fi
}

then_true() {
        local what=$1

        shift
        if "$@"; then
                ok "$what"
        else
                not_ok "$what: not so: $*"
        fi
}

until_true() { # SECONDS COMMAND…
        local deadline=$((SECONDS + $1))

        shift
        until "$@"; do
                [ "$SECONDS" -le "$deadline" ] || return 1
                sleep 0.02
        done
}

eventually() {
        local seconds=$1 what=$2

        shift 2
        if until_true "$seconds" "$@"; then
                ok "$what"
        else
                not_ok "$what: not so within ${seconds}s: $*"
        fi
}

run_penstock() {
        run_verb run "$@"
}

run_verb() {
        verb_reading /dev/null "$@"
}

verb_reading() { # FILE VERB ARG…
        local from=$1

        shift
        timeout -k 5 120 penstock "$@" >out 2>err <"$from"
        status=$?
}

# `set -m`: a process group of its own, and SIGINT is not ignored as in a script's background.
# Descriptor 7 is the scenarios' own.
start_penstock() {
        start_reading /dev/null "$@"
}

start_reading() { # FILE ARG…
        local from=$1

        shift
        set -m
        penstock run "$@" >out 2>err <"$from" 7>&- &
        pid=$!
        set +m
        started+=("$pid")
}

end_penstock() {
        if until_true "$1" not_alive "$pid"; then
                wait "$pid"
                status=$?
        else
                status="still running after $1s"
        fi
}

not_alive() {
        local state

        state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
        [ -z "$state" ] || [ "$state" = Z ]
}

all_gone() { # FILE of process ids
        local p

        while read -r p; do
                not_alive "$p" || return 1
        done <"$1"
}

has_lines() { # FILE N: at least
        [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]
}

file_matches() { # FILE PATTERN
        grep -qE -- "$2" "$1" 2>/dev/null
}

results() {
        python3 - "$1" <<'PY'
import json, sys
r = [json.loads(line) for line in open('results.jsonl', encoding='utf-8')]
ids = {x['id']: x for x in r if 'id' in x}
value = eval(sys.argv[1])
print(str(value).lower() if isinstance(value, bool) else value)
PY
}

# script NAME: makes a program of standard input.
script() {
        { echo '#!/bin/sh'; cat; } >"$1"
        chmod +x "$1"
}
