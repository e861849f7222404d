//! The commands people can give, after parsing. Pure data.

use serde::{Deserialize, Serialize};
use shipline::types::{CommitSha, EnvironmentName, ServiceName, Span};

/// One command. Environment names are well formed here; whether they exist is not known yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum Command {
    /// Put a release on an environment.
    Deploy {
        /// Where.
        environment: EnvironmentName,
        /// Which services; all when empty.
        services: Vec<ServiceName>,
        /// Which commit; the pull request's head when absent.
        sha: Option<CommitSha>,
        /// Why.
        reason: Option<String>,
    },
    /// Show what a deploy would do.
    Plan {
        /// Where.
        environment: EnvironmentName,
        /// Which services; all when empty.
        services: Vec<ServiceName>,
        /// Which commit; the pull request's head when absent.
        sha: Option<CommitSha>,
    },
    /// Say yes to the waiting gate.
    Approve {
        /// Where; the only one that waits when absent.
        environment: Option<EnvironmentName>,
        /// Which commit is meant.
        sha: Option<CommitSha>,
    },
    /// Say no to the waiting gate.
    Reject {
        /// Where.
        environment: Option<EnvironmentName>,
        /// Why.
        reason: Option<String>,
    },
    /// Finish a canary now.
    Promote {
        /// Where.
        environment: Option<EnvironmentName>,
    },
    /// Hold a canary.
    Pause {
        /// Where.
        environment: Option<EnvironmentName>,
    },
    /// Go on with a canary.
    Resume {
        /// Where.
        environment: Option<EnvironmentName>,
    },
    /// Stop the running or waiting deployment.
    Cancel {
        /// Where; the only one with a deployment when absent.
        environment: Option<EnvironmentName>,
    },
    /// Go back.
    Rollback {
        /// Where.
        environment: EnvironmentName,
        /// Which services; all when empty.
        services: Vec<ServiceName>,
        /// To what: a commit, a revision's name or a number of steps.
        to: Option<String>,
        /// Whether the environment is locked afterwards.
        lock: AfterRollback,
    },
    /// Hold the environment.
    Lock {
        /// Which.
        environment: EnvironmentName,
        /// For how long; until unlocked when absent.
        until: Option<Span>,
        /// Why.
        reason: Option<String>,
    },
    /// Let the environment go.
    Unlock {
        /// Which.
        environment: EnvironmentName,
        /// Why somebody else's lock is removed.
        force: Option<String>,
    },
    /// What runs where.
    Status {
        /// Which; all when absent.
        environment: Option<EnvironmentName>,
    },
    /// The last ten deployments.
    History {
        /// Of which environment.
        environment: EnvironmentName,
    },
    /// The table of commands.
    Help,
}

/// What happens to the environment after a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterRollback {
    /// It is locked: look before you deploy.
    Locked,
    /// It stays open (`--no-lock`).
    Open,
}

/// A line that was meant as a command and cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotACommand {
    /// The line as it was written, for the answer.
    pub line: String,
    /// What is wrong, one sentence.
    pub what: String,
    /// What to write instead.
    pub next: String,
    /// For machines.
    pub code: NotACommandCode,
}

/// Why a line is not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotACommandCode {
    /// An unknown verb that is close to one of ours; only known writers are told.
    UnknownVerb,
    /// The verb is ours, the rest is wrong.
    Usage,
    /// Characters that cannot be seen or look like others.
    Confusable,
}

/// One line of a comment that begins with `/` and is ours, or nearly.
pub type Parsed = Result<Command, NotACommand>;
