//! Making foreign text harmless where it enters Markdown or a terminal.
//!
//! Log lines, commit titles and provider messages are written by strangers. In Markdown they must
//! not mention people, link issues, close a fence or hide text; in a terminal they must not move
//! the cursor.

/// Control, bidirectional-override and zero-width characters go; tabs become spaces.
pub fn visible(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some(c),
            '\t' => Some(' '),
            c if c.is_control() => None,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}' => {
                None
            }
            c => Some(c),
        })
        .collect()
}

/// Text inside a sentence or a table cell: no mention, no reference, no markup, no link, one line.
pub fn inline(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        match c {
            '\n' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '|' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A zero-width joiner would be stripped by readers; the entity is not read as a mention.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            // `https://` and `www.` would become links to wherever a stranger likes (GFM autolinks),
            // `GH-1` a reference. A colon or hyphen elsewhere stays: people copy permissions and policies.
            ':' if after.starts_with("//") => out.push_str("&#58;"),
            '.' if ends_with_word(before, "www") => out.push_str("&#46;"),
            '-' if ends_with_word(before, "gh") => out.push_str("&#45;"),
            c => out.push(c),
        }
    }
    out
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.len() >= word.len()
        && text.is_char_boundary(text.len() - word.len())
        && text[text.len() - word.len()..].eq_ignore_ascii_case(word)
}

/// A sentence of ours with names in back-ticks, which become code spans; whatever else is in it is
/// as harmless as [`inline`] makes it. Back-ticks that do not pair are shown as they are.
pub fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return inline(text);
    }
    let shown = |(index, part): (usize, &&str)| match index % 2 {
        0 => inline(part),
        _ if part.trim().is_empty() => String::new(),
        _ => code(part),
    };
    parts.iter().enumerate().map(shown).collect()
}

/// A code span that holds the text whatever back-ticks it has.
pub fn code(text: &str) -> String {
    let text = visible(text).replace('\n', " ");
    // Inside a table a `|` ends the cell even in a code span, unless it is escaped.
    let text = text.replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text) + 1);
    if fence.len() == 1 { format!("`{text}`") } else { format!("{fence} {text} {fence}") }
}

/// A link to a page of ours or of a provider. An address that is not one of the web, or that could
/// end the link early, is shown as text or made to fit.
pub fn link(title: &str, url: &str) -> String {
    let url = visible(url);
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return inline(title);
    }
    let mut address = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' => address.push_str("%28"),
            ')' => address.push_str("%29"),
            '<' => address.push_str("%3C"),
            '>' => address.push_str("%3E"),
            '|' => address.push_str("%7C"),
            '\\' => address.push_str("%5C"),
            '`' => address.push_str("%60"),
            c if c.is_whitespace() => address.push_str("%20"),
            c => address.push(c),
        }
    }
    format!("[{}]({address})", inline(title))
}

/// At most that many characters, with a sign that there was more.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A fenced block that nothing inside can close.
pub fn block(lines: &[String]) -> String {
    let body: Vec<String> = lines.iter().map(|line| visible(line)).collect();
    let body = body.join("\n");
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}text\n{body}\n{fence}")
}

fn longest_run(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// At most `most` bytes, cut at a line with a word about it.
pub fn fit(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let note = "\n\n… cut here: the whole report is in the job's output.\n";
    let mut end = most.saturating_sub(note.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    let mut cut = text[..end].to_owned();
    // An open fence would swallow the note.
    if cut.lines().filter(|line| line.starts_with("```")).count() % 2 == 1 {
        cut.push_str("\n```");
    }
    cut.push_str(note);
    cut
}
