//! What a look at a place shows before the first deployment: what would fail, what is worth knowing.

use super::target::{FailureKind, TargetError};
use crate::problem::Problem;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A deployment would fail.
    Fails,
    /// A deployment can go through; somebody should look at it.
    Warns,
    /// It could not be looked at.
    Unseen,
}

impl Weight {
    /// In machine output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Warns => "warns",
            Self::Unseen => "unseen",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What it is, with the next step.
    pub problem: Problem,
}

/// Everything a look shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examination {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was looked at and is right, one short sentence each.
    pub good: Vec<String>,
    /// The platform an image needs there: `linux/amd64`.
    pub platform: Option<String>,
}

impl Examination {
    /// Notes what would fail.
    pub fn fails(&mut self, problem: Problem) {
        self.findings.push(Finding { weight: Weight::Fails, problem });
    }

    /// Notes what somebody should look at.
    pub fn warns(&mut self, problem: Problem) {
        self.findings.push(Finding { weight: Weight::Warns, problem });
    }

    /// Notes a read that failed: what the provider only does not show is not known to be wrong.
    pub fn failed(&mut self, error: TargetError) {
        let unseen = matches!(&error, TargetError::Provider(failure)
            if matches!(failure.kind, FailureKind::Denied | FailureKind::Unknown) || failure.is_passing());
        let weight = if unseen { Weight::Unseen } else { Weight::Fails };
        self.findings.push(Finding { weight, problem: error.into() });
    }

    /// Notes what is right.
    pub fn good(&mut self, what: impl Into<String>) {
        self.good.push(what.into());
    }
}
