#!/bin/sh
# Tasks in gdb: the backtrace of one ends cleanly, and penstock-gdb.py shows all and where they wait, in
# a living process and in a core dump.
#
#     tests/async/gdb.sh
#
# Skipped where there is no gdb, or no right to trace a process.
set -u
export LC_ALL=C
script=$(cd "${srcdir:-.}" && pwd)/src/async/penstock-gdb.py
program=$PWD/tests/async/gdb_program
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

skip() {
        echo "gdb: skipped: $1"
        exit 77
}

[ -z "${SANITIZER_CFLAGS:-}" ] || skip 'a sanitizer puts frames of its own below a task'
command -v "${GDB:=gdb}" >/dev/null || skip 'there is no gdb'

# session COMMAND… -- ARGUMENT…: what gdb says goes to $work/SECTION, from each `echo @SECTION\n` on.
session() {
        : >"$work/commands"
        while [ "$1" != -- ]; do
                printf '%s\n' "$1" >>"$work/commands"
                shift
        done
        shift
        timeout 120 "$GDB" -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' \
                -ex "source $script" -x "$work/commands" "$@" >"$work/said" 2>&1 </dev/null
        rm -f "$work"/@*
        awk -v "work=$work/" 'BEGIN { file = work "@before" }
             /^@/ { file = work $0; next } { print >file }' "$work/said"
}

violation() { # WHAT SECTION
        echo "gdb: $1; it said:"
        sed 's/^/    /' "$work/$2" 2>/dev/null || sed 's/^/    /' "$work/said"
        bad=1
}

# says SECTION PATTERN…: lines that match are there, in this order
says() {
        section=$1
        shift
        printf '%s\n' "$@" >"$work/expected"
        touch "$work/$section"
        missing=$(awk 'NR == FNR { want[++n] = $0; next }
             at < n && $0 ~ want[at + 1] { at++ }
             END { if (at < n) print want[at + 1] }' "$work/expected" "$work/$section")
        [ -z "$missing" ] || violation "$section: not there, or not in its place: $missing" "$section"
}

# ends_cleanly SECTION: the last line that is a frame is first_run's, and no frame is nobody's
ends_cleanly() {
        [ -n "$by_hand" ] || return 0
        if grep -Eq 'Backtrace stopped|corrupt|Cannot access|\?\? \(\)' "$work/$1" ||
                ! grep '^#' "$work/$1" | tail -n 1 | grep -q ' first_run '; then
                violation "$1: does not end cleanly" "$1"
        fi
}

tasks_are_listed() {
        says @tasks 'Thread [0-9]+: 6 tasks' \
                '^ *1  main +suspended +time$' \
                '^ *2  sleeper +suspended +time$' \
                '^ *3  waiter +suspended +another task [(]sleeper[)]$' \
                '^ *4  pager +suspended +time$' \
                '^ *5  task-5 +running$' \
                '^ *6  newborn +ready +[(]after its first run[)]$'
}

# address NAME: what the first line of @sleeper that has it says
address() { sed -n "s/.*$1\\(0x[0-9a-f]*\\).*/\\1/p" "$work/@sleeper" | head -n 1; }

sleeper_is_shown() {
        says @sleeper '^ *2  sleeper ' '^#.* task_suspend ' '^#.* pen_sleep ' \
                '^#.* inner_wait .*=0[)]' '^#.* inner_wait .*=1[)]' '^#.* inner_wait .*=2[)]' \
                '^#.* outer_wait ' '^#.* sleeper ' '^#.* task_main ' '^#.* first_run '
        grep '^#' "$work/@sleeper" | head -n 1 | grep -q '^#0 ' ||
                violation 'frames are not counted from 0' @sleeper
        if grep -q look_here "$work/@sleeper"; then
                violation "the running task's frames are in the sleeper's backtrace" @sleeper
        fi
        # One is in a register that the switch has saved, the other one in memory.
        case "$(address 'task_suspend (task=') $(address 'task_main (arg=')" in
        ' '* | *' ') ;; # optimized away
        *)
                [ "$(address 'task_suspend (task=')" = "$(address 'task_main (arg=')" ] ||
                        violation 'registers are mixed up' @sleeper
                ;;
        esac
        ends_cleanly @sleeper
}

# On the generator's stack, and then on its own.
pager_is_shown() {
        says @pager '^ *4  pager ' '^#0 ' '^#.* outer_wait ' '^#.* make_pages ' '^#.* gen_main ' \
                'generator, called by' '^#0 ' '^#.* read_pages ' '^#.* pager ' \
                '^#.* task_main '
        ends_cleanly @pager
}

# Below first_run makecontext has a frame of libc's, which tells gdb nothing.
by_hand=yes
[ -z "$(find src/async -name '*switch_ucontext.o' 2>/dev/null)" ] || by_hand=

"$program" || {
        echo "gdb: $program: status $?"
        exit 1
}

# --- alive ------------------------------------------------------------------------------------------
session 'break look_here' 'run' 'echo @running\n' 'bt' 'echo @tasks\n' 'penstock tasks' \
        'echo @sleeper\n' 'penstock bt 2' 'echo @pager\n' 'penstock bt 4' 'echo @newborn\n' 'penstock bt 6' \
        'echo @all\n' 'penstock bt' 'echo @selected\n' 'up' 'penstock bt 3' 'echo @again\n' 'frame' 'bt' \
        'echo @unknown\n' 'penstock bt 77' -- "$program"
if grep -Eq 'Could not trace the inferior|ptrace: |Cannot create process' "$work/said"; then
        skip 'no process may be traced here'
fi
says @running '^#0 .*look_here' '^#1 .* runner ' '^#2 .* task_main ' '^#3 .* first_run '
ends_cleanly @running
tasks_are_listed
sleeper_is_shown
pager_is_shown
says @newborn '^ *6  newborn ' '^#0 '
ends_cleanly @newborn
says @all '^ *1  main ' '^#.* run ' '^ *2  sleeper ' '^#.* outer_wait ' '^ *3  waiter ' '^#.* waiter ' \
        '^ *5  task-5 ' '^#0 .*look_here' '^ *6  newborn '
says @again '^#1 .* runner ' '^#0 .*look_here' '^#1 .* runner ' '^#2 .* task_main '
says @unknown 'no task 77'

# In the loop's own wait no task runs.
session 'set breakpoint pending on' 'break epoll_wait' 'run' 'echo @idle\n' 'penstock tasks' -- "$program"
says @idle 'Thread [0-9]+: 1 tasks' '^ *1  main +ready'

# --- a core dump --------------------------------------------------------------------------------------
{ (cd "$work" && ulimit -c unlimited && "$program" core); } >/dev/null 2>&1
core=$(find "$work" -name 'core*' -type f | head -n 1)
if [ -z "$core" ]; then
        echo "gdb: core dumps go elsewhere ($(cat /proc/sys/kernel/core_pattern)): not asserted"
else
        session 'echo @tasks\n' 'penstock tasks' 'echo @sleeper\n' 'penstock bt 2' \
                'echo @pager\n' 'penstock bt 4' 'echo @running\n' 'penstock bt 5' -- "$program" "$core"
        tasks_are_listed
        sleeper_is_shown
        pager_is_shown
        says @running '^#.* look_here ' '^#.* runner '
        ends_cleanly @running
fi
exit $bad
