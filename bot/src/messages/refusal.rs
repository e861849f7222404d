//! A no: what is wrong, the facts, what to do next, and the code that machines read.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, link, sentence};

use super::sections::Sections;
use crate::commands::{NotACommand, NotACommandCode};
use crate::decision::{Denied, ReasonCode};

/// Facts beyond this many help nobody.
const FACTS: usize = 20;
/// The longest sentence of a refusal.
const SENTENCE: usize = 1_000;

/// A no, with why and what next. `line` is the command as it was written.
pub fn denied(denied: &Denied, line: &str) -> String {
    let mut text = Sections::new();
    let line = match line.trim() {
        "" => String::new(),
        line => format!("{}: ", code(&cut(line, 200))),
    };
    text.add(&format!("{line}{}", sentence(&cut(&denied.what, SENTENCE))));
    body(&mut text, denied);
    text.finish()
}

/// A line that was meant as a command.
pub fn not_a_command(line: &NotACommand) -> String {
    let reason = match line.code {
        NotACommandCode::UnknownVerb | NotACommandCode::Usage => ReasonCode::Usage,
        NotACommandCode::Confusable => ReasonCode::Confusable,
    };
    denied(&Denied::new(reason, line.what.clone(), line.next.clone()), &line.line)
}

/// Facts, next step and code of a no.
pub(super) fn body(text: &mut Sections, denied: &Denied) {
    let mut facts = String::new();
    for fact in denied.why.iter().take(FACTS) {
        let _ = match fact.strip_prefix("run: ") {
            Some(url) => writeln!(facts, "- {}", link("the workflow's run", &cut(url, SENTENCE))),
            None => writeln!(facts, "- {}", sentence(&cut(fact, SENTENCE))),
        };
    }
    if denied.why.len() > FACTS {
        let _ = writeln!(facts, "- … and {} more", denied.why.len() - FACTS);
    }
    text.add(&facts);
    text.add(&format!("**Next**: {}", sentence(&cut(&denied.next, SENTENCE))));
    text.add(&format!("<sub>reason: {}</sub>", code(denied.code.word())));
}
