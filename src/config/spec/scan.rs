//! What scans of images may have found.

use std::collections::BTreeSet;

use crate::types::Span;

/// What scans of a release's images may have found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSpec {
    /// Findings of this severity and above refuse the release.
    pub severity: Severity,
    /// How long a scan that is under way is waited for.
    pub wait: Span,
    /// Findings that are known and accepted, by name.
    pub ignore: BTreeSet<String>,
    /// What an image without a scan means.
    pub unscanned: Unscanned,
}

/// How grave a finding is; a graver one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scanner gives it none.
    Undefined,
    /// Worth knowing.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What an image without a scan means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unscanned {
    /// It refuses the release.
    Refuse,
    /// It is deployed, with a notice.
    Allow,
}
