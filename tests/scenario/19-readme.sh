#!/bin/bash
# What the README shows first, as it stands there.
. "$(dirname "$0")/lib.sh"

readme=$here/../../README.md
# block LANGUAGE PATTERN: the first block of that language with a line like the pattern.
block() {
        awk -v language="$1" -v pattern="$2" '
                $0 == "```" && inside { if (text ~ pattern) { printf "%s", text; exit } inside = 0; next }
                inside { text = text $0 "\n" }
                $0 == "```" language { inside = 1; text = "" }' "$readme"
}

given "the first screen"
head -n 30 "$readme" >first-screen
then_says "the command that sets all up" '^scripts/quickstart ' first-screen
then_says "the command that tests all" '^scripts/check ' first-screen
then_says "what it is not" '^\*\*What it is not:\*\*' first-screen
for page in $(grep -oE '\]\([A-Za-z./-]+\)' "$readme" | tr -d '](' | tr -d ')'); do
        then_true "the page $page is there" test -e "$here/../../$page"
done

given "the jobs as JSON"
block sh 'cat > jobs.jsonl' >commands
when "its commands are run"
# shellcheck disable=SC1091
. ./commands >out 2>err
then_is "both jobs were done" 2 "$(grep -c '"outcome":"done"' out)"
then_is "and told what was sent" 2 "$(grep -c ' was sent' out)"

given "the program in C"
block c 'int main' >demo.c
then_is "the line that builds it" 'cc demo.c $(pkg-config --cflags --libs penstock)' "$(block sh '^cc ')"
flags=$(pkg-config --cflags --libs penstock)
# shellcheck disable=SC2086
then_true "it builds without a warning" ${CC:-cc} -Wall -Wextra -Werror \
        ${sanitized:+-fsanitize=address,undefined} demo.c -o demo $flags
then_is "it runs two tasks side by side" "tick 0,tock 0,tick 1,tock 1,tick 2,tock 2," \
        "$(timeout 20 ./demo | sort -k2 -k1 | tr '\n' ',')"

scenario_ends
