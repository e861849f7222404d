//! The one error a user sees: what happened, why, and what to do next.
//!
//! Every boundary has its own error enum; each turns into a [`Problem`] exactly once, where it
//! leaves the program. A problem without a next step does not exist: the constructor asks for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose turn it is, and so the tone and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The input is wrong; whoever wrote it can mend it. Exit code 2.
    Mistake,
    /// A rule says no; somebody else may be able to say yes. Exit code 3.
    Refused,
    /// AWS, GitHub, Docker or the network failed before anything changed. Exit code 4.
    Provider,
    /// Shipline itself is wrong. Exit code 5, because the state may be unknown.
    Defect,
}

/// Where in the user's input the problem is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// File as the user named it, or the name of an action input.
    pub file: String,
    /// First line of the value, from 1; absent for inputs.
    pub line: Option<usize>,
    /// Path of the value: `environments.production.rollout.canary.percent`.
    pub path: String,
}

/// What happened, why, what next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Whose turn it is.
    pub kind: ProblemKind,
    /// Stable, machine-readable code in kebab case, for scripts: `unknown-key`.
    pub code: String,
    /// One sentence: what is wrong.
    pub what: String,
    /// What is known of the cause, one fact a line; may be empty.
    pub why: Vec<String>,
    /// What the reader does next.
    pub next: String,
    /// Where in the input, if it is about input.
    pub place: Option<Place>,
    /// Page of the documentation, relative to the repository: `docs/configuration.md#waves`.
    pub docs: Option<String>,
}

impl Problem {
    /// A mistake in the input.
    pub fn mistake(code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(ProblemKind::Mistake, code, what, next)
    }

    /// Refused by policy or by what a target can do.
    pub fn refused(code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(ProblemKind::Refused, code, what, next)
    }

    /// A provider failed.
    pub fn provider(code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(ProblemKind::Provider, code, what, next)
    }

    /// Our own fault.
    pub fn defect(code: &str, what: impl Into<String>) -> Self {
        Self::new(
            ProblemKind::Defect,
            code,
            what,
            "This is a defect of Shipline. Check what runs with `shipline status`, and report it with this output.",
        )
    }

    fn new(kind: ProblemKind, code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            what: what.into(),
            why: Vec::new(),
            next: next.into(),
            place: None,
            docs: None,
        }
    }

    /// Adds a fact about the cause.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Says where in the input it is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Names the page that explains it.
    #[must_use]
    pub fn see(mut self, docs: impl Into<String>) -> Self {
        self.docs = Some(docs.into());
        self
    }

    /// The process exit code when this problem ends the run before anything changed.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ProblemKind::Mistake => 2,
            ProblemKind::Refused => 3,
            ProblemKind::Provider => 4,
            ProblemKind::Defect => 5,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        Ok(())
    }
}

/// `place: what`, then the facts, then the next step, each on a line of its own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        for why in &self.why {
            write!(f, "\n  {}", why.replace('\n', "\n  "))?;
        }
        write!(f, "\n  next: {}", self.next.replace('\n', "\n  "))?;
        if let Some(docs) = &self.docs {
            write!(f, "\n  see: {docs}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Several problems, reported together. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok(value)` when there are none.
    pub fn or<T>(found: Vec<Problem>, value: T) -> Result<T, Self> {
        if found.is_empty() { Ok(value) } else { Err(Self(found)) }
    }

    /// These, then the others.
    #[must_use]
    pub fn and(mut self, others: Vec<Problem>) -> Self {
        self.0.extend(others);
        self
    }

    /// All of them, in the order of the input.
    pub fn all(&self) -> &[Problem] {
        &self.0
    }

    /// The exit code of the gravest: a defect before a provider's failure, a mistake before a refusal.
    pub fn exit_code(&self) -> u8 {
        let rank = |p: &&Problem| match p.kind {
            ProblemKind::Refused => 0,
            ProblemKind::Provider => 1,
            ProblemKind::Mistake => 2,
            ProblemKind::Defect => 3,
        };
        self.0.iter().max_by_key(rank).map_or(5, Problem::exit_code)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
