//! Where lines go: a terminal, a workflow's log, or standard error beside machine output.
//!
//! Invariants: every line passes the redactor; a line that strangers wrote can never be a workflow
//! command (the runner reads `::…` at the start and `##[…` anywhere, and ends lines at a lone
//! carriage return too) nor move a terminal's cursor; a secret is masked before anything that could
//! hold it is printed.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::problem::{Problem, ProblemKind, Problems};
use crate::redact::Redactor;

/// What reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A person at a terminal, or a plain log.
    Terminal,
    /// GitHub's runner: groups, annotations, masks.
    Workflow,
    /// A script: lines go to standard error, standard output holds one JSON document.
    Machine,
}

/// How loud an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Notice,
    /// Look at it some time.
    Warning,
    /// Look at it now.
    Error,
}

/// Writes lines.
pub struct Console {
    medium: Medium,
    redactor: Redactor,
    bars: Option<MultiProgress>,
    write: Mutex<()>,
    /// Hashes of what the runner was told to hide: once is enough.
    masked: Mutex<BTreeSet<[u8; 32]>>,
}

impl Console {
    /// A console. Progress bars are drawn only on a terminal that is one.
    pub fn new(medium: Medium, redactor: Redactor) -> Self {
        use std::io::IsTerminal as _;
        let bars = (medium == Medium::Terminal && io::stderr().is_terminal()).then(MultiProgress::new);
        Self { medium, redactor, bars, write: Mutex::new(()), masked: Mutex::default() }
    }

    /// What reads it.
    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// The redactor all lines pass.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The place for progress bars, on a terminal.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Hides a secret from now on, here and in the runner's log.
    pub fn mask(&self, secret: &SecretString) {
        self.redactor.add(secret.clone());
        let known = Sha256::digest(secret.expose_secret().as_bytes()).into();
        let new = self.masked.lock().unwrap_or_else(PoisonError::into_inner).insert(known);
        if new && self.medium == Medium::Workflow {
            for line in secret.expose_secret().lines().filter(|line| line.len() >= 4) {
                self.raw_out(&format!("::add-mask::{}\n", data(line)));
            }
        }
    }

    /// A line for people.
    pub fn line(&self, text: &str) {
        let text = self.redactor.clean_for_terminal(text);
        match self.medium {
            Medium::Workflow => {
                let mut safe: String = text.lines().map(|line| harmless(line) + "\n").collect();
                if text.is_empty() {
                    safe.push('\n');
                }
                self.raw_out(&safe);
            }
            Medium::Terminal | Medium::Machine => self.raw_err(&format!("{text}\n")),
        }
    }

    /// Text that is the answer to the command: on standard output, unless that is for machines.
    pub fn answer(&self, text: &str) {
        match self.medium {
            Medium::Terminal => self.raw_out(&self.redactor.clean_for_terminal(text)),
            Medium::Workflow | Medium::Machine => self.line(text.trim_end()),
        }
    }

    /// The machine's document. Printed only when the medium is [`Medium::Machine`].
    pub fn document(&self, value: &Value) {
        if self.medium == Medium::Machine {
            self.raw_out(&format!("{}\n", self.redactor.clean_document(value.clone())));
        }
    }

    /// Begins a group of lines that folds in a workflow's log.
    pub fn group(&self, title: &str) {
        match self.medium {
            Medium::Workflow => self.raw_out(&format!("::group::{}\n", data(&self.redactor.clean_for_terminal(title)))),
            Medium::Terminal | Medium::Machine => self.line(&format!("{title}…")),
        }
    }

    /// Ends the group.
    pub fn end_group(&self) {
        if self.medium == Medium::Workflow {
            self.raw_out("::endgroup::\n");
        }
    }

    /// A line that is shown beside the run and, in a workflow, on its page.
    pub fn annotate(&self, level: Level, title: &str, text: &str) {
        let text = self.redactor.clean_for_terminal(text);
        match self.medium {
            Medium::Workflow => {
                let word = match level {
                    Level::Notice => "notice",
                    Level::Warning => "warning",
                    Level::Error => "error",
                };
                self.raw_out(&format!("::{word} title={}::{}\n", property(&self.redactor.clean(title)), data(&text)));
            }
            Medium::Terminal | Medium::Machine => {
                let word = match level {
                    Level::Notice => "note",
                    Level::Warning => "warning",
                    Level::Error => "error",
                };
                self.raw_err(&format!("{word}: {title}: {text}\n"));
            }
        }
    }

    /// Problems, each with its next step.
    pub fn problems(&self, problems: &Problems) {
        for problem in problems.all() {
            self.problem(problem);
        }
    }

    fn problem(&self, problem: &Problem) {
        match self.medium {
            Medium::Workflow => {
                let title = match problem.kind {
                    _ if problem.code == super::host::CANCELLED => "Shipline: cancelled",
                    ProblemKind::Mistake => "Shipline: input",
                    ProblemKind::Refused => "Shipline: refused",
                    ProblemKind::Provider => "Shipline: provider",
                    ProblemKind::Defect => "Shipline: defect",
                };
                let text = data(&self.redactor.clean_for_terminal(&problem.to_string()));
                let place = problem
                    .place
                    .as_ref()
                    .and_then(|place| place.line.map(|line| format!("file={},line={line},", property(&place.file))));
                self.raw_out(&format!("::error {}title={title}::{text}\n", place.unwrap_or_default()));
            }
            Medium::Terminal | Medium::Machine => {
                self.raw_err(&format!("error: {}\n", self.redactor.clean_for_terminal(&problem.to_string())));
            }
        }
    }

    fn raw_out(&self, text: &str) {
        self.write(&mut io::stdout().lock(), text);
    }

    fn raw_err(&self, text: &str) {
        self.write(&mut io::stderr().lock(), text);
    }

    /// A reader that went away (a closed pipe) must not end a deployment.
    fn write(&self, to: &mut dyn Write, text: &str) {
        let _one_at_a_time = self.write.lock();
        let mut put = || {
            let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(put),
            None => put(),
        }
    }
}

/// A line that the runner cannot read as a command.
fn harmless(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("\u{2502} {line}") } else { line }
}

/// Data of a workflow command (GitHub "Workflow commands": `%`, CR and LF are escaped).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command: `:` and `,` are escaped as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_are_never_workflow_commands() {
        assert_eq!(harmless("  ::add-mask::x"), "\u{2502}   ::add-mask::x");
        assert_eq!(harmless("x ##[error]y"), "x ## [error]y");
        assert_eq!(harmless("a::b"), "a::b");
        assert_eq!(data("50 %\nnext"), "50 %25%0Anext");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}
