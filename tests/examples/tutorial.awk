# Takes a tutorial apart. Programs: blocks of c, the first of which begins with a comment that names the
# file; those that follow without one go on with it. Sessions: blocks of console, `$ COMMAND` and what it
# says. Writes OUT/NAME.c and OUT/N.console, N from 100; fails on a block that would not be run.
#
#     awk -v out=OUT -f tutorial.awk PAGE

function fault(text)
{
        printf "%s:%d: %s\n", FILENAME, FNR, text
        bad = 1
}

/^ *```/ && !block {
        block = $1
        opened = FNR
        first = 1
        if (block != "```c" && block != "```console")
                fault("a block that nobody runs: " block)
        if (block == "```console")
                session = out "/" (100 + n_sessions++) ".console"
        next
}

/^ *```$/ {
        if (block == "```c")
                n_blocks++
        block = ""
        next
}

block == "```c" {
        if (first && match($0, /^\/\* [a-z_]+\.c/)) {
                program = substr($0, 4, RLENGTH - 5)
                if (program in file)
                        fault("twice: " program ".c")
                file[program] = out "/" program ".c"
                line[program] = opened
        } else if (first && (program == "" || program in ran)) {
                fault("of which program is this a part?")
        }
        first = 0
        if (program != "")
                print >file[program]
}

block == "```console" {
        print >session
        if (!/^\$ /) {
                if (first)
                        fault("a session begins with `$ COMMAND`")
                first = 0
                next
        }
        first = 0
        n_commands++
        rest = $0
        while (match(rest, /\.\/[a-z_]+/)) {
                name = substr(rest, RSTART + 2, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
                if (!(name in file))
                        fault("runs " name ", which does not stand before")
                ran[name] = 1
        }
}

END {
        if (block)
                fault("a block without an end")
        for (name in file) {
                n_programs++
                if (!(name in ran)) {
                        printf "%s:%d: %s is not run\n", FILENAME, line[name], name
                        bad = 1
                }
        }
        if (!n_programs)
                fault("no programs")
        printf "%d blocks of C are %d programs, run by %d commands\n", n_blocks, n_programs, n_commands
        exit bad
}
