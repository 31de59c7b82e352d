#!/bin/sh
# What libpenstock.so exports is what src/async/libpenstock.sym lists is what the public headers
# declare.
#
#     tests/guards/symbols.sh [TREE [LIBRARY]]
set -u
export LC_ALL=C
tree=${1:-${srcdir:-.}}
library=${2:-.libs/libpenstock.so}
guards=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

# differ FILE FILE TEXT: lines of the first one that the second one lacks.
differ() {
        comm -23 "$1" "$2" >"$work/difference"
        if [ -s "$work/difference" ]; then
                sed "s|$|: $3|" "$work/difference"
                bad=1
        fi
}

sort "$tree/src/async/libpenstock.sym" >"$work/listed"
${NM:-nm} -D --defined-only "$library" >"$work/nm" || exit 1
awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' "$work/nm" | sort >"$work/exported"
for header in "$tree"/include/penstock/*.h; do
        awk -f "$guards/declarations.awk" "$header"
done >"$work/declarations"
awk '$1 == "function" || $1 == "variable" { print $2 }' "$work/declarations" | sort -u >"$work/declared"
# Defined in the header itself: nothing is exported for it.
cat "$tree"/include/penstock/*.h | sed -n 's/^.*static inline .*\(pen_[a-z_0-9]*\)(.*/\1/p' |
        sort -u >"$work/inline"
comm -23 "$work/declared" "$work/inline" >"$work/promised"

uniq -d "$work/listed" >"$work/twice"
differ "$work/twice" /dev/null 'stands twice in src/async/libpenstock.sym'
differ "$work/exported" "$work/listed" 'exported, but not in src/async/libpenstock.sym'
differ "$work/listed" "$work/exported" 'in src/async/libpenstock.sym, but not exported'
differ "$work/promised" "$work/listed" 'declared in include/penstock, but not in src/async/libpenstock.sym'
differ "$work/listed" "$work/promised" 'in src/async/libpenstock.sym, but no public header declares it'
exit $bad
