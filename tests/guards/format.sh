#!/bin/sh
# The layout of the sources is what .clang-format says. Another version of clang-format formats
# otherwise: then nothing is checked. To set it right: clang-format-14 -i FILE…
#
#     tests/guards/format.sh [TREE]
set -u
cd "${1:-${srcdir:-.}}" || exit 1
version=14
format=$(command -v clang-format-$version) || {
        echo "clang-format-$version is not installed"
        exit 77
}
# Told once a file, not once a place.
find include src tests examples -type f -name '*.[ch]' | sort | xargs "$format" --dry-run -Werror 2>&1 |
        awk -F: '/: (error|warning): /{
                places++
                if (++n[$1] == 1)
                        first[files++] = $1 ":" $2
        }
        !/: (error|warning): / && NF && !places { print; odd++ }
        END {
                for (i = 0; i < files; i++) {
                        split(first[i], file, ":")
                        print first[i] ": is not as .clang-format says, here first of " n[file[1]] " places"
                }
                exit files || odd
        }'
