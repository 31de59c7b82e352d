#!/bin/sh
# The guards guard: each lets a good tree pass and refuses a planted violation of each kind, naming
# it. Works on copies.
#
#     tests/guards/selftest.sh [TREE]
set -u
tree=$(cd "${1:-${srcdir:-.}}" && pwd) || exit 1
guards=$tree/tests/guards
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
n=0

fresh_copy() {
        rm -rf "$work/tree"
        mkdir "$work/tree"
        cp -R "$tree/include" "$tree/src" "$tree/tests" "$tree/.clang-format" "$work/tree"
}

# passes GUARD [ARG…]
passes() {
        guard=$1
        shift
        n=$((n + 1))
        if ! "$guards/$guard" "$work/tree" "$@" >"$work/out" 2>&1; then
                echo "$guard: fails without a violation:"
                sed 's/^/    /' "$work/out"
                bad=$((bad + 1))
        fi
}

# refuses GUARD PATTERN KIND [ARG…]: it fails and says PATTERN; then a fresh copy.
refuses() {
        guard=$1 pattern=$2 kind=$3
        shift 3
        n=$((n + 1))
        if "$guards/$guard" "$work/tree" "$@" >"$work/out" 2>&1; then
                echo "$guard: does not see $kind"
                bad=$((bad + 1))
        elif ! grep -q -- "$pattern" "$work/out"; then
                echo "$guard: fails, but not for $kind:"
                sed 's/^/    /' "$work/out"
                bad=$((bad + 1))
        fi
        fresh_copy
}

# plant FILE LINE: as the first one.
plant() {
        { printf '%s\n' "$2"; cat "$work/tree/$1"; } >"$work/planted"
        cp "$work/planted" "$work/tree/$1"
}

fresh_copy

# --- includes -------------------------------------------------------------------------------------
passes includes.sh
plant src/base/heap.c '#include <async/loop.h>'
refuses includes.sh 'src/base/heap.c:1: async/loop.h' 'base using async'
plant src/base/heap.c '#include <penstock/task.h>'
refuses includes.sh 'src/base/heap.c:1: penstock/task.h' 'base using more of penstock than common.h'
plant src/async/task.c '#include <job/job.h>'
refuses includes.sh 'src/async/task.c:1: job/job.h' 'async using job'
plant src/job/retry.c '#include <penstock/loop.h>'
refuses includes.sh 'src/job/retry.c:1: penstock/loop.h' 'job using the loop'
plant src/job/retry.h '#include <async/loop.h>'
refuses includes.sh 'src/job/retry.h:1: async/loop.h' 'job using async'
plant src/store/memory.c '#  include <handler/handler.h>'
refuses includes.sh 'src/store/memory.c:1: handler/handler.h' 'store using handler'
plant src/handler/handler.c '#include <flow/limits.h>'
refuses includes.sh 'src/handler/handler.c:1: flow/limits.h' 'handler using flow'
plant src/flow/limits.c '#include <cli/cli.h>'
refuses includes.sh 'src/flow/limits.c:1: cli/cli.h' 'flow using cli'
plant src/flow/limits.c '#include <async/loop.h>'
refuses includes.sh 'src/flow/limits.c:1: async/loop.h' 'flow using the inside of libpenstock'
plant src/flow/limits.c '#include <curl/curl.h>'
refuses includes.sh 'src/flow/limits.c:1: curl/curl.h' 'flow using curl'
plant src/cli/run.c '#include <event2/event.h>'
refuses includes.sh 'src/cli/run.c:1: event2/event.h' 'cli using libevent'
plant src/cli/run.c '#include "../flow/limits.h"'
refuses includes.sh 'src/cli/run.c:1: ../flow' 'a path upwards'
plant src/cli/run.c '#include "run_options.h"'
refuses includes.sh 'src/cli/run.c:1: run_options.h' 'quotes'
plant include/penstock/task.h '#include <base/list.h>'
refuses includes.sh 'include/penstock/task.h:1: base/list.h' 'a public header using base'
printf '#include <flow/limits.h>\n' >"$work/tree/tests/base/test_planted.c"
refuses includes.sh 'tests/base/test_planted.c:1: flow/limits.h' 'a test using a later layer'
printf '#include "../async/world.h"\n' >"$work/tree/tests/job/test_planted.c"
refuses includes.sh 'tests/job/test_planted.c:1: async/world.h' "a test using a later layer's helpers"

# --- headers --------------------------------------------------------------------------------------
passes headers.sh
planted=include/penstock/planted.h
printf '#pragma once\nint pen_planted(size_t n);\n' >"$work/tree/$planted"
refuses headers.sh 'planted.h: does not compile' 'a header that needs another one'
printf '#pragma once\nvoid pen_planted(void *class, int new);\n' >"$work/tree/$planted"
if command -v "${CXX:-c++}" >/dev/null; then
        refuses headers.sh 'planted.h: does not compile' 'a header that is not C++'
fi
printf 'struct pen_planted {\n        int i;\n};\n' >"$work/tree/$planted"
refuses headers.sh 'planted.h: does not compile' 'a header without #pragma once'
printf '#pragma once\nvoid planted(void);\n' >"$work/tree/$planted"
refuses headers.sh 'function planted' 'a function without pen_'
printf '#pragma once\nstruct planted {\n        int i;\n};\n' >"$work/tree/$planted"
refuses headers.sh 'type planted' 'a structure without pen_'
printf '#pragma once\ntypedef int (*planted)(int i);\n' >"$work/tree/$planted"
refuses headers.sh 'type planted' 'a typedef without pen_'
printf '#pragma once\nenum pen_planted {\n        PEN_ONE,\n        TWO = 2,\n};\n' >"$work/tree/$planted"
refuses headers.sh 'constant TWO' 'a constant without PEN_'
printf '#pragma once\n#define PLANTED 1\n' >"$work/tree/$planted"
refuses headers.sh 'define PLANTED' 'a macro without PEN_'
printf '#pragma once\nextern const int planted;\n' >"$work/tree/$planted"
refuses headers.sh 'variable planted' 'a variable without pen_'

# --- symbols: a library of two functions ----------------------------------------------------------
library=$work/libplanted.so

small_library() {
        rm -rf "$work/tree"
        mkdir -p "$work/tree/include/penstock" "$work/tree/src/async"
        printf 'void pen_one(void);\nint pen_two(int i);\nstatic inline int pen_here(void)\n{\n        return 1;\n}\n' \
                >"$work/tree/include/penstock/small.h"
        printf 'pen_one\npen_two\n' >"$work/tree/src/async/libpenstock.sym"
        printf 'void pen_one(void);\nint pen_two(int i);\nvoid pen_one(void) {}\nint pen_two(int i) { return i; }\n%s\n' "$1" \
                >"$work/small.c"
        ${CC:-cc} -shared -fPIC -o "$library" "$work/small.c"
}
fresh_copy() { small_library ''; }

fresh_copy
passes symbols.sh "$library"
small_library 'int pen_leak;'
refuses symbols.sh 'pen_leak: exported' 'an export that is not listed' "$library"
small_library 'void helper(void); void helper(void) {}'
refuses symbols.sh 'helper: exported' 'an inner function that leaks' "$library"
echo pen_three >>"$work/tree/src/async/libpenstock.sym"
refuses symbols.sh 'pen_three: in src/async/libpenstock.sym, but not exported' 'a listed name that is not there' "$library"
echo pen_two >>"$work/tree/src/async/libpenstock.sym"
refuses symbols.sh 'pen_two: stands twice' 'a name listed twice' "$library"
echo 'void pen_forgotten(void);' >>"$work/tree/include/penstock/small.h"
refuses symbols.sh 'pen_forgotten: declared' 'a function that was forgotten in the list' "$library"
sed -i '/pen_two/d' "$work/tree/include/penstock/small.h"
refuses symbols.sh 'pen_two: in src/async/libpenstock.sym, but no public header' 'an export that no header declares' "$library"

# --- elf: a library, a program and an archive of one function --------------------------------------
small_files() { # FLAG…: of the linker
        rm -rf "$work/tree"
        mkdir "$work/tree"
        printf 'int pen_run(int (*fn)(void *), void *arg);\nint pen_run(int (*fn)(void *), void *arg) { return fn(arg); }\n' \
                >"$work/small.c"
        printf 'int main(void) { return 0; }\n' >"$work/main.c"
        ${CC:-cc} -shared -fPIC "$@" -o "$library" "$work/small.c"
        ${CC:-cc} "$@" -o "$work/planted" "$work/main.c"
        ${CC:-cc} -c -o "$work/small.o" "$work/small.c"
        rm -f "$work/libplanted.a"
        ${AR:-ar} rc "$work/libplanted.a" "$work/small.o"
}
fresh_copy() { small_files; }
elf_files="$library $work/planted $work/libplanted.a $work/switch.o" # no spaces in them: mktemp's

# Three functions, each with the mark before its first instruction; FUNCTION has none.
small_switch() { # [FUNCTION]
        case $(uname -m) in
        x86_64) mark=endbr64 ;;
        aarch64) mark='hint #34' ;;
        esac
        for name in pen_switch pen_switch_prepare first_run; do
                printf '.type %s, %%function\n.globl %s\n%s:\n' $name $name $name
                [ $name != first_run ] || echo nop
                [ $name = "${1-}" ] || echo "$mark"
                echo ret
        done >"$work/switch.s"
        ${CC:-cc} -c -o "$work/switch.o" "$work/switch.s"
}

fresh_copy
# shellcheck disable=SC2086
{
        passes elf.sh $elf_files
        small_files -Wl,-z,execstack
        refuses elf.sh 'libplanted.so: its stack is RWE' 'an executable stack' $elf_files
        ${CC:-cc} -Wl,-z,execstack -o "$work/planted" "$work/main.c"
        refuses elf.sh 'planted: its stack is RWE' "a program's executable stack" $elf_files
        case $(uname -m) in
        x86_64)
                small_files -Wl,-z,shstk
                refuses elf.sh 'libplanted.so: claims .*SHSTK' 'a claim of a shadow stack' $elf_files
                ;;
        esac
        printf 'int helper;\n' >>"$work/small.c"
        ${CC:-cc} -shared -fPIC -o "$library" "$work/small.c"
        refuses elf.sh 'exports helper' 'an export that is not pen_' $elf_files
        ${CC:-cc} -shared -fPIC -o "$library" "$work/main.c" -Wl,--version-script=/dev/stdin <<'VERSION'
{ local: *; };
VERSION
        refuses elf.sh 'exports nothing' 'a library that exports nothing' $elf_files
        ${CC:-cc} -c -o "$work/small.o" "$work/small.c" -Dpen_run=pen_walk
        rm "$work/libplanted.a"
        ${AR:-ar} rc "$work/libplanted.a" "$work/small.o"
        refuses elf.sh 'libplanted.a: does not link' 'an archive that is not whole' $elf_files
        case $(uname -m) in
        x86_64 | aarch64)
                small_switch
                passes elf.sh $elf_files
                for function in pen_switch pen_switch_prepare first_run; do
                        small_switch $function
                        refuses elf.sh "$function begins with ret, not with" "a target without a mark: $function" \
                                $elf_files
                done
                sed -i 's/first_run/second_run/' "$work/switch.s"
                ${CC:-cc} -c -o "$work/switch.o" "$work/switch.s"
                refuses elf.sh 'has no first_run' 'a target that has another name' $elf_files
                rm "$work/switch.o"
                ;;
        esac
}

# --- globals: a library with a loop for each thread ------------------------------------------------
globals_library() { # LINE OF C
        mkdir -p "$work/tree"
        printf '__thread void *current_loop __attribute__((visibility("hidden")));\nvoid *loop(void);\n%s\nvoid *loop(void) { return current_loop; }\n' \
                "$1" >"$work/small.c"
        ${CC:-cc} -shared -fPIC -O1 -o "$library" "$work/small.c"
}
fresh_copy() { globals_library ''; }

fresh_copy
{
        SANITIZER_CFLAGS= # those of the tree are not these libraries'
        passes globals.sh "$library"
        globals_library 'static const char *const names[] = { "a", "b" }; const char *name(int i); const char *name(int i) { return names[i]; }'
        passes globals.sh "$library"
        globals_library 'int planted;'
        refuses globals.sh 'planted, in .bss, can be written' 'a global variable' "$library"
        globals_library 'int planted = 1;'
        refuses globals.sh 'planted, in .data, can be written' 'one with a value' "$library"
        globals_library 'int count(void); int count(void) { static int planted; return planted++; }'
        refuses globals.sh 'planted, in .bss, can be written' 'a static variable of a function' "$library"
        globals_library '__thread int planted;'
        refuses globals.sh 'planted, in .tbss, can be written' 'a second one of the thread' "$library"
        globals_library '__attribute__((visibility("hidden"))) int planted;'
        refuses globals.sh 'planted, in .bss, can be written' 'a hidden one' "$library"
        globals_library ''
        strip "$library"
        refuses globals.sh 'is it stripped' 'a library without symbols' "$library"
}

# --- status: two promises, one of them shown -------------------------------------------------------
fresh_copy() {
        rm -rf "$work/tree"
        mkdir -p "$work/tree/docs" "$work/tree/tests/base" "$work/tree/scripts"
        printf 'START_TEST(works)\n{\n}\nRUN_SUITE(works);\nSTART_TEST(idle)\n' >"$work/tree/tests/base/test_one.c"
        echo 'unit_tests += tests/base/test_one' >"$work/tree/tests/tests.am"
        echo 'exit 0' >"$work/tree/scripts/check"
        cat >"$work/tree/docs/STATUS.md" <<'STATUS'
| group | shown | missing |
| --- | --- | --- |
| A | 1 | 1 |
| all | 1 | 1 |

## A

| promise | shown by |
| --- | --- |
| one | `tests/base/test_one.c: works`, `scripts/check` |
| two | **missing** (a part: `scripts/check`) |
STATUS
}
# restate FROM TO: in the small page.
restate() { sed -i "s#$1#$2#" "$work/tree/docs/STATUS.md"; }

fresh_copy
passes status.sh
restate ': works' ': shines'
refuses status.sh 'STATUS.md:10: tests/base/test_one.c has no test shines' 'a test that is not there'
restate ': works' ': work'
refuses status.sh 'has no test work$' 'the beginning of a name'
restate ': works' ': idle'
refuses status.sh 'does not run idle' 'a test that no suite runs'
restate ': works' ''
refuses status.sh 'which test' 'a test file without a name of a test'
rm "$work/tree/scripts/check"
refuses status.sh 'no such file: scripts/check' 'a file that is not there'
: >"$work/tree/tests/tests.am"
refuses status.sh 'is not built' 'a test that is not built'
restate 'scripts/check`, ' 'src/one.c`, '
restate '`scripts/check` |$' '`src/one.c` |'
refuses status.sh 'neither a test' 'a source file as proof'
restate '`tests.*' 'surely |'
refuses status.sh 'neither references nor' 'a row that shows nothing'
restate '| `tests' '| soon `tests'
refuses status.sh 'neither references nor' 'words beside references'
restate 'missing\*\* (' 'missing** '
refuses status.sh 'in parentheses' 'words behind missing'
restate '^| two' '| two | three'
refuses status.sh 'not a row of this table' 'a row of three'
restate '^| two' '| one'
refuses status.sh 'twice: one' 'a promise that stands twice'
restate '^| A | 1 | 1' '| A | 2 | 0'
refuses status.sh 'should say: | A | 1 | 1 |' 'a wrong count'
restate '^| all | 1 | 1' '| all | 1 | 0'
refuses status.sh 'should say: | all | 1 | 1 |' 'a wrong sum'
restate '^| A | 1 | 1 |' ''
refuses status.sh 'the counts lack: | A | 1 | 1 |' 'a group that is not counted'
restate '^| all' '| B | 0 | 0 |\n| all'
refuses status.sh 'not there: B' 'a count of nothing'

# --- events: two that are said, one of them by way of a variable ------------------------------------
fresh_copy() {
        rm -rf "$work/tree"
        mkdir -p "$work/tree/src/one" "$work/tree/docs"
        cat >"$work/tree/src/one/one.c" <<'SOURCE'
static const char *const name = LOG_EVENT("job.done");
void say(int n, const char *text)
{
        LOG(level_of(n, 1),
            "store.up", F_STR("a", text));
        LOG(LOG_INFO, name, F_STR("b", "not.this"));
        PEN_LOG(LOG_INFO, "nor.this");
}
SOURCE
        printf '| event | level |\n| --- | --- |\n| `job.done` | info |\n| `store.up` | info |\n' >"$work/tree/docs/logs.md"
}
fresh_copy
passes events.sh
sed -i 's/store\.up/store.down/' "$work/tree/src/one/one.c"
refuses events.sh 'one.c: says store.down, which' 'an event that the catalogue lacks'
sed -i 's/job\.done/job.over/' "$work/tree/src/one/one.c"
refuses events.sh 'one.c: says job.over, which' 'a marked event that the catalogue lacks'
echo '| `loop.slow` | warn |' >>"$work/tree/docs/logs.md"
refuses events.sh 'nobody says loop.slow' 'an event that nobody says'
echo '| `store.up` | warn |' >>"$work/tree/docs/logs.md"
refuses events.sh 'twice: store.up' 'an event that stands twice'
sed -i 's/LOG_EVENT("job.done")/"job.done"/' "$work/tree/src/one/one.c"
refuses events.sh 'one.c: not the name of an event.*: name' 'an event that nobody marked'
sed -i 's/"store\.up"/"Store went up"/' "$work/tree/src/one/one.c"
refuses events.sh 'one.c: not the name of an event.*: "Store went up"' 'an event that is a sentence'
rm "$work/tree/src/one/one.c"
: >"$work/tree/docs/logs.md"
echo 'int i;' >"$work/tree/src/one/one.c"
refuses events.sh 'no events' 'a tree without events'

# --- manual: the headers, and what sets them ----------------------------------------------------------
fresh_copy() {
        rm -rf "$work/tree"
        mkdir -p "$work/tree/include" "$work/tree/man"
        cp -R "$tree/include/penstock" "$work/tree/include"
        cp "$tree/man/library.awk" "$work/tree/man"
}
forget() { # LINE PATTERN: of what sets the pages
        sed -i "/$1/s/^/#/" "$work/tree/man/library.awk"
}

fresh_copy
passes manual.sh
printf '/* Small. */\n\nint pen_small(int i); /* only here: soporific */\n' >"$work/tree/include/penstock/small.h"
passes manual.sh
sed -i 's/commented = commented "\\n" wrapped_comment(8, s)/;/' "$work/tree/man/library.awk"
sed -i 's|/\* only here|/* and behind all that so many words that no line could ever hold them, only here|' \
        "$work/tree/include/penstock/small.h"
refuses manual.sh 'penstock-small.3: lacks what penstock/small.h says: .*soporific' 'a comment that is lost'
forget 'functions = functions'
refuses manual.sh 'pen_queue_put of penstock/queue.h has no page' 'a function without a page'
forget 'description = description "\.PP'
refuses manual.sh 'penstock-.*: lacks' 'declarations that are lost'
if command -v groff >/dev/null; then
        sed -i 's/"\.PP\\n\.EX\\n" code "\.EE/".PP\\n.EXAMPLE\\n" code ".EE/' "$work/tree/man/library.awk"
        refuses manual.sh 'EXAMPLE' 'a request that is none'
fi

# --- format ---------------------------------------------------------------------------------------
if command -v clang-format-14 >/dev/null; then
        fresh_copy() {
                rm -rf "$work/tree"
                mkdir -p "$work/tree/src" "$work/tree/include" "$work/tree/tests" "$work/tree/examples"
                cp "$tree/.clang-format" "$work/tree"
                printf 'int planted(void)\n{\n        return 1;\n}\n' >"$work/tree/src/planted.c"
        }
        fresh_copy
        passes format.sh
        printf 'int planted(void) {\n  return 1;\n}\n' >"$work/tree/src/planted.c"
        refuses format.sh 'src/planted.c:1' 'another layout'
fi

echo "$n checks of the guards, $bad failed"
exit $((bad > 0))
