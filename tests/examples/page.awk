# A page with the files that it shows: below a line that begins with a link to one, `[PATH](../PATH)`,
# the next block is that file. The files it has shown are told on
# standard error, a line each.
shown != "" && /^```/ {
        print
        while ((getline line <shown) > 0)
                print line
        close(shown)
        print shown >"/dev/stderr"
        shown = ""
        while ((getline line) > 0 && line != "```")
                continue
        print line
        next
}
{ print }
/^\[[a-z_\/.]+\.[a-z]+\]\(\.\.\// {
        shown = substr($0, 2, index($0, "]") - 2)
}
