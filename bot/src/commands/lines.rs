//! Which lines of a comment are plain text: the only ones that can be commands.
//!
//! The comment is read as GitHub reads it, as Markdown. A line counts when it begins, in the source,
//! as text of a paragraph that stands by itself: not in code, a quote, a list, a heading, a table, a
//! footnote, a link or HTML. What is hidden or quoted with HTML tags does not count either.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The lines, in order, without line ends and the spaces around them.
pub(super) fn plain(body: &str) -> Vec<&str> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut lines = Vec::new();
    let mut html = Html::default();
    // How many things are open that are neither a paragraph nor emphasis.
    let mut within = 0_usize;
    let mut position = Position::Elsewhere;
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        position = match event {
            Event::Start(Tag::Paragraph) if within == 0 => Position::LineStart,
            Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => Position::Elsewhere,
            Event::Start(tag) if !emphasis(tag.to_end()) => {
                within += 1;
                position.inside()
            }
            Event::End(tag) if !emphasis(tag) => {
                within = within.saturating_sub(1);
                position.inside()
            }
            Event::SoftBreak | Event::HardBreak => position.next_line(),
            Event::Text(_) => {
                if position == Position::LineStart && within == 0 && html.shows() {
                    lines.extend(line(body, range.start));
                }
                position.inside()
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                html.read(&text);
                position.inside()
            }
            Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => position.inside(),
        };
    }
    lines
}

/// Whether a tag only changes how text looks.
fn emphasis(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough)
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Not in a paragraph that stands by itself.
    Elsewhere,
    /// At the beginning of one of its lines.
    LineStart,
    /// Further on in a line.
    Line,
}

impl Position {
    fn inside(self) -> Self {
        if self == Self::Elsewhere { Self::Elsewhere } else { Self::Line }
    }

    fn next_line(self) -> Self {
        if self == Self::Elsewhere { Self::Elsewhere } else { Self::LineStart }
    }
}

/// The line of the source, if its text begins at `start`: an escape before it makes it no command.
fn line(body: &str, start: usize) -> Option<&str> {
    let ends = ['\n', '\r'];
    let begin = body[..start].rfind(ends).map_or(0, |end| end + 1);
    if !body[begin..start].bytes().all(|byte| byte == b' ' || byte == b'\t') {
        return None;
    }
    let rest = &body[start..];
    Some(rest[..rest.find(ends).unwrap_or(rest.len())].trim_matches([' ', '\t']))
}

/// Tags whose content is quoted or shown as code.
const QUOTING: [&str; 3] = ["blockquote", "pre", "code"];

/// What the HTML so far has opened and not closed.
#[derive(Debug, Default)]
struct Html {
    open: [usize; QUOTING.len()],
    comment: bool,
}

impl Html {
    fn shows(&self) -> bool {
        !self.comment && self.open.iter().all(|open| *open == 0)
    }

    /// Reads a piece of HTML. A comment that is not closed in it goes on in the next piece: what
    /// stands between the pieces is text, which cannot close it.
    fn read(&mut self, text: &str) {
        let mut rest = text;
        loop {
            if self.comment {
                let Some(end) = rest.find("-->") else { return };
                self.comment = false;
                rest = &rest[end + 3..];
            }
            let Some(start) = rest.find('<') else { return };
            rest = &rest[start + 1..];
            if let Some(inside) = rest.strip_prefix("!--") {
                // `<!-->` and `<!--->` are whole comments.
                let short = inside.strip_prefix('>').or_else(|| inside.strip_prefix("->"));
                self.comment = short.is_none();
                rest = short.unwrap_or(inside);
                continue;
            }
            let (closing, name) = match rest.strip_prefix('/') {
                Some(name) => (true, name),
                None => (false, rest),
            };
            let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
            if let Some(tag) = QUOTING.iter().position(|tag| tag.eq_ignore_ascii_case(name)) {
                self.open[tag] = if closing { self.open[tag].saturating_sub(1) } else { self.open[tag] + 1 };
            }
        }
    }
}
