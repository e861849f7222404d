//! One-off tasks: a command that runs once in a container of the plan's new revision, in the
//! network and with the roles of the service.
//!
//! Reading order: `needs` (what is found out while the plan is made, and refused there), `run`
//! (start, look, stop), `end` (what a stopped task means). [`NamedTasks`] is the same for services
//! that do not run on ECS: a place on ECS that the configuration names.
//!
//! Invariants: the revision is the one that the service's own update uses, registered once by
//! whoever comes first; a task is started at most once per key, because it is looked for by
//! `startedBy` before and ECS itself refuses a second one for the same `clientToken`; the exit code
//! of the command's own container decides, whatever the others did.

mod end;
mod named;
mod needs;
mod run;

use async_trait::async_trait;
use aws_sdk_ecs::Client;
use aws_types::SdkConfig;
use serde_json::Value;

pub use named::NamedTasks;

use super::EcsTarget;
use crate::engine::{NotApplied, TargetError, TaskSight, Tasks};
use crate::rollout::{ServicePlan, Task};

/// What runs tasks: sessions, and nothing of a service.
#[derive(Debug, Clone)]
struct Runner {
    config: SdkConfig,
    /// Tries again by itself.
    patient: Client,
    /// Sends each request once.
    once: Client,
    region: String,
}

impl EcsTarget {
    fn runner(&self) -> Runner {
        Runner {
            config: self.config.clone(),
            patient: self.patient.clone(),
            once: self.once.clone(),
            region: self.region.clone(),
        }
    }
}

#[async_trait]
impl Tasks for EcsTarget {
    async fn prepare_task(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        self.prepare_one_off(command, plan).await
    }

    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        self.runner().start(command, facts, key).await
    }

    async fn observe_task(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError> {
        self.runner().observe(task, facts).await
    }

    async fn stop_task(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError> {
        self.runner().stop(task, facts, key).await
    }
}

#[cfg(test)]
mod tests;
