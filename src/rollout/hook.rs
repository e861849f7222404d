//! Hooks: commands that run once, beside the services, and where each of them stands.
//!
//! A hook before the shift prepares (a migration); one after it ends the deployment (a smoke test, a
//! warm cache). Its `undo` runs when the deployment goes back, after the traffic did: what it takes
//! away, the new revision may still need.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cause, LogLines, Reason};
use crate::types::{ServiceName, Span, Timestamp};

/// What a hook is for, and so what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookRole {
    /// It does something: a migration, a warm cache.
    #[default]
    Step,
    /// It only looks whether the release is good.
    Check,
}

impl HookRole {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

/// A command that runs once, as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// What it is for.
    #[serde(default, skip_serializing_if = "HookRole::is_step")]
    pub role: HookRole,
    /// The service whose new revision, network and roles it runs with.
    pub service: ServiceName,
    /// The command and its arguments; no shell sees them.
    pub run: Vec<String>,
    /// The command that takes it back; none when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// How long it may take.
    pub within: Span,
    /// What the target needs to run it, in its own words. Opaque to everybody else.
    pub facts: Value,
}

/// A one-off task that a target has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The provider's name for it: a task ARN, a container id, a command id.
    pub id: String,
    /// When it was started; its time is counted from here.
    pub started: Timestamp,
    /// What the target needs to follow it, in its own words. Opaque to everybody else.
    pub facts: Value,
}

/// Where every hook of a rollout stands: those before the shift, then those after it.
pub type Hooks = Vec<HookState>;

/// Where one hook stands. Its state alone says which effect is due for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum HookState {
    /// Its turn has not come.
    Waiting,
    /// It is being started. Effect: start.
    Starting,
    /// It runs. Effect: follow.
    Running {
        /// The task.
        task: Task,
    },
    /// It must end before the rollout goes on. Effect: stop.
    Stopping {
        /// The task, if one is known: the answer to the start may have been lost.
        task: Option<Task>,
        /// Why, and what the rollout goes back for.
        then: Box<Reason>,
    },
    /// It ended well.
    Ended {
        /// Its last lines.
        log: Option<LogLines>,
    },
    /// It did not.
    Failed {
        /// Why.
        cause: Box<Cause>,
    },
    /// It was stopped, because the deployment was.
    Stopped,
    /// What takes it back is being started. Effect: start.
    UndoStarting,
    /// What takes it back runs. Effect: follow.
    Undoing {
        /// The task.
        task: Task,
    },
    /// What takes it back must end before the rollout does. Effect: stop.
    UndoStopping {
        /// The task, if one is known: the answer to the start may have been lost.
        task: Option<Task>,
        /// Why it is stopped.
        cause: Box<Cause>,
    },
    /// It was taken back.
    Undone,
    /// It could not be taken back.
    UndoFailed {
        /// Why.
        cause: Box<Cause>,
    },
}

impl HookState {
    /// The word for it in tables and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Stopping { .. } => "stopping",
            Self::Ended { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Stopped => "stopped",
            Self::UndoStarting | Self::Undoing { .. } | Self::UndoStopping { .. } => "being undone",
            Self::Undone => "undone",
            Self::UndoFailed { .. } => "could not be undone",
        }
    }

    /// Why it failed, or could not be taken back.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Failed { cause } | Self::UndoFailed { cause } => Some(cause),
            Self::Waiting
            | Self::Starting
            | Self::Running { .. }
            | Self::Stopping { .. }
            | Self::Ended { .. }
            | Self::Stopped
            | Self::UndoStarting
            | Self::Undoing { .. }
            | Self::UndoStopping { .. }
            | Self::Undone => None,
        }
    }

    /// Whether it is the command that takes it back which is due, runs or is stopped.
    pub fn is_undoing(&self) -> bool {
        matches!(self, Self::UndoStarting | Self::Undoing { .. } | Self::UndoStopping { .. })
    }
}
