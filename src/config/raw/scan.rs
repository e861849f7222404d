//! What scans of the images may have found.

use super::List;
use super::rules::AllowWord;
use super::shape::{record, words};
use super::values::FindingName;
use crate::types::Span;

record! {
    /// What the scans of a release's images may have found. They are asked for by digest, basic or
    /// enhanced scanning alike. A rollback does not ask.
    Scan = "{ severity: high, wait: 5m, ignore: [CVE-2026-0001] }" {
        /// Findings of this severity and above refuse the release.
        required "severity" severity: SeverityWord, example "high";
        /// How long a scan that is under way is waited for, at most an hour.
        optional "wait" wait: Span, default "`5m`", example "5m";
        /// Findings that are known and accepted.
        optional "ignore" ignore: List<FindingName>, default "none", example "[CVE-2026-0001]";
        /// An image without a scan: none was ever made, or it cannot be scanned.
        optional "unscanned" unscanned: AllowWord, default "`refuse`", example "allow";
    }
}

words! {
    /// How grave a finding is.
    SeverityWord = "a severity" {
        /// The gravest alone.
        Critical = "critical",
        /// These and critical ones.
        High = "high",
        /// These and graver ones.
        Medium = "medium",
        /// These and graver ones.
        Low = "low",
    }
}
