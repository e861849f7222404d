//! GitHub as an App: who we are, and one repository with the token of its installation.
//!
//! Bounded in time and patience; honours `Retry-After`, primary and secondary limits; asks with
//! `ETag`s where an answer rarely changes. Foreign shapes stop here.
//!
//! Not here: what an answer is good for. Whoever asks about rights or checks and gets a problem has
//! not been told, and must take that for a no.
//!
//! Invariants: every text that leaves passes the redactor and fits; what is not known is an error,
//! never an empty answer; what may be done twice is not repeated when its fate is unclear.

mod actions;
mod app;
mod check_runs;
mod checks;
mod conversation;
mod deliveries;
mod etags;
mod examination;
mod graphql;
mod hub;
mod identity;
mod limits;
mod outbound;
mod rights;
mod rules;
mod situation;
mod source;
mod visitor;

pub use app::App;
pub use examination::{Examined, HookConfig, Known};
pub use hub::{Hub, Standing};
pub use rules::{Reviewed, RunSeen, RunStands};
pub use shipline::github::retry_after;
pub use source::Sources;
pub use visitor::Visitor;

use shipline::types::{CommitSha, Timestamp};

/// What `GET /app` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its slug: comments come from `<slug>[bot]`.
    pub slug: String,
    /// Permissions: name and level (`contents`, `read`).
    pub permissions: Vec<(String, String)>,
    /// Events it is subscribed to.
    pub events: Vec<String>,
}

/// A webhook delivery as GitHub remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDelivery {
    /// GitHub's own number, for asking again.
    pub id: u64,
    /// The id that redeliveries share.
    pub guid: String,
    /// When.
    pub at: Timestamp,
    /// Whether we answered with a status below 300.
    pub arrived: bool,
    /// The event's name and action.
    pub event: String,
}

/// What is left of GitHub's limit for this installation or App.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests left in the hour.
    pub remaining: u64,
    /// When it is full again, seconds since the epoch.
    pub reset: i64,
}

/// A check run on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// `Shipline: staging`.
    pub name: String,
    /// The commit.
    pub sha: CommitSha,
    /// Absent while it runs; else GitHub's word: `success`, `failure`, `cancelled`, `neutral`, `action_required`.
    pub conclusion: Option<String>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// Where more is.
    pub details_url: Option<String>,
    /// At most three; those of before go.
    pub buttons: Vec<Button>,
}

/// A button of a check run. GitHub takes 20, 40 and 20 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What stands on it.
    pub label: &'static str,
    /// What it does.
    pub description: &'static str,
    /// What comes back when somebody presses it.
    pub identifier: String,
}

/// How a workflow run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It waits or runs.
    Going,
    /// It ended; GitHub's word for how, and its page.
    Ended {
        /// `success`, `failure`, `cancelled`, `timed_out`…
        conclusion: String,
        /// Its page.
        url: String,
    },
}

/// An emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Seen.
    Eyes,
    /// Done.
    Rocket,
    /// No.
    MinusOne,
    /// Not understood, or not for you.
    Confused,
}

#[cfg(test)]
mod tests;
