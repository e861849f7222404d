//! What people read: a pure view of a rollout, as Markdown and as plain text.
//!
//! [`View`] is also the machine output (`report`, `--json`): versioned, and within a version fields
//! are only added. Nothing here reads a clock or knows a provider. Text that came from people,
//! programs or logs is escaped where it enters a format, in one place ([`escape`]).

pub mod escape;
mod gate;
mod markdown;
mod measurements;
mod plain;
mod times;
mod view;

pub use gate::{WaitsView, gate_sentence};
pub use markdown::{
    changes, commits, failure, gantt, headline, hooks, mark, notices, origin_words, plural, release, span, summary,
};
pub use measurements::{analysis, lines as measured, measurement, sparkline, values};
pub use plain::text;
pub use times::{between, length, moment};
pub use view::{
    Commit, GateView, HookView, ImageOrigin, Moment, SCHEMA_VERSION, ServiceView, Stage, View, ViewInput, view,
};

#[cfg(test)]
mod tests;
