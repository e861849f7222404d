//! What leaves for GitHub's pages: without secrets, and never too long.
//!
//! Invariant: a text that is cut still ends with its marker, and stands in no code block, fold or HTML
//! comment that was open where it was cut.

use shipline::redact::Redactor;

/// The longest comment (GitHub: "body is too long (maximum is 65536 characters)").
pub(super) const COMMENT: usize = 65_536;

/// The longest summary of a check run.
pub(super) const SUMMARY: usize = 65_535;

/// The longest text beside a job that waits.
pub(super) const REPORT: usize = 1_024;

/// The longest title of a check run we write.
pub(super) const TITLE: usize = 255;

const NOTE: &str = "\n\n_Shortened: GitHub takes no longer text._";

/// A text for people on GitHub. Secrets go first: half of one would not be found.
pub(super) fn text(redactor: &Redactor, text: &str, most: usize) -> String {
    fitted(&redactor.clean(text), most)
}

/// One line for people on GitHub.
pub(super) fn line(redactor: &Redactor, text: &str, most: usize) -> String {
    let text = redactor.clean(text);
    let line = text.lines().next().unwrap_or_default();
    if length(line) <= most { line.to_owned() } else { format!("{}…", head(line, most - 1)) }
}

/// As UTF-16 counts it: never fewer than GitHub counts, whichever way it does.
fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The beginning of a text that is at most that long.
fn head(text: &str, most: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > most
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

fn fitted(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let (body, marker) = marked(text);
    let mut room = most.saturating_sub(length(marker) + length(NOTE) + 1);
    loop {
        let mut cut = cut(body, room);
        cut.push_str(NOTE);
        if !marker.is_empty() {
            cut.push('\n');
            cut.push_str(marker);
        }
        let over = length(&cut).saturating_sub(most);
        if over == 0 || room == 0 {
            return cut;
        }
        room = room.saturating_sub(over);
    }
}

/// The text, and the HTML comment at its end by which it is found again.
fn marked(text: &str) -> (&str, &str) {
    let trimmed = text.trim_end();
    match trimmed.rfind("<!--").filter(|_| trimmed.ends_with("-->")) {
        // A long comment at the end is text, not a marker.
        Some(start) if trimmed.len() - start <= 512 => (&text[..start], &trimmed[start..]),
        _ => (text, ""),
    }
}

/// Whole lines from the beginning, at most `room` long, and what closes what they leave open.
fn cut(body: &str, room: usize) -> String {
    let mut kept = String::new();
    let mut used = 0;
    let mut open = Open::default();
    for line in body.split_inclusive('\n') {
        let long = length(line);
        if used + long > room {
            // Lines are kept whole, but a single endless one is better cut than lost.
            if kept.is_empty() || open.fence.is_some() && long > room / 4 {
                kept.push_str(head(line, room - used));
            }
            break;
        }
        open.read(line, kept.len());
        kept.push_str(line);
        used += long;
    }
    if let Some(start) = open.comment {
        kept.truncate(start);
    }
    if let Some(fence) = open.fence {
        if !kept.ends_with('\n') {
            kept.push('\n');
        }
        kept.push_str(&fence);
    }
    for _ in 0..open.folds {
        kept.push_str("\n\n</details>");
    }
    kept
}

/// What is open after the lines so far.
#[derive(Default)]
struct Open {
    fence: Option<String>,
    folds: usize,
    /// Where an HTML comment began.
    comment: Option<usize>,
}

impl Open {
    fn read(&mut self, line: &str, at: usize) {
        let text = line.trim();
        if self.comment.is_some() {
            if text.contains("-->") {
                self.comment = None;
            }
        } else if let Some(fence) = &self.fence {
            let closing = text.len() >= fence.len() && text.chars().all(|c| fence.starts_with(c));
            if closing {
                self.fence = None;
            }
        } else if let Some(fence) = opening(text) {
            self.fence = Some(fence);
        } else {
            let (begun, ended) = (text.matches("<details").count(), text.matches("</details").count());
            self.folds = (self.folds + begun).saturating_sub(ended);
            let last = line.rfind("<!--");
            self.comment = last.filter(|&start| !line[start..].contains("-->")).map(|start| at + start);
        }
    }
}

/// The fence that a line opens a code block with.
fn opening(text: &str) -> Option<String> {
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let run = text.chars().take_while(|&c| c == mark).count();
    let inline = mark == '`' && text[run..].contains('`');
    (run >= 3 && !inline).then(|| mark.to_string().repeat(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: &str = "<!-- shipline:deployment:7 -->";

    #[test]
    fn a_text_that_fits_stays_as_it_is() {
        let body = format!("{}{MARKER}", "x".repeat(COMMENT - MARKER.len()));
        assert_eq!(fitted(&body, COMMENT), body);
    }

    #[test]
    fn a_cut_code_block_and_fold_are_closed_and_the_marker_stays_at_the_end() {
        let log = "a line of the log with ` and ```\n".repeat(4_000);
        let body =
            format!("### staging\n<details><summary>Log</summary>\n\n````text\n{log}````\n</details>\n{MARKER}\n");
        let cut = fitted(&body, COMMENT);
        assert!(length(&cut) <= COMMENT && length(&cut) > COMMENT - 200, "{}", length(&cut));
        let tail = &cut[cut.len() - 130..];
        let tail = &tail[tail.find('\n').unwrap() + 1..];
        insta::assert_snapshot!(tail, @r"
        a line of the log with ` and ```
        ````

        </details>

        _Shortened: GitHub takes no longer text._
        <!-- shipline:deployment:7 -->
        ");
    }

    #[test]
    fn an_open_html_comment_is_dropped_and_characters_are_never_split() {
        let body = format!("first\n<!-- {} -->\n{MARKER}", "ü\n".repeat(50_000));
        let cut = fitted(&body, COMMENT);
        assert_eq!(cut, format!("first\n{NOTE}\n{MARKER}"));
        let endless = fitted(&"🚀".repeat(70_000), COMMENT);
        assert!(length(&endless) <= COMMENT && endless.ends_with(NOTE));
    }

    #[test]
    fn whatever_is_cut_is_never_too_long() {
        for fence in [3, 40, 2_000, 70_000] {
            let fence = "`".repeat(fence);
            for most in [0, 100, 1_000, COMMENT] {
                let body = format!("{fence}\n{}{fence}\n{MARKER}", "line\n".repeat(30_000));
                let cut = fitted(&body, most);
                assert!(length(&cut) <= most.max(length(NOTE) + MARKER.len() + 1), "{} of {most}", length(&cut));
                assert!(cut.ends_with(MARKER));
            }
        }
    }

    #[test]
    fn a_secret_is_hidden_before_the_text_is_cut() {
        let redactor = Redactor::new();
        redactor.add("hunter2-hunter2");
        let body = format!("{}hunter2-hunter2{}", "x".repeat(100), "y".repeat(1_000));
        for most in 90..180 {
            let cut = text(&redactor, &body, most);
            assert!(!cut.contains("hun"), "{cut}");
        }
        assert_eq!(line(&redactor, "token hunter2-hunter2\nmore", 20), "token ***");
        assert_eq!(length(&line(&redactor, &"ä".repeat(300), TITLE)), TITLE);
    }
}
