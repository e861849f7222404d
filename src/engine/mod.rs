//! Drives a rollout: runs the effects a phase implies, journals each step, tells what happens.
//!
//! What it is: the imperative shell around [`crate::rollout`], and the traits that adapters fill in
//! ([`Target`], [`Tasks`],
//! [`Alarms`], [`MetricSource`], [`Journal`], [`Reporter`]). What it is not: it knows no SDK, no provider, no file.
//! Invariants: a phase is journaled before its effects run; an effect that changes a target is never
//! dropped halfway; per service at most one effect runs at a time.

mod alarms;
mod analysis;
pub mod clock;
mod drive;
mod effects;
mod examination;
mod gates;
mod hooks;
mod http_check;
mod journal;
mod logs;
mod metrics;
pub mod permission;
mod reporter;
mod source_host;
pub mod target;
mod tasks;
pub mod wait;

pub use alarms::{Alarmed, Alarms, Firing};
pub use analysis::analyse;
pub use drive::{Driven, Limits, Parts, Targets, drive};
pub use examination::{Examination, Finding, Weight};
pub use gates::Gates;
pub use http_check::once as http_answers;
pub use journal::{Journal, JournalFailed, MemoryJournal};
pub use logs::{LogLine, Logs};
pub use metrics::{MetricSource, Question, Series, Sides};
pub use reporter::{News, Reporter};
pub use source_host::{Push, SourceBranch, SourceHost};
pub use target::{
    Back, FailureKind, NotApplied, Past, PastRevision, Preparation, Progress, ProviderFailure, Sight, Target,
    TargetError, Wish,
};
pub use tasks::{TaskSight, Tasks};
pub use tokio_util::sync::CancellationToken as Cancel;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
