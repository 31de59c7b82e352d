#!/bin/sh
# docs/examples.md shows each example, its original and what they say, as they are.
#
#     tests/examples/page.sh            compares
#     tests/examples/page.sh --write    brings the page up to date
set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

${AWK:-awk} -f tests/examples/page.awk docs/examples.md >"$work/page" 2>"$work/shown" || exit 1
if [ "${1-}" = --write ]; then
        cat "$work/page" >docs/examples.md
elif ! diff -u docs/examples.md "$work/page"; then
        echo "docs/examples.md does not show the files as they are: tests/examples/page.sh --write"
        bad=1
fi
for file in examples/*.c examples/python/*.py tests/examples/expected/*.txt; do
        [ "$(grep -cFx "$file" "$work/shown")" -eq 1 ] || {
                echo "docs/examples.md does not show $file once"
                bad=1
        }
done
for file in examples/*.c; do
        name=$(basename "$file" .c)
        [ "$name" = server ] || [ -e "examples/python/$name.py" ] && continue
        echo "$file has no original in examples/python"
        bad=1
done
exit $bad
