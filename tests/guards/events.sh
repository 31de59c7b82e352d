#!/bin/sh
# The events that src says against the catalogue of docs/logs.md: each is in both. An event is the second argument
# of LOG(), or marked by LOG_EVENT() where a variable carries it there; in the catalogue it begins a row
# of a table.
#
#     tests/guards/events.sh [TREE]
set -u
export LC_ALL=C
cd "${1:-${srcdir:-.}}" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

# "said NAME FILE" for each event, "odd TEXT FILE" for a call whose event nobody can look up.
find src -type f -name '*.[ch]' ! -path src/base/log.h | sort | xargs awk '
function flush_file()
{
        if (file != "")
                scan(text, file)
        text = ""
}

# Behind the argument at the start of s: its text, up to a comma outside of parentheses and strings.
function argument(s,    i, c, depth, quoted)
{
        for (i = 1; i <= length(s); i++) {
                c = substr(s, i, 1)
                if (quoted) {
                        if (c == "\\")
                                i++
                        else if (c == "\"")
                                quoted = 0
                } else if (c == "\"") {
                        quoted = 1
                } else if (c == "(") {
                        depth++
                } else if ((c == ")" && depth-- == 0) || (c == "," && depth == 0)) {
                        break
                }
        }
        return substr(s, 1, i - 1)
}

function scan(s, name,    rest, first, event, marked, variables)
{
        while (match(s, /(^|[^A-Za-z0-9_])LOG(_EVENT)?\(/)) {
                marked = substr(s, RSTART, RLENGTH) ~ /_EVENT/
                s = substr(s, RSTART + RLENGTH)
                rest = s
                if (!marked) {
                        first = argument(rest)
                        rest = substr(rest, length(first) + 2)
                }
                event = argument(rest)
                gsub(/^[ \t\n]+|[ \t\n]+$/, "", event)
                if (event ~ /^"[a-z]+\.[a-z_]+"$/) {
                        gsub(/"/, "", event)
                        print "said", event, name
                        any_marked = any_marked || marked
                } else if (marked || event ~ /"/) {
                        print "odd", event, name
                } else {
                        variables = event
                }
        }
        if (variables != "" && !any_marked)
                print "odd", variables, name
        any_marked = 0
}

FNR == 1 {
        flush_file()
        file = FILENAME
}

{ text = text $0 "\n" }

END { flush_file() }' >"$work/found" || exit 1

sed -n 's/^odd \(.*\) \([^ ]*\)$/\2: not the name of an event, nor one that LOG_EVENT marks: \1/p' "$work/found" >"$work/odd"
if [ -s "$work/odd" ]; then
        cat "$work/odd"
        bad=1
fi
awk '$1 == "said" { print $2 }' "$work/found" | sort -u >"$work/said"
sed -n 's/^| `\([a-z]*\.[a-z_]*\)` |.*/\1/p' docs/logs.md | sort >"$work/catalogue"
for event in $(comm -23 "$work/said" "$work/catalogue"); do
        file=$(awk -v event="$event" '$2 == event { print $3; exit }' "$work/found")
        echo "$file: says $event, which docs/logs.md does not have"
        bad=1
done
for event in $(uniq -d "$work/catalogue"); do
        echo "docs/logs.md: twice: $event"
        bad=1
done
uniq "$work/catalogue" >"$work/listed"
for event in $(comm -13 "$work/said" "$work/listed"); do
        echo "docs/logs.md: nobody says $event"
        bad=1
done
if ! [ -s "$work/said" ]; then
        echo "no events are said at all"
        bad=1
fi
exit $bad
