# A page with the files that it shows: behind a line that is a link to a file, `[PATH](../PATH)`, the next
# block is that file. Told the files it has shown on standard error, a line each.
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
match($0, /^\[[a-z_\/.]+\]\(\.\.\/[a-z_\/.]+\):?$/) {
        shown = substr($0, 2, index($0, "]") - 2)
}
