//! One-off tasks of an Express service: in its network and with its roles, with the image, variables
//! and secrets of the plan.
//!
//! ECS makes the service's own task definition only with the update, and a command may have to run
//! before it. So it runs in a task definition of a family beside it, `<family>-tasks`: the family
//! that ECS keeps is never written to.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::facts::{self, Asked};
use super::settings;
use super::{ExpressTarget, MAIN};
use crate::engine::{NotApplied, TargetError, TaskSight, Tasks};
use crate::problem::Problem;
use crate::rollout::{ServicePlan, Task};
use crate::targets::ecs::facts::{self as ecs_facts, Wanted};
use crate::targets::ecs::prepare::refused;
use crate::targets::ecs::raw::describe;
use crate::targets::ecs::render;

#[async_trait]
impl Tasks for ExpressTarget {
    async fn prepare_task(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        if let Some(Asked::Create { .. }) = facts::asked(plan).map_err(refused)? {
            return Err(refused(Problem::refused(
                "no-service-yet",
                format!(
                    "{} is created by this deployment, so there is no network its commands could run in",
                    plan.place.name
                ),
                "Deploy once without `before` and `after`, or make the service yourself; from then on they run.",
            )));
        }
        let wish = facts::wish(plan).map_err(refused)?;
        let previous = ecs_facts::of_revision(&plan.previous).map_err(refused)?;
        let wanted = match wish {
            None => Wanted::Existing { arn: previous.task_definition },
            Some(wish) => {
                let known = describe(&self.ecs.patient, &previous.task_definition).await?;
                let content = settings::definition(render::content(&known), MAIN, &wish.express);
                Wanted::New { content: beside(content) }
            }
        };
        self.ecs.needs_of(command, wanted, Some(MAIN.to_owned())).await
    }

    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        self.ecs.start_task(command, facts, key).await
    }

    async fn observe_task(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError> {
        self.ecs.observe_task(task, facts).await
    }

    async fn stop_task(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError> {
        self.ecs.stop_task(task, facts, key).await
    }
}

/// The same content in the family of tasks, without the tags that ECS gave its own: they need a permission of their own.
fn beside(mut content: Map<String, Value>) -> Map<String, Value> {
    let family = content.get("family").and_then(Value::as_str).unwrap_or_default();
    let family = format!("{family}-tasks");
    content.shift_remove("tags");
    content.insert("family".to_owned(), json!(family));
    content
}
