#!/bin/sh
# Variables of libpenstock.so that can be written and that all loops share: there are none but those
# named here, with the reason. (Its thread's current loop each thread has for itself.)
#
#     tests/guards/globals.sh [TREE [LIBRARY]]
#
# Not asserted in a build with sanitizers: they have variables of their own.
set -u
export LC_ALL=C
library=${2:-.libs/libpenstock.so}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

if [ -n "${SANITIZER_CFLAGS:-}" ]; then
        echo 'globals: sanitizers have variables of their own: not asserted'
        exit 77
fi

# SECTION NAME. Of static variables in functions what gcc appends (.N) and clang puts before (FUNCTION.) is cut.
cat >"$work/allowed" <<'ALLOWED'
.tbss current_loop          the loop of this thread
.bss once                   libcurl is initialized once in a process,
.bss global_result          with this result (http_curl.c)
.data resolver_getaddrinfo  getaddrinfo, or a test's (resolve.h)
.data the_log               the daemon's log (src/base): the archive is linked whole, but
.data text                  nothing of the library calls it
.bss of                     nor what its log_format.c keeps of the last second
.bss completed              gcc's start-up code
.data __dso_handle          gcc's start-up code
.data __TMC_END__           gcc's start-up code
ALLOWED

# Thread-local ones are no objects to objdump: all symbols with a size, but functions and sections.
${OBJDUMP:-objdump} -t "$library" >"$work/symbols" || exit 1
sed -nE 's/^[0-9a-f]+ .{7} (\.data|\.bss|\.tdata|\.tbss)\t[0-9a-f]+ +(\.(hidden|protected|internal) )?([^ ]+)$/\1 \4/p' \
        "$work/symbols" | grep -Ev '^(\.[a-z]+) \1$|^\.(data|bss) (_edata|_end|__bss_start)$' |
        sed -E 's/\.[0-9]+$//; s/ [A-Za-z_0-9]+\.([a-z])/ \1/' | sort -u >"$work/found"
awk '{ print $1, $2 }' "$work/allowed" | sort >"$work/names"
grep -qx '.tbss current_loop' "$work/found" || {
        echo "$library: has no current_loop: is it stripped?"
        exit 1
}
comm -13 "$work/names" "$work/found" >"$work/unknown"
while read -r section name; do
        echo "$library: $name, in $section, can be written and belongs to no loop"
        bad=1
done <"$work/unknown"
exit $bad
