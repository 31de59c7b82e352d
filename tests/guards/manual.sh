#!/bin/sh
# The manual of the library says what the headers say: each header and each public function has a
# page, and no word of a comment or a declaration is lost on the way; groff and mandoc have nothing
# to find fault with.
#
#     tests/guards/manual.sh [TREE]
set -u
export LC_ALL=C
tree=$(cd "${1:-${srcdir:-.}}" && pwd) || exit 1
guards=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

fault() {
        echo "$1"
        bad=1
}

# Letters and digits, for what is set is broken into other lines and marked otherwise.
words() {
        tr -cs 'A-Za-z0-9' '\n' | sort -u
}

mkdir "$work/man3"
(cd "$tree" && ${AWK:-awk} -v version=0 -v date=2026-01-31 -v out="$work/man3" -f man/library.awk \
        include/penstock/*.h) || exit 1

for header in "$tree"/include/penstock/*.h; do
        name=$(basename "$header" .h)
        page=$work/man3/penstock-$name.3
        [ "$name" != penstock ] || page=$work/man3/penstock.3
        [ -s "$page" ] || {
                fault "penstock/$name.h has no page"
                continue
        }
        sed '/^#ifdef __cplusplus/,/^#endif/d; /^#pragma/d; /^#include/d; /^PEN_.*_DECLS/d' "$header" |
                words >"$work/said"
        sed 's/\\f[BIPR]//g; s/\\e/\\/g' "$page" | words >"$work/set"
        lost=$(comm -23 "$work/said" "$work/set" | tr '\n' ' ')
        [ -z "$lost" ] || fault "$(basename "$page"): lacks what penstock/$name.h says: $lost"
        for function in $(awk -f "$guards/declarations.awk" "$header" | sed -n 's/^function //p'); do
                [ "$(cat "$work/man3/$function.3" 2>&1)" = ".so man3/$(basename "$page")" ] ||
                        fault "$function of penstock/$name.h has no page"
                grep -q "^$function\\( .*\\)\\{0,1\\},\\{0,1\\}$" "$page" ||
                        fault "$(basename "$page"): $function is not under NAME"
        done
done

# What is set must be free of warnings, by whichever of the two is here.
checked=
if command -v groff >/dev/null; then
        checked="$checked groff"
        for page in "$work"/man3/penstock*.3; do
                groff -man -ww -Tutf8 -z "$page" >"$work/log" 2>&1
                [ ! -s "$work/log" ] || fault "groff: $(head -n 5 "$work/log")"
        done
fi
if command -v mandoc >/dev/null; then
        checked="$checked mandoc"
        mandoc -T lint -W warning "$work"/man3/penstock*.3 >"$work/log" 2>&1 ||
                fault "$(head -n 20 "$work/log")"
fi
echo "$(ls "$work/man3" | wc -l) pages, checked by:${checked:- nobody: neither groff nor mandoc is here}"
exit $bad
