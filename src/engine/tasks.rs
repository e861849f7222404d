//! One-off tasks of a target: a migration, a smoke test, in the place and with the rights of a service.
//!
//! The rules are those of [`super::Target`]: reading changes nothing; [`Tasks::start`] and
//! [`Tasks::stop`] look first and may be called twice or after a crash in their middle; what ended
//! between two looks is not an error.

use async_trait::async_trait;
use serde_json::Value;

use super::target::{NotApplied, TargetError};
use crate::rollout::{Cause, LogLines, ServicePlan, Task};

/// What one look at a task shows.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSight {
    /// Under way.
    Running {
        /// What it is doing, in a few words, for people: `pulling the image`.
        doing: String,
    },
    /// It ended with exit code 0.
    Ended {
        /// Its last lines.
        log: Option<LogLines>,
    },
    /// It ended otherwise, or never ran. Exit code, reason and last lines are in the cause.
    Failed(Box<Cause>),
}

/// A place that runs one-off tasks.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// What running this command with the plan's new revision will need. Changes nothing; whatever
    /// cannot be done is refused here.
    async fn prepare_task(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError>;

    /// Starts the command, unless a task with this key was started already: then that one is
    /// returned, running or ended. Keys are at most 32 letters and digits.
    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied>;

    /// One look at a task. Does not wait.
    async fn observe_task(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError>;

    /// Ends a task and returns when it does not run any more; without a task, the one with this key,
    /// if there is one.
    async fn stop_task(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError>;
}
