#!/bin/sh
# docs/STATUS.md against the tree: each row names what shows the promise, or says that it is missing;
# each file named is there, each test named is defined, run by its suite, and built; the table of
# counts at the top is what the rows add up to.
#
#     tests/guards/status.sh [TREE]
set -u
export LC_ALL=C
cd "${1:-${srcdir:-.}}" || exit 1

awk '
function violation(text)
{
        printf "docs/STATUS.md:%d: %s\n", line, text
        bad++
}

function trim(text)
{
        gsub(/^[ \t]+|[ \t]+$/, "", text)
        return text
}

# The whole of a file, once; "" if there is none.
function contents(path,    text, one)
{
        if (!(path in files)) {
                text = ""
                while ((getline one <path) > 0)
                        text = text one "\n"
                close(path)
                files[path] = text
        }
        return files[path]
}

# How often a word stands in a text.
function count(text, word,    n, at, before, after)
{
        while ((at = index(text, word)) > 0) {
                before = at > 1 ? substr(text, at - 1, 1) : " "
                after = substr(text, at + length(word), 1)
                if (before !~ /[A-Za-z0-9_]/ && after !~ /[A-Za-z0-9_]/)
                        n++
                text = substr(text, at + length(word))
        }
        return n + 0
}

# A test is defined by a macro at the start of a line, and named once more by its suite.
function check_test(path, name)
{
        if (name !~ /^[a-z][a-z0-9_]*$/)
                violation("no name of a test: " name)
        else if (contents(path) !~ ("(^|\n)([A-Z_]+\\(|static void )" name "[,)(]"))
                violation(path " has no test " name)
        else if (count(contents(path), name) < 2)
                violation(path " does not run " name)
}

function check_reference(text,    at, path, i, n, names, program)
{
        at = index(text, ": ")
        path = at ? substr(text, 1, at - 1) : text
        if (path !~ /^(tests|bench|scripts|\.ci)\/[A-Za-z0-9_.\/-]+$/ || path ~ /\.\./) {
                violation("neither a test, a guard, a script nor a benchmark: " path)
                return
        }
        if (contents(path) == "") {
                violation("no such file: " path)
                return
        }
        if (path !~ /^tests\/.*\.c$/) {
                if (at)
                        violation("only tests in C have names: " text)
                return
        }
        if (!at)
                violation("which test of " path "?")
        program = path
        if (program ~ /\/test_[^\/]*$/)
                sub(/\.c$/, "", program)
        if (count(contents("tests/tests.am"), program) == 0)
                violation(path " is not built by tests/tests.am")
        n = at ? split(substr(text, at + 2), names, ", ") : 0
        for (i = 1; i <= n; i++)
                check_test(path, names[i])
}

# All that stands in backquotes; how many there were.
function check_references(cell,    n, part, i)
{
        n = split(cell, part, "`")
        if (n % 2 == 0)
                violation("a backquote lacks its other: " cell)
        for (i = 2; i < n; i += 2)
                check_reference(part[i])
        return int(n / 2)
}

function check_row(promise, cell,    left)
{
        if (promise == "")
                violation("no promise")
        if (promise in seen && promise !~ /^…/ && seen[promise] == group)
                violation("twice: " promise)
        seen[promise] = group
        if (cell ~ /^\*\*missing\*\*/) {
                n_missing[group]++
                left = substr(cell, length("**missing**") + 1)
                if (left != "" && left !~ /^ \(.+\)$/)
                        violation("behind **missing** stands what is there in parentheses, or nothing")
                check_references(cell)
                return
        }
        n_shown[group]++
        left = cell
        gsub(/`[^`]*`/, "", left)
        if (check_references(cell) == 0 || left !~ /^(, )*$/)
                violation("neither references nor **missing**: " cell)
}

function check_counts(name, shown, missing)
{
        if (!(name in said))
                violation("the counts lack: | " name " | " shown + 0 " | " missing + 0 " |")
        else if (said[name] != (shown + 0) " " (missing + 0))
                violation("the counts should say: | " name " | " shown + 0 " | " missing + 0 " |")
        delete said[name]
}

{ line = FNR }

/^## / {
        group = trim(substr($0, 4))
        if (group in known)
                violation("twice: " group)
        known[group] = 1
        order[++n_groups] = group
        next
}

/^\|/ {
        n = split($0, cell, "|")
        if (cell[2] ~ /^ (---|promise|group) *$/)
                next
        if (n != (group == "" ? 5 : 4))
                violation("not a row of this table: " $0)
        else if (group == "")
                said[trim(cell[2])] = trim(cell[3]) " " trim(cell[4])
        else
                check_row(trim(cell[2]), trim(cell[3]))
}

END {
        if (n_groups == 0) {
                print "docs/STATUS.md: no promises"
                exit 1
        }
        for (i = 1; i <= n_groups; i++) {
                check_counts(order[i], n_shown[order[i]], n_missing[order[i]])
                all_shown += n_shown[order[i]]
                all_missing += n_missing[order[i]]
        }
        check_counts("all", all_shown, all_missing)
        for (name in said)
                violation("counts of what is not there: " name)
        printf "%d promises are shown, %d are missing\n", all_shown, all_missing
        exit bad > 0
}' docs/STATUS.md
