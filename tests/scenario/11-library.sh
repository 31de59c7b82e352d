#!/bin/bash
# The library, as installed: programs outside the tree, in C and C++, with pkg-config.
. "$(dirname "$0")/lib.sh"

given "a program in C and one in C++ that know no more than pkg-config says"
cat >ticker.c <<'C'
#include <stdio.h>

#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/queue.h>
#include <penstock/task.h>

static int ticks;

static int consumer(void *arg)
{
        struct pen_queue *queue = arg;
        void *item;
        int r;

        while ((r = pen_queue_get(queue, &item)) == 0) {
                ticks++;
                r = pen_sleep(PEN_MSEC);
                if (r < 0)
                        return r;
                pen_queue_task_done(queue);
        }
        return r == -32 ? 0 : r; /* -EPIPE: shut down */
}

static int run(void *arg)
{
        PEN_CLEANUP(pen_queue_freep) struct pen_queue *queue = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int r = pen_queue_create(4, NULL, &queue);

        (void)arg;
        if (r == 0)
                r = pen_group_create(&group);
        for (int i = 0; i < 3 && r == 0; i++)
                r = pen_group_spawn(group, "consumer", consumer, queue, NULL);
        for (int i = 0; i < 10 && r == 0; i++)
                r = pen_queue_put(queue, &ticks);
        if (r == 0)
                r = pen_queue_join(queue);
        pen_queue_shutdown(queue, false);
        return r == 0 ? pen_group_join(group) : r;
}

int main(void)
{
        int r = pen_run(run, NULL);

        printf("%d ticks, %d\n", ticks, r);
        return r != 0;
}
C
sed 's/void \*item/void *item = nullptr/; s/struct pen_queue \*queue = arg/pen_queue *queue = static_cast<pen_queue *>(arg)/' ticker.c >ticker.cc
then_true "pkg-config knows penstock" pkg-config --exists penstock
flags=$(pkg-config --cflags --libs penstock)
san=${SCENARIO_SANITIZED:+-fsanitize=address,undefined}

when "they are compiled"
# shellcheck disable=SC2086
then_true "C11, pedantic, without a warning" ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror $san ticker.c -o ticker $flags
# shellcheck disable=SC2086
then_true "C++11, pedantic, without a warning" ${CXX:-c++} -std=c++11 -pedantic -Wall -Wextra -Werror $san ticker.cc -o ticker++ $flags
then_is "C runs" "10 ticks, 0" "$(timeout 20 ./ticker)"
then_is "C++ runs" "10 ticks, 0" "$(timeout 20 ./ticker++)"
then_is "it is linked to libpenstock alone" 1 "$(readelf -d ticker | grep -cE 'NEEDED.*(penstock|event|curl)')"

given "the archive instead of the shared library"
directory=$(pkg-config --libs-only-L penstock | sed 's/^-L//; s/ *$//')
# shellcheck disable=SC2046,SC2086
then_true "what pkg-config --static names is all that it needs" ${CC:-cc} $san ticker.c -o ticker-static \
        $(pkg-config --cflags penstock) "$directory/libpenstock.a" \
        $(pkg-config --static --libs penstock | sed 's/-lpenstock//')
then_is "it runs" "10 ticks, 0" "$(env -u LD_LIBRARY_PATH timeout 20 ./ticker-static)"
then_is "and needs no shared libpenstock" 0 "$(readelf -d ticker-static | grep -c 'NEEDED.*penstock')"

given "the examples, and what is installed"
build_examples() {
        local file

        for file in "$here"/../../examples/*.c; do
                # shellcheck disable=SC2086
                ${CC:-cc} -Wall -Wextra -Werror $san "$file" -o "$(basename "$file" .c)" $flags || return
        done
}
then_true "each builds without a warning" build_examples
then_is "they run" "1000 pages, 7890 bytes" "$(timeout 60 ./server ./thousand_urls | head -n 1)"

when "the tutorial is followed"
follow_the_tutorial() {
        INSTALLED=1 SANITIZER_CFLAGS=$san "$here/../examples/tutorial.sh" >tutorial 2>&1 || {
                cat tutorial
                return 1
        }
}
then_true "all that it says is so" follow_the_tutorial

given "the manual"
manual=$(dirname "$(command -v penstock)")/../share/man
has_pages() {
        local function page n=0

        for function in $(nm -D --defined-only "$directory/libpenstock.so" | sed -n 's/.* T \(pen_[a-z0-9_]*\)$/\1/p'); do
                page=$(sed -n 's/^\.so //p' "$manual/man3/$function.3") && grep -q "^$function" "$manual/$page" || {
                        echo "no page for $function"
                        return 1
                }
                n=$((n + 1))
        done
        [ "$n" -gt 100 ]
}
then_true "each function of the library leads to a page" has_pages

given "a task that does not look whether its sleep was cut short"
cat >careless.c <<'C'
#include <penstock/task.h>

int careless(void *arg)
{
        (void)arg;
        pen_sleep(PEN_SEC);
        return 0;
}
C
sed 's/pen_sleep(PEN_SEC);/return pen_sleep(PEN_SEC);/' careless.c >careful.c
refused_as_unused() { # COMPILER…
        ! "$@" -Werror=unused-result -c careless.c -o /dev/null $flags 2>warning &&
                grep -q 'unused-result' warning
}
then_true "the compiler says so, in C" refused_as_unused ${CC:-cc} -std=c11
then_true "and in C++" refused_as_unused ${CXX:-c++} -std=c++11 -x c++
# shellcheck disable=SC2086
then_true "and nothing of one that looks" ${CC:-cc} -std=c11 -Werror=unused-result -c careful.c -o /dev/null $flags

scenario_ends
