//! What doctor found: lines with a verdict, for people and for machines. Pure.

use std::fmt::Write as _;

use serde::Serialize;
use shipline::problem::Problem;

/// The version of the machine output. Within a version fields are only added.
const SCHEMA_VERSION: u32 = 1;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It works; somebody should look.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

impl Verdict {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 1,
            Self::Fail => 2,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `database`, `permissions`…
    pub about: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was seen.
    pub said: String,
    /// What to change; absent when all is well.
    pub next: Option<String>,
}

/// All lines, in the order they were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The lines.
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// The worst verdict of all.
    pub fn worst(&self) -> Verdict {
        self.0.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    pub(super) fn ok(&mut self, about: &'static str, said: impl Into<String>) {
        self.0.push(Finding { about, verdict: Verdict::Ok, said: said.into(), next: None });
    }

    pub(super) fn warn(&mut self, about: &'static str, said: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { about, verdict: Verdict::Warn, said: said.into(), next: Some(next.into()) });
    }

    pub(super) fn fail(&mut self, about: &'static str, said: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { about, verdict: Verdict::Fail, said: said.into(), next: Some(next.into()) });
    }

    /// A problem as a failure.
    pub(super) fn problem(&mut self, about: &'static str, problem: &Problem) {
        let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let mut said = format!("{place}{}", problem.what);
        for why in &problem.why {
            let _ = write!(said, " ({why})");
        }
        self.fail(about, said, problem.next.clone());
    }

    /// For people: a line each, the next step below it.
    pub(super) fn text(&self) -> String {
        let wide = self.0.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Finding { about, verdict, said, next } in &self.0 {
            let _ = writeln!(text, "{}  {about:wide$}  {}", verdict.word(), said.replace('\n', " "));
            if let Some(next) = next {
                let _ = writeln!(text, "      {:wide$}  {}", "", next.replace('\n', " "));
            }
        }
        let count = |verdict| self.0.iter().filter(|finding| finding.verdict == verdict).count();
        let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
        let _ = match (failed, warned) {
            (0, 0) => writeln!(text, "\nAll is well."),
            (0, _) => writeln!(text, "\nIt works; {warned} to look at."),
            _ => writeln!(text, "\n{failed} to change, {warned} to look at."),
        };
        text
    }

    /// For machines.
    pub(super) fn json(&self) -> String {
        let document = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "verdict": self.worst(),
            "findings": self.0,
        });
        format!("{document:#}\n")
    }
}
