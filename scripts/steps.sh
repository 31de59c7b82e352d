# shellcheck shell=bash
# Steps of scripts/check and .ci/run; sourced, bash, from the top of the tree.
#
#     steps_begin NAME              a folder for everything that is made: $work
#     step NAME FUNCTION [ARG…]     prints one line, ok or FAIL, with its time; its log on FAIL.
#                                   A statement of its own: behind `if` or before `&&` bash would
#                                   ignore the function's `set -e`. went_well: the last one did
#     steps_end                     the last line, `N passed, N failed`, and the exit status
#
# A function reports what it has counted by `count PASSED FAILED [SKIPPED]`. A step that fails
# without having counted a failure counts as one; a step that counts nothing is one itself.
set -uo pipefail
export LC_ALL=C.UTF-8

top=$PWD
jobs=$(nproc 2>/dev/null || echo 2)
total_passed=0
total_failed=0
total_skipped=0
steps_failed=()

steps_begin() {
        steps_name=$1
        work=$(mktemp -d "${TMPDIR:-/var/tmp}/penstock-$1.XXXXXX") || exit 1
        export work
        trap steps_clean EXIT
        trap 'exit 130' INT TERM HUP
        steps_start=$SECONDS
}

# Logs stay if something has failed.
steps_clean() {
        cd / || exit 1
        if [ ${#steps_failed[@]} -eq 0 ] && [ -n "${steps_done:-}" ]; then
                rm -rf "$work"
        else
                find "$work" -mindepth 1 -maxdepth 1 ! -name '*.log' -exec rm -rf {} +
                [ -n "${steps_done:-}" ] || echo "$steps_name: cut short; logs are kept in $work" >&2
        fi
}

count() {
        echo "$1 $2 ${3:-0}" >>"$work/counts"
}

step() {
        local name=$1 log began=$SECONDS status passed=0 failed=0 skipped=0 p f s words

        shift
        log=$work/$(tr -cs 'A-Za-z0-9\n' - <<<"$name").log
        : >"$work/counts"
        (
                [ "$1" = part ] || exec 3>&-
                set -e
                "$@"
        ) 3>&1 >"$log" 2>&1 </dev/null
        status=$?
        while read -r p f s; do
                passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
        done <"$work/counts"
        if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
                failed=1
        elif [ "$status" -eq 0 ] && [ $((passed + failed + skipped)) -eq 0 ]; then
                passed=1
        fi
        total_passed=$((total_passed + passed))
        total_failed=$((total_failed + failed))
        total_skipped=$((total_skipped + skipped))
        words="$passed passed"
        [ "$failed" -eq 0 ] || words="$words, $failed failed"
        [ "$skipped" -eq 0 ] || words="$words, $skipped skipped"
        last_failed=$failed
        if [ "$failed" -eq 0 ]; then
                printf 'ok    %-46s %5ds  %s\n' "$name" $((SECONDS - began)) "$words"
                return
        fi
        steps_failed+=("$name")
        printf 'FAIL  %-46s %5ds  %s\n' "$name" $((SECONDS - began)) "$words"
        grep -nE '(^|[^a-z])(error|FAIL|ERROR)[: ]|: warning: |undefined reference|Sanitizer|:[FE]:' "$log" |
                grep -vE '^[0-9]+:# [A-Z]+: ' |
                head -n 20 | cut -c 1-300 | sed 's/^/      ! /'
        tail -n 60 "$log" | cut -c 1-300 | sed 's/^/      | /'
}

went_well() {
        [ "$last_failed" -eq 0 ]
}

steps_end() {
        steps_done=1
        [ "$total_skipped" -eq 0 ] || echo "$total_skipped skipped"
        if [ ${#steps_failed[@]} -gt 0 ]; then
                printf 'failed: %s\n' "${steps_failed[@]}"
                echo "logs are kept in $work"
        fi
        echo "$steps_name: $((SECONDS - steps_start)) s"
        # Nothing failed because nothing ran is no success.
        [ "$total_passed" -gt 0 ] || total_failed=$((total_failed + 1))
        echo "$total_passed passed, $total_failed failed"
        [ "$total_failed" -eq 0 ]
        exit
}

# A step that is a script with steps and a tally of its own. Its lines are shown as they come.
part() {
        local status=0 line

        "$@" 2>&1 3>&- | tee "$work/part" | while IFS= read -r line; do
                printf '%s\n' "$line"
                case $line in ok\ * | FAIL\ *) printf '      %s\n' "$line" >&3 ;; esac
        done || status=1
        count_last_line "$work/part"
        return "$status"
}

# --- what steps are made of: run in the step's own shell, with `set -e` ------------------------------

bootstrap() {
        mkdir -p m4
        autoreconf -fi
}

# build DIR [CONFIGURE-ARG…]: out of tree, in $work/DIR.
build() {
        local dir=$work/$1

        shift
        mkdir -p "$dir"
        cd "$dir"
        "$top/configure" -q "$@"
        make -j "$jobs"
}

# The test programs of the build in the present folder (not the guards, which are scripts).
unit_tests() {
        make -s -f - print-tests <<'MAKE'
include Makefile
print-tests:
	@printf '%s\n' $(filter-out %.sh,$(TESTS))
MAKE
}

# Tests with real servers and real time, which an emulator is too slow for; and the log's, which looks at every
# character there is.
of_real_time='tests/(store/test_(contract|redis_)|daemon/|cli/test_client|base/test_log)'

# tally_log FILE: libcheck's totals.
# A program that ran no check has proved nothing: it counts as failed.
tally_log() {
        awk -v file="$1" '
                match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
                        split(substr($0, RSTART, RLENGTH), n, /[:,] */)
                        checks += n[2]
                        bad += n[4] + n[6]
                }
                END {
                        if (checks == 0) {
                                print file ": no line with Checks" >"/dev/stderr"
                                bad = 1
                        }
                        print checks - bad < 0 ? 0 : checks - bad, bad + 0, 0
                }' "$1"
}

# make check in the present folder.
make_check() {
        local status=0

        make check -k -j "$jobs" "$@" || status=$?
        [ "$status" -eq 0 ] || cat test-suite.log 2>/dev/null || true
        count_results .
        return "$status"
}

# count_results DIR: what `make check` has left there: libcheck's checks, and a guard as one.
count_results() {
        local trs result p f s n=0

        for trs in $(find "$1" -name '*.trs' | sort); do
                n=$((n + 1))
                result=$(sed -n 's/^:global-test-result: //p' "$trs")
                if [[ $trs == *.sh.trs ]]; then
                        case $result in
                        PASS) count 1 0 ;;
                        SKIP) count 0 0 1 ;;
                        *) count 0 1 ;;
                        esac
                else
                        read -r p f s < <(tally_log "${trs%.trs}.log")
                        [ "$result" = PASS ] || [ "$f" -gt 0 ] || f=1
                        count "$p" "$f" "$s"
                fi
        done
        if [ "$n" -eq 0 ]; then
                echo "make check ran no test"
                count 0 1
        fi
}

# run_unit_tests COMMAND…: every test program of the present folder under a command, but for those whose names are like
# $unit_tests_without; each may take five minutes.
run_unit_tests() {
        local test bad=0 result p f s

        make -j "$jobs" check TESTS=
        for test in $(unit_tests); do
                [ -z "${unit_tests_without-}" ] || [[ ! $test =~ $unit_tests_without ]] || continue
                result=0
                timeout -k 10 300 "$@" "./$test" >"$test.run.log" 2>&1 || result=$?
                read -r p f s < <(tally_log "$test.run.log")
                echo "$test: status $result, $p passed, $f failed"
                if [ "$result" -ne 0 ]; then
                        tail -n 100 "$test.run.log"
                        echo "FAIL: $test: status $result"
                        bad=1
                        [ "$f" -gt 0 ] || f=1
                fi
                count "$p" "$f" "$s"
        done
        return "$bad"
}

# scenarios [NN-name.sh…]: with the programs of the build in the present folder, installed.
scenarios() {
        local root=$PWD/root status=0 log=$PWD/scenarios.out

        make -s install DESTDIR="$root" >/dev/null || return
        make -s checkers || return
        CHECKERS=$PWD/tests/checker PATH=$root/usr/local/sbin:$root/usr/local/bin:$PATH LD_LIBRARY_PATH=$root/usr/local/lib \
                PKG_CONFIG_PATH=$root/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
                "$top/tests/scenario/run" "$@" >"$log" 2>&1 || status=$?
        cat "$log"
        count_last_line "$log"
        return "$status"
}

# count_last_line FILE: `N passed, N failed`.
count_last_line() {
        if [[ $(tail -n 1 "$1") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
                count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
        else
                count 0 1
        fi
}
