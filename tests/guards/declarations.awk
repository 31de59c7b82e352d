# What a C header declares at file scope, one "KIND NAME" a line: define, function, type, constant,
# variable. Good for headers as this project writes them; not a C parser.

{
        text = text $0 "\n"
}

END {
        text = without_comments(text)
        text = without_directives(text)
        gsub(/__attribute__[ \t\n]*\(\([^;{]*\)\)/, "", text)
        gsub(/PEN_(BEGIN_DECLS|END_DECLS|ASYNC)|__extension__|static|inline|extern|const/, " ", text)
        statements(text)
}

function without_comments(s,    out, i)
{
        while ((i = match(s, /\/\*|\/\//)) > 0) {
                out = out substr(s, 1, i - 1) " "
                if (substr(s, i, 2) == "/*") {
                        s = substr(s, i + 2)
                        i = index(s, "*/")
                        s = i ? substr(s, i + 2) : ""
                } else {
                        s = substr(s, i)
                        i = index(s, "\n")
                        s = i ? substr(s, i) : ""
                }
        }
        return out s
}

function without_directives(s,    lines, n, i, out, word)
{
        gsub(/\\\n/, " ", s)
        n = split(s, lines, "\n")
        for (i = 1; i <= n; i++) {
                if (lines[i] !~ /^[ \t]*#/) {
                        out = out lines[i] "\n"
                } else if (lines[i] ~ /^[ \t]*#[ \t]*define[ \t]/) {
                        split(lines[i], word, /[ \t(]+/)
                        print "define", word[1] == "#" ? word[3] : word[2]
                }
        }
        return out
}

# Cuts the text at `;` and at the `}` of function bodies, outside of braces.
function statements(s,    i, c, depth, head, body)
{
        for (i = 1; i <= length(s); i++) {
                c = substr(s, i, 1)
                if (c == "{") {
                        depth++
                } else if (c == "}") {
                        depth--
                        if (depth == 0 && head ~ /\)[ \t\n]*$/) {
                                statement(head, "")
                                head = body = ""
                        }
                } else if (depth > 0) {
                        body = body c
                } else if (c == ";") {
                        statement(head, body)
                        head = body = ""
                } else {
                        head = head c
                }
        }
}

function statement(head, body,    list, n, i)
{
        gsub(/[ \t\n]+/, " ", head)
        gsub(/^ | $/, "", head)
        if (head == "")
                return
        if (head ~ /^typedef /) {
                if (match(head, /\( ?\* ?[A-Za-z_0-9]+/))
                        print "type", last_word(substr(head, RSTART, RLENGTH))
                else
                        print "type", last_word(head)
        } else if (head ~ /^(struct|union|enum)( [A-Za-z_0-9]+)?$/) {
                if (head ~ / /)
                        print body == "" ? "forward" : "type", last_word(head)
                if (head ~ /^enum/) {
                        n = split(body, list, ",")
                        for (i = 1; i <= n; i++)
                                if (match(list[i], /[A-Za-z_][A-Za-z_0-9]*/))
                                        print "constant", substr(list[i], RSTART, RLENGTH)
                }
        } else if (head ~ /\(/) {
                print "function", last_word(substr(head, 1, index(head, "(") - 1))
        } else {
                sub(/[=\[].*/, "", head)
                print "variable", last_word(head)
        }
}

function last_word(s)
{
        sub(/[^A-Za-z_0-9]+$/, "", s)
        sub(/.*[^A-Za-z_0-9]/, "", s)
        return s
}
