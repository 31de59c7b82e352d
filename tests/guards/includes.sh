#!/bin/sh
# The #include lines against the layers of docs/ARCHITECTURE.md: a layer uses only what stands above
# it in the list, and system libraries only where they are at home.
#
#     tests/guards/includes.sh [TREE]
set -u
export LC_ALL=C
cd "${1:-${srcdir:-.}}" || exit 1

find include src tests -type f \( -name '*.[chS]' -o -name '*.cc' \) | sort | xargs awk '
BEGIN {
        n = split("penstock base async job config store handler flow daemon cli", order)
        for (i = 1; i <= n; i++)
                rank[order[i]] = i

        # Narrower than "all that stands above": pure functions, and libc only.
        only["penstock"] = " penstock "
        only["base"] = " base penstock/common.h "
        only["job"] = " job base penstock/common.h "

        # Libraries that one layer hides from all others: the first part of the name.
        home["event2"] = home["curl"] = home["openssl"] = home["valgrind"] = "src/async/"
        home["event.h"] = "src/async/"
        home["yaml.h"] = "src/config/"
        home["sqlite3.h"] = "src/store/sqlite/"
        home["hiredis"] = "src/store/redis/"
        home["microhttpd.h"] = home["systemd"] = "src/daemon/"
}

function violation(text)
{
        printf "%s:%d: %s: %s\n", FILENAME, FNR, name, text
        bad++
}

# The layer a file belongs to; tests/LAYER/ tests LAYER, tests/* alone is for all.
function layer_of(file,    part)
{
        if (file ~ /^include\/penstock\//)
                return "penstock"
        split(file, part, "/")
        return part[2] in rank ? part[2] : ""
}

function is_allowed(layer, name, target)
{
        if (layer in only)
                return index(only[layer], " " target " ") || index(only[layer], " " name " ")
        return rank[target] <= rank[layer]
}

/^[ \t]*#[ \t]*include/ {
        name = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
        quoted = name ~ /^"/
        name = substr(name, 2)
        sub(/[>"].*/, "", name)
        in_tests = FILENAME ~ /^tests\//
        if (in_tests)
                sub(/^\.\.\//, "", name) # helpers of the tests of another layer
        split(name, part, "/")
        target = part[1]
        layer = layer_of(FILENAME)

        if (name ~ /\.\.\//) {
                violation("write it as <layer/file.h>")
        } else if (quoted && name != "config.h" && !in_tests) {
                violation("quotes are for \"config.h\"; write <layer/file.h>")
        } else if (target in home) {
                if (index(FILENAME, home[target]) != 1 && !in_tests)
                        violation("is for " home[target] " only")
        } else if (name ~ /\// && target in rank && layer != "") {
                if (!is_allowed(layer, name, target))
                        violation(layer " must not use " target)
                else if (target == "async" && layer != "async" && !in_tests)
                        violation("the inside of libpenstock; use <penstock/...>")
        }
}

END {
        if (bad)
                printf "%d includes against docs/ARCHITECTURE.md\n", bad
        exit bad > 0
}' || exit 1
