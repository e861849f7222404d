//! Where in a comment a command is one.

use super::read;

/// Not a command, because of where it stands.
const NOT_HERE: &[(&str, &str)] = &[
    ("a fenced block", "```\n/deploy staging\n```"),
    ("a fenced block with a language", "~~~sh\n\n/deploy staging\n\n~~~"),
    ("a fence that is never closed", "```\n/deploy staging"),
    ("a fence in another fence", "````\n```\n/deploy staging\n```\n/deploy staging\n````"),
    ("an indented block", "text\n\n    /deploy staging"),
    ("a block indented with a tab", "text\n\n\t/deploy staging"),
    ("a quote", "> /deploy staging"),
    ("a line that goes on in a quote", "> quoted\n/deploy staging"),
    ("a quote in a quote", "> > a\n> /deploy staging"),
    ("a list", "- /deploy staging"),
    ("a numbered list", "1. /deploy staging"),
    ("a line that goes on in a list", "- item\n/deploy staging"),
    ("a paragraph of a list", "- item\n\n  /deploy staging"),
    ("a task", "- [ ] /deploy staging"),
    ("a heading", "# /deploy staging"),
    ("a heading by its underline", "/deploy staging\n==="),
    ("a table", "| a |\n| --- |\n| x |\n/deploy staging |"),
    ("the head of a table", "/deploy staging | x\n--- | ---\n1 | 2"),
    ("a footnote", "see[^1]\n\n[^1]: note\n/deploy staging"),
    ("code", "`/deploy staging`"),
    ("code over two lines", "see `a\n/deploy staging` there"),
    ("a link over two lines", "see [a\n/deploy staging](https://example.com)"),
    ("the target of a link", "[a]:\n/deploy\n\"staging\""),
    ("a comment", "<!-- /deploy staging -->"),
    ("a comment over several lines", "<!--\n\n/deploy staging\n\n-->"),
    ("a comment that is never closed", "<!--\n\n/deploy staging"),
    ("a comment inside a paragraph", "text <!-- a\n/deploy staging\n--> text"),
    ("a comment that an empty line does not end", "<div> <!--\n\n/deploy staging\n\n--> </div>"),
    ("HTML", "<div>\n/deploy staging\n</div>"),
    ("preformatted HTML", "<pre>\n\n/deploy staging\n\n</pre>"),
    ("preformatted HTML in other HTML", "<div><pre>\n\n/deploy staging\n\n</pre></div>"),
    ("a quote in HTML", "<blockquote>\n\n/deploy staging\n\n</blockquote>"),
    ("code in HTML", "see <code>a\n/deploy staging\nb</code>"),
    ("an escape", "\\/deploy staging"),
    ("an entity", "&#47;deploy staging"),
    ("the middle of a line", "please /deploy staging"),
    ("emphasis", "**/deploy staging**"),
    ("struck out", "~~/deploy staging~~"),
    ("an answer by mail", "On Monday somebody wrote:\n> /deploy staging\n"),
];

#[test]
fn what_is_shown_quoted_or_hidden_is_no_command() {
    for (place, body) in NOT_HERE {
        assert_eq!(read(body), "", "{place}");
        assert_eq!(read(&body.replace('\n', "\r\n")), "", "{place}, with the line ends of Windows");
    }
}

const HERE: &[(&str, &str)] = &[
    ("alone", "/deploy staging"),
    ("with spaces around", "  /deploy staging \t "),
    ("after a tab in a paragraph", "text\n\t/deploy staging"),
    ("between lines of a paragraph", "Looks good.\n/deploy staging\nThanks!"),
    ("after a quote and an empty line", "> quoted\n\n/deploy staging"),
    ("after a list and an empty line", "- item\n\n/deploy staging"),
    ("after a closed fence", "```\n/help\n```\n/deploy staging"),
    ("after a comment", "<!-- /help -->\n\n/deploy staging"),
    ("after a whole comment in HTML", "<div><!-- a --></div>\n\n/deploy staging"),
    ("inside details", "<details><summary>more</summary>\n\n/deploy staging\n\n</details>"),
    ("after a closed quote in HTML", "<blockquote>\n\na\n\n</blockquote>\n\n/deploy staging"),
    ("before a table", "/deploy staging\n\n| a |\n| --- |"),
    ("at the end of lines of Windows", "text\r\n/deploy staging\r\n"),
    ("at the end of lines of old Macs", "text\r/deploy staging\r"),
    ("after a line that ends with two spaces", "text  \n/deploy staging  \n"),
    ("after a lonely backquote", "a ` b\n/deploy staging"),
    ("after a lonely star", "2 * 3\n/deploy staging"),
    ("within emphasis that began before", "*a\n/deploy staging\nb*"),
    ("above a rule", "/deploy staging\n\n---"),
    ("after `<!-->`", "<!-->\n\n/deploy staging"),
];

#[test]
fn what_stands_as_plain_text_is_a_command() {
    for (place, body) in HERE {
        assert_eq!(read(body), "0 /deploy staging", "{place}");
    }
}

#[test]
fn several_lines_are_several_commands_in_order() {
    let body = "/status\nsome text\n/deploy staging --reason \"*a\"\n/deploy\n\n/lock staging b*";
    insta::assert_snapshot!(read(body), @r#"
    0 /status
    1 /deploy staging --reason "*a"
    2 Usage: `/deploy` needs the environment's name. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    3 /lock staging "b*"
    "#);
}

#[test]
fn what_is_hidden_in_a_line_is_not_obeyed() {
    insta::assert_snapshot!(read("/deploy staging <!-- api -->"), @r#"0 Usage: `<!--` is not the name of a service: that has at most 63 characters of a-z, 0-9, `-` and `_`, the first a letter or digit. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`."#);
}
