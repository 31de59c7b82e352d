#!/bin/sh
# The tutorial works: each program in it is compiled and run, and says what the page says.
#
#     tests/examples/tutorial.sh [PAGE]     with the library of this build
#     INSTALLED=1 tests/examples/tutorial.sh    with what pkg-config finds
set -u
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
page=${1:-$tree/docs/async.md}
build=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

${AWK:-awk} -v out="$work" -f "$here/tutorial.awk" "$page" || exit 1

# What a reader types is `cc` and `pkg-config`: by their paths here, lest they call themselves.
compiler=${CC:-cc}
mkdir "$work/bin"
cat >"$work/bin/cc" <<END
#!/bin/sh
exec $(command -v "${compiler%% *}") ${compiler#"${compiler%% *}"} -Wall -Wextra -Werror ${SANITIZER_CFLAGS-} "\$@"
END
cat >"$work/bin/pkg-config" <<END
#!/bin/sh
[ "\$*" = "--cflags --libs penstock" ] || exit 1
echo "-I$tree/include -L$build/.libs -Wl,-rpath,$build/.libs -lpenstock"
END
chmod +x "$work/bin/cc" "$work/bin/pkg-config"
[ -z "${INSTALLED-}" ] || rm "$work/bin/pkg-config"
PATH=$work/bin:$PATH
export PATH
cd "$work" || exit 1

fault() {
        printf '%s\n' "$page: $1"
        bad=1
}

for program in *.c; do
        # shellcheck disable=SC2046 # words of pkg-config
        cc "$program" -o "${program%.c}" $(pkg-config --cflags --libs penstock) 2>log ||
                fault "$program does not compile: $(head -n 20 log)"
done

# A session's commands, one after the other: what they say together is what stands below them.
for session in *.console; do
        sed -n 's/^\$ //p' "$session" >commands
        : >said
        while read -r command; do
                echo "\$ $command" >>said
                timeout -k 5 60 sh -c "$command" >>said 2>&1 </dev/null
                [ $? -lt 124 ] || fault "$command: ended by a signal, or not within a minute"
        done <commands
        diff -u "$session" said >difference || fault "otherwise than written:
$(sed 1,2d difference)"
done
exit $bad
