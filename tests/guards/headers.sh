#!/bin/sh
# Each public header compiles alone, in C11 and in C++, without a warning, and takes no names but
# pen_* and PEN_*.
#
#     tests/guards/headers.sh [TREE]
set -u
export LC_ALL=C
tree=${1:-${srcdir:-.}}
guards=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

# compiles HEADER LANGUAGE COMPILER…
compiles() {
        header=$1 language=$2
        shift 2
        printf '#include <penstock/%s>\n#include <penstock/%s>\n' "$header" "$header" >"$work/alone.$language"
        if ! "$@" -Wall -Wextra -pedantic -Werror -fsyntax-only -I"$tree/include" \
                "$work/alone.$language" >"$work/log" 2>&1; then
                echo "penstock/$header: does not compile alone: $*"
                sed 's/^/    /' "$work/log"
                bad=1
        fi
}

command -v "${cxx%% *}" >/dev/null || { echo "no C++ compiler: C only"; cxx=; }
for path in "$tree"/include/penstock/*.h; do
        header=${path##*/}
        # shellcheck disable=SC2086 # a compiler may have flags
        compiles "$header" c $cc -std=c11
        # shellcheck disable=SC2086
        [ -z "$cxx" ] || compiles "$header" cc $cxx -std=c++11
        foreign=$(awk -f "$guards/declarations.awk" "$path" |
                awk '$1 == "define" || $1 == "constant" ? $2 !~ /^PEN_/ : $2 !~ /^pen_/ && $1 != "forward"')
        if [ -n "$foreign" ]; then
                echo "$foreign" | sed "s|^|penstock/$header: neither pen_ nor PEN_: |"
                bad=1
        fi
done
exit $bad
