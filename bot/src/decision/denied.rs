//! A no, with everything the person needs: what, why, who can, what next.

use serde::{Deserialize, Serialize};

use super::ReasonCode;

/// Why a command or deployment may not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// For machines.
    pub code: ReasonCode,
    /// One sentence: what is wrong. Names in back-ticks.
    pub what: String,
    /// Facts, one a line; may be empty.
    pub why: Vec<String>,
    /// What to do next.
    pub next: String,
}

impl Denied {
    /// A no with its next step.
    pub fn new(code: ReasonCode, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: Vec::new(), next: next.into() }
    }

    /// Adds a fact.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }
}
