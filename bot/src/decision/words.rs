//! How names, lists and times stand in the sentences of a decision. Pure text.
//!
//! Foreign names come in back-ticks, which `messages` turns into code spans; here they only lose
//! what would end the span.

use jiff::tz::TimeZone;
use shipline::types::{CommitSha, Timestamp};

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

/// A length of time with its two largest units: `2 d 3 h`, `15 h 20 min`, `40 s`. Rounded up, so
/// that whoever waits that long has waited long enough.
pub(super) fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let minutes = seconds.div_euclid(60) + i64::from(seconds % 60 != 0);
    let (days, hours, rest) = (minutes / 1440, minutes % 1440 / 60, minutes % 60);
    let parts = match (days, hours, rest) {
        (0, 0, m) => [(m, "min"), (0, "")],
        (0, h, m) => [(h, "h"), (m, "min")],
        (d, h, _) => [(d, "d"), (h, "h")],
    };
    let shown: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    shown.join(" ")
}

/// The time between two moments, for people.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    length(to.as_second() - from.as_second())
}

/// A moment on the clocks of a zone: `Mon 2026-03-30 08:00 Europe/Berlin`.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    format!("{} {name}", at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_and_are_never_too_short() {
        let shown: Vec<String> = [0, 40, 60, 61, 3600, 55_200, 90_000, 200_000].map(length).into();
        assert_eq!(shown, ["0 s", "40 s", "1 min", "2 min", "1 h", "15 h 20 min", "1 d 1 h", "2 d 7 h"]);
    }

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
