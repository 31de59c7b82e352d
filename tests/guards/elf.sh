#!/bin/sh
# What is linked: no executable stack, no claim of a shadow stack (tasks switch stacks without one),
# no name of ours that is not pen_; the static library is whole; and where the switch by hand may be
# branched to there is a mark for it (endbr64, bti).
#
#     tests/guards/elf.sh [TREE [LIBRARY [PROGRAM [ARCHIVE [SWITCH]]]]]
#
# TREE is there for the other guards' sake. An archive that is not built is not looked at, nor a switch
# by hand.
set -u
export LC_ALL=C
library=${2:-.libs/libpenstock.so}
program=${3:-.libs/penstock}
archive=${4:-.libs/libpenstock.a}
switch=${5:-src/async/.libs/switch_asm.o}
[ -e "$switch" ] || switch=${switch%.libs/*}${switch##*.libs/} # as libtool does without shared libraries
[ -e "$program" ] || program=penstock # linked without the shared library
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

violation() {
        echo "$1"
        bad=1
}

for file in "$library" "$program"; do
        ${READELF:-readelf} -lW "$file" >"$work/segments" || exit 1
        stack=$(sed -n 's/^ *GNU_STACK *\([x0-9a-f]* *\)\{5\}\([RWE]*\) .*/\2/p' "$work/segments")
        case $stack in
        RW) ;;
        '') violation "$file: nothing says that its stack is not executable" ;;
        *) violation "$file: its stack is $stack" ;;
        esac
        ${READELF:-readelf} -nW "$file" >"$work/notes" || exit 1
        if grep -q SHSTK "$work/notes"; then
                violation "$file: claims to work with a shadow stack (SHSTK)"
        fi
done

${NM:-nm} -D --defined-only "$library" >"$work/nm" || exit 1
awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' "$work/nm" | grep -v '^pen_' >"$work/alien"
while read -r name; do
        violation "$library: exports $name"
done <"$work/alien"
grep -q ' pen_' "$work/nm" || violation "$library: exports nothing"

if [ -e "$archive" ]; then
        cat >"$work/small.c" <<'C'
#include <stddef.h>

int pen_run(int (*fn)(void *arg), void *arg);

static int answer(void *arg)
{
        (void)arg;
        return 42;
}

int main(void)
{
        return pen_run(answer, NULL) != 42;
}
C
        # shellcheck disable=SC2086
        if ! ${CC:-cc} ${SANITIZER_CFLAGS:-} -pthread -o "$work/small" "$work/small.c" "$archive" \
                ${LIBEVENT_LIBS:--levent_core} ${LIBCURL_LIBS:--lcurl} >"$work/said" 2>&1; then
                violation "$archive: does not link:"
                head -n 5 "$work/said"
        elif ! "$work/small"; then
                violation "$archive: a program linked with it does not run"
        fi
fi

# The first instruction of each function that is called, and of where a new stack begins: that is behind
# a nop, for the unwinder's sake.
if [ -e "$switch" ]; then
        ${OBJDUMP:-objdump} -d --no-show-raw-insn "$switch" >"$work/code" || exit 1
        for target in pen_switch pen_switch_prepare first_run; do
                first=$(awk -v "name=<$target>:" '
                        $2 == name { here = 1; next }
                        here && $2 != "nop" { print $2 ($3 == "" ? "" : " " $3); exit }' "$work/code")
                case $first in
                endbr64 | 'bti c' | 'bti j') ;;
                '') violation "$switch: has no $target" ;;
                *) violation "$switch: $target begins with $first, not with endbr64 or bti" ;;
                esac
        done
fi
exit $bad
