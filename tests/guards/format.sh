#!/bin/sh
# The layout of the sources is what .clang-format says. Another version of clang-format formats
# otherwise: then nothing is checked.
#
#     tests/guards/format.sh [TREE]
set -u
cd "${1:-${srcdir:-.}}" || exit 1
version=14
format=$(command -v clang-format-$version) || {
        echo "clang-format-$version is not installed"
        exit 77
}
find include src tests -type f -name '*.[ch]' | sort | xargs "$format" --dry-run -Werror
