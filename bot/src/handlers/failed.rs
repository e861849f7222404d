//! Why work on a delivery failed, and whether trying again can help.

use std::time::Duration;

use shipline::problem::{Problem, ProblemKind};

use crate::store::StoreFailed;

/// Whether the next try may end better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// Somebody else's trouble, which passes: GitHub, the network, the database.
    Passes {
        /// Not earlier than that, as the provider said.
        after: Option<Duration>,
    },
    /// Our own defect: perhaps something was only unlucky, so it is tried a few times.
    Defect,
    /// It will be the same every time.
    None,
}

/// Work on a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct HandlerFailed {
    /// What happened; goes into the log and, when it is given up, into the store.
    pub why: String,
    /// Whether trying again can help.
    pub hope: Hope,
}

impl HandlerFailed {
    /// Passes by itself.
    pub fn passes(why: impl Into<String>, after: Option<Duration>) -> Self {
        Self { why: why.into(), hope: Hope::Passes { after } }
    }

    /// Our own defect.
    pub fn defect(why: impl Into<String>) -> Self {
        Self { why: why.into(), hope: Hope::Defect }
    }

    /// The same every time.
    pub fn lasts(why: impl Into<String>) -> Self {
        Self { why: why.into(), hope: Hope::None }
    }
}

impl From<Problem> for HandlerFailed {
    fn from(problem: Problem) -> Self {
        let hope = match problem.kind {
            ProblemKind::Provider => Hope::Passes { after: None },
            ProblemKind::Defect => Hope::Defect,
            ProblemKind::Mistake | ProblemKind::Refused => Hope::None,
        };
        Self { why: problem.to_string(), hope }
    }
}

impl From<StoreFailed> for HandlerFailed {
    fn from(failure: StoreFailed) -> Self {
        let why = failure.to_string();
        match failure {
            StoreFailed::Database(_) | StoreFailed::LeaseLost(_) => Self::passes(why, None),
            StoreFailed::Unreadable { .. } => Self::lasts(why),
        }
    }
}
