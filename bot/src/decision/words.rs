//! How names, lists and times stand in the sentences of a decision. Pure text.
//!
//! Foreign names come in back-ticks, which `messages` turns into code spans; here they only lose
//! what would end the span.

pub(super) use shipline::report::{between, length, moment};
use shipline::types::CommitSha;

/// A name somebody else chose, as it stands in a sentence.
pub(super) fn name(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).map(|c| if c == '`' { '\'' } else { c }).collect();
    let shown: String = clean.chars().take(100).collect();
    format!("`{shown}`")
}

/// A commit, as it stands in a sentence.
pub(super) fn commit(sha: CommitSha) -> String {
    format!("`{}`", sha.short())
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(parts: &[String], last: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_own_span() {
        assert_eq!(name("a`b\nc"), "`a'bc`");
    }

    #[test]
    fn lists_read_like_sentences() {
        let parts = |n: usize| ["a", "b", "c"].iter().take(n).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!([0, 1, 2, 3].map(|n| list(&parts(n), "or")), ["", "a", "a or b", "a, b or c"]);
    }
}
