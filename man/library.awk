# The manual pages of the library, out of its headers: one for each header, and one for each function,
# which leads there. A contract stands once, in the header; here it is only set.
#
#     awk -v version=0.1.0 -v date=2026-01-31 -v out=man/man3 -f man/library.awk include/penstock/*.h
#
# A header has a head comment, and declarations, each below its comment. A comment has paragraphs,
# lists (` - `), code (indented by four), `names`, and results: `-EPIPE: why.` at the start of a line
# or after a full stop and two blanks.

BEGIN {
        width = 72 # of 80 columns, less the indent of a page
        word = "pen_[a-z0-9_]+|PEN_[A-Z0-9_]+|-E[A-Z0-9]+"
        errors = "-E[A-Z0-9]+(, |-E[A-Z0-9]+| \\([^)]*\\)|, \\.\\.\\.)*"
}

FNR == 1 {
        name = FILENAME
        gsub(/.*\/|\.h$/, "", name)
        order[++n_headers] = name
}

{
        gsub(/…/, "...")
        whole[name] = whole[name] $0 "\n"
}

# What is for the compiler alone. `#include` is in `whole`, for SEE ALSO.
/^#ifdef __cplusplus$/, /^#endif$/ { next }
/^(#pragma |#include |PEN_BEGIN_DECLS$|PEN_END_DECLS$)/ { next }

{ text[name] = text[name] $0 "\n" }

END {
        for (i = 1; i <= n_headers; i++)
                if (order[i] != "penstock")
                        write_page(order[i])
        write_page("penstock") # last: with it all are there
}

# --- pages ----------------------------------------------------------------------------------------

function page_of(name)
{
        return name == "penstock" ? name : "penstock-" name
}

function reference(name)
{
        return ".BR " set(page_of(name), "-") " (3)"
}

function head_comment(name)
{
        return comment_text(substr(text[name], 1, index(text[name], "*/") + 1))
}

# The first sentence, as whatis(1) shows it.
function summary(name,    s)
{
        s = head_comment(name)
        sub(/\n\n.*/, "", s)
        gsub(/\n/, " ", s)
        if (match(s, /[.] [A-Z]|[.]$/))
                s = substr(s, 1, RSTART - 1)
        return s ~ /^[A-Z][a-z ]/ ? tolower(substr(s, 1, 1)) substr(s, 2) : s
}

function write_page(name,    file, page)
{
        page = page_of(name)
        file = out "/" page ".3"
        synopsis = description = functions = ""
        declarations(substr(text[name], index(text[name], "*/") + 2))

        printf ".\\\" Made of include/penstock/%s.h.\n", name >file
        printf ".TH %s 3 %s \"penstock %s\" \"libpenstock\"\n", toupper(page), date, version >file
        printf ".SH NAME\n%s%s \\- %s\n", page, write_links(page, functions), set(summary(name), "") >file
        printf ".SH SYNOPSIS\n.EX\n\\fB#include <penstock/%s.h>\\fP\n%s.EE\n", name, synopsis >file
        printf ".PP\n.EX\ncc \\&... $(pkg\\-config \\-\\-cflags \\-\\-libs penstock)\n.EE\n" >file
        printf ".SH DESCRIPTION%s%s%s", substr(prose(head_comment(name)), 4), contents(name), description >file
        printf ".SH SEE ALSO\n%s", see_also(name) >file
        close(file)
}

function write_links(page, functions,    list, n, i, names)
{
        n = split(functions, list, " ")
        for (i = 1; i <= n; i++) {
                printf ".so man3/%s.3\n", page >(out "/" list[i] ".3")
                close(out "/" list[i] ".3")
                names = names ",\n" list[i]
        }
        return names
}

# Of the header that includes all others: which there are.
function contents(name,    i, s)
{
        for (i = 1; name == "penstock" && i <= n_headers; i++)
                if (order[i] != name)
                        s = s ".TP\n" reference(order[i]) "\n" set(summary(order[i]), "") ".\n"
        return s
}

# The headers that it names, and those that concern all.
function see_also(name,    i, other, list)
{
        if (name == "penstock")
                return ".BR penstock (1)\n"
        for (i = 1; i <= n_headers; i++) {
                other = order[i]
                if (other != name && (other == "common" || other == "penstock" ||
                    whole[name] ~ ("[ (/]" other "\\.h")))
                        list = list (list ? " ,\n" : "") reference(other)
        }
        return list "\n"
}

# --- declarations ---------------------------------------------------------------------------------

# Cuts them into entries: a blank line or a comment at the margin begins one.
function declarations(s,    lines, n, i, depth, comment, code, inside, macro)
{
        n = split(s, lines, "\n")
        for (i = 1; i <= n; i++) {
                if (!inside && depth == 0 && lines[i] ~ /^(\/\*|$)/) {
                        entry(comment, code)
                        comment = code = ""
                        inside = lines[i] != ""
                }
                if (inside) {
                        comment = comment lines[i] "\n"
                        inside = lines[i] !~ /\*\//
                } else {
                        code = code lines[i] "\n"
                        if (!macro)
                                depth += (lines[i] ~ /{$/) - (lines[i] ~ /^ *};?$/)
                        macro = lines[i] ~ /\\$/
                }
        }
        entry(comment, code)
}

function entry(comment, code)
{
        if (code !~ /[^\n]/ && comment == "")
                return
        bare = commented = ""
        statements(code)
        if (bare != "") {
                synopsis = synopsis "\n" bare
                description = description ".PP\n.EX\n" commented ".EE\n"
        }
        comment = prose(comment_text(comment))
        description = description (comment == "" || bare == "" ? comment : ".RS 4\n" comment ".RE\n")
}

# Cuts code into statements, one a line however long, and the comments between them.
function statements(s,    depth, n, one, same_line)
{
        while (match(s, /[^ \t\n]/)) {
                same_line = commented != "" && substr(s, 1, RSTART - 1) !~ /\n/
                s = substr(s, RSTART)
                if (s ~ /^\/\*/) {
                        n = index(s, "*/") + 1
                        add_comment(8 * depth, comment_text(substr(s, 1, n)), same_line)
                } else if (s ~ /^#/) {
                        for (n = index(s, "\n"); substr(s, n - 1, 1) == "\\"; )
                                n += index(substr(s, n + 1), "\n")
                        add_macro(substr(s, 1, n - 1))
                        n--
                } else {
                        n = statement_length(s)
                        one = substr(s, 1, n)
                        gsub(/[ \t\n]+/, " ", one)
                        sub(/ $/, "", one)
                        depth -= one ~ /^}/
                        add_statement(8 * depth, one)
                        depth += one ~ /{$/
                        in_enum = one ~ /{$/ ? one ~ /^enum/ : in_enum && one !~ /^}/
                }
                s = substr(s, n + 1)
        }
}

function statement_length(s,    i, c, parentheses)
{
        if (match(s, /^}[ \n]*;?/))
                return RLENGTH
        for (i = 1; i <= length(s); i++) {
                c = substr(s, i, 1)
                parentheses += (c == "(") - (c == ")")
                if (c == ";" || c == "{" || (c == "," && in_enum && parentheses == 0))
                        return i
                if (c == "}")
                        return i - 1
        }
        return length(s)
}

function add_statement(indent, s,    set_lines)
{
        set_lines = wrapped(indent, s)
        if (indent == 0 && match(s, /pen_[a-z0-9_]+\(/)) {
                functions = functions " " substr(s, RSTART, RLENGTH - 1)
                sub(substr(s, RSTART, RLENGTH - 1), "\\fB&\\fP", set_lines)
        }
        bare = bare set_lines
        commented = commented set_lines
}

function add_macro(s)
{
        gsub(/[ \t]+\\\n/, " \\\n", s)
        bare = bare set(s, "-") "\n"
        commented = commented set(s, "-") "\n"
}

# Behind the statement if it is short, else before it or where it stood.
function add_comment(indent, s, same_line,    last, start)
{
        gsub(/\n/, " ", s)
        if (!same_line) {
                commented = commented wrapped_comment(indent, s)
                return
        }
        sub(/\n$/, "", commented)
        start = length(commented)
        while (start > 0 && substr(commented, start, 1) != "\n")
                start--
        last = substr(commented, start + 1)
        if (length(last) + length(s) + 7 <= width)
                commented = commented " /* " set(s, "-") " */\n"
        else if (indent > 0)
                commented = substr(commented, 1, start) wrapped_comment(indent, s) last "\n"
        else
                commented = commented "\n" wrapped_comment(8, s)
}

# Lines of a statement: broken between its arguments.
function wrapped(indent, s,    hang, line, n, parts, i, depth, result)
{
        line = sprintf("%" indent "s", "")
        if (indent + length(s) <= width)
                return set(line s, "-") "\n"
        match(s, /\([^*]/)
        hang = indent + RSTART
        n = split(s, parts, ", ")
        for (i = 1; i <= n; i++) {
                if (i < n)
                        parts[i] = parts[i] ","
                if (depth == 1 && length(line) + length(parts[i]) + 1 > width) {
                        result = result set(line, "-") "\n"
                        if (hang + length(parts[i]) > width)
                                hang = indent + 8
                        line = sprintf("%" hang "s", "") parts[i]
                } else {
                        line = line (i > 1 ? " " : "") parts[i]
                }
                depth += gsub(/\(/, "(", parts[i]) - gsub(/\)/, ")", parts[i])
        }
        return result set(line, "-") "\n"
}

function wrapped_comment(indent, s,    n, words, i, line, result)
{
        n = split(s, words, " ")
        line = sprintf("%" indent "s/*", "")
        for (i = 1; i <= n; i++) {
                if (length(line) + length(words[i]) + 4 > width) {
                        result = result set(line, "-") "\n"
                        line = sprintf("%" indent "s *", "")
                }
                line = line " " words[i]
        }
        return result set(line " */", "-") "\n"
}

# --- comments -------------------------------------------------------------------------------------

# Without its marks; each line as indented as behind its ` * `.
function comment_text(s)
{
        sub(/^[ \t\n]*\/\* ?/, "", s)
        sub(/[ \t\n]*\*\/[ \t\n]*$/, "", s)
        gsub(/\n[ \t]*\* ?/, "\n", s)
        return s
}

function prose(s,    lines, n, i, paragraph, code, result)
{
        n = split(s "\n", lines, "\n")
        for (i = 1; i <= n; i++) {
                if (lines[i] ~ /^    / || (code != "" && lines[i] == "" && lines[i + 1] ~ /^    /)) {
                        result = result set_paragraph(paragraph)
                        paragraph = ""
                        code = code set(lines[i], "-") "\n"
                        continue
                }
                if (code != "")
                        result = result ".PP\n.EX\n" code ".EE\n"
                code = ""
                if (lines[i] == "" || lines[i] ~ /^ ?- /) {
                        result = result set_paragraph(paragraph)
                        paragraph = ""
                }
                if (lines[i] != "")
                        paragraph = paragraph (paragraph == "" ? "" : "\n") lines[i]
        }
        return result set_paragraph(paragraph)
}

# A list's item, or sentences: those that tell results become a list.
function set_paragraph(s,    result, sentence, listed, more)
{
        if (s !~ /[^\n]/)
                return ""
        if (sub(/^ ?- /, "", s)) {
                gsub(/\n */, " ", s)
                return ".IP \\(bu 2\n" filled(s)
        }
        while (s != "") {
                match(s, /[.:]  +|\n|$/)
                sentence = sentence substr(s, 1, RSTART + (substr(s, RSTART, 1) ~ /[.:]/) - 1)
                more = substr(s, RSTART + RLENGTH)
                if (more == "" || is_result(more, sentence) || s ~ /^[^\n]*[.]  +[^ ]/ &&
                    substr(s, RSTART, 1) != "\n" && listed) {
                        result = result set_sentence(sentence)
                        listed = is_result(sentence, ".")
                        sentence = ""
                } else {
                        sentence = sentence " "
                        listed = listed || is_result(sentence, ".")
                }
                s = more
        }
        return result
}

# Whether text that follows `before` begins with a result.
function is_result(s, before)
{
        return before ~ /[.:]$/ && (s ~ ("^" errors "[.:]") || s ~ /^([0-9]+|< 0|Cancelled): /)
}

function set_sentence(s,    label, rest)
{
        if (!match(s, "^" errors ": ") && !match(s, /^([0-9]+|< 0): /))
                return ".PP\n" filled(s)
        label = substr(s, 1, RLENGTH - 2)
        rest = substr(s, RLENGTH + 1)
        return ".TP\n" (label ~ /^-/ ? set(label, "") : "\\fB" label "\\fP") "\n" filled(rest)
}

function filled(s)
{
        gsub(/ +/, " ", s)
        sub(/ $/, "", s)
        return set(s, "") "\n"
}

# --- roff -----------------------------------------------------------------------------------------

# Escapes; `code` "-": as it stands, else with names in bold and `these` in italics.
function set(s, code,    result, parts, n, i)
{
        gsub(/\\/, "\\e", s)
        if (code == "-") {
                gsub(/-/, "\\-", s)
                return protected(s)
        }
        n = split(s, parts, "`")
        for (i = 1; i <= n; i++)
                result = result (i % 2 ? in_bold(parts[i]) : "\\fI" hyphens(parts[i]) "\\fP")
        return protected(result)
}

function in_bold(s,    result)
{
        while (match(s, word)) {
                result = result substr(s, 1, RSTART - 1) "\\fB" hyphens(substr(s, RSTART, RLENGTH)) "\\fP"
                s = substr(s, RSTART + RLENGTH)
        }
        return result s
}

function hyphens(s)
{
        gsub(/-/, "\\-", s)
        return s
}

# A line that begins with a full stop or a quote is no request.
function protected(s)
{
        gsub(/\n[.']/, "\\\\\\&&", s)
        return s ~ /^[.']/ ? "\\&" s : s
}
