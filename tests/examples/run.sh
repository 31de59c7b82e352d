#!/bin/sh
# Each example says what is expected, and so does its original in Python, where there is one to run it
# (those that talk HTTP need aiohttp): they mirror each other.
#
#     tests/examples/run.sh [NAME…]
set -u
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
examples=$(cd "$here/../../examples" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

fault() {
        echo "$1"
        bad=1
}

# How an example is run: alone, by a virtual clock, or while the server serves.
kind() {
        case $1 in
        blocking_call | sync_client) echo real ;;
        fetch_all | four_questions | pages | thousand_urls) echo served ;;
        *) echo virtual ;;
        esac
}

# The first Python that has what is needed.
python_with() {
        for python in python3 /usr/bin/python3; do
                "$python" -c "import sys, $1; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && {
                        command -v "$python"
                        return
                }
        done
}
python=$(python_with asyncio)
python_http=$(python_with aiohttp)

# real time, and how many requests met, are nobody's promise here; but those of two examples are
unsteady() {
        sed -e 's/ in [0-9]*\.[0-9]s$/ in N.Ns/' |
                if [ "$1" = fetch_all ]; then sed 's/at most [0-9]* at once/at most N at once/'; else cat; fi
}

# says NAME LANGUAGE COMMAND…
says() {
        name=$1 language=$2
        shift 2
        timeout -k 5 120 "$@" >"$work/out" 2>"$work/err" || {
                fault "$name: in $language: exit status $?: $*"
                sed 's/^/    /' "$work/err"
        }
        if [ "$(kind "$name")" = served ]; then
                unsteady "$name" <"$work/out" >"$work/steady"
        else
                cp "$work/out" "$work/steady"
        fi
        diff -u "$here/expected/$name.txt" "$work/steady" >"$work/diff" || {
                fault "$name: in $language it says otherwise:"
                sed 's/^/    /' "$work/diff"
        }
}

if [ $# -eq 0 ]; then
        for file in "$examples"/*.c; do
                name=$(basename "$file" .c)
                [ "$name" = server ] || set -- "$@" "$name"
        done
fi
for name; do
        original=$examples/python/$name.py
        lines=$(wc -l <"$examples/$name.c")
        [ "$lines" -lt 100 ] || fault "$name: $lines lines; an example has less than 100"
        case $(kind "$name") in
        virtual)
                says "$name" C "examples/$name"
                [ -z "$python" ] || says "$name" Python "$python" "$here/virtual_clock.py" "$original"
                ;;
        served)
                says "$name" C examples/server "examples/$name"
                [ -z "$python_http" ] || says "$name" Python examples/server "$python_http" "$original"
                ;;
        real)
                says "$name" C env PENSTOCK_DEBUG=1 "examples/$name"
                if [ "$name" = blocking_call ]; then
                        grep -q 'the wrong way' "$work/err" || fault "$name: debug mode does not tell who held the loop"
                        ! grep -q 'the right way' "$work/err" || fault "$name: debug mode accuses a thread"
                fi
                [ -z "$python" ] || says "$name" Python "$python" "$original"
                ;;
        esac
done
echo "$# examples; in Python:${python:- not}${python_http:+, with aiohttp}"
exit $bad
