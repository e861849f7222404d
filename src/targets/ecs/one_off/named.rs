//! One-off tasks in a place on ECS that the configuration names, for services that do not run there.

use async_trait::async_trait;
use aws_types::SdkConfig;
use serde_json::{Map, Value, json};

use super::Runner;
use super::needs::{Needs, check, refused};
use crate::config::spec::{ContainerChanges, EcsTasksSpec, PublicAddress};
use crate::engine::{NotApplied, TargetError, TaskSight, Tasks};
use crate::problem::Problem;
use crate::rollout::{ServicePlan, Task};
use crate::targets::ecs::facts::{self, Wanted};
use crate::targets::ecs::{calls, raw, render};
use crate::types::PinnedImage;

/// A cluster, a task definition and a network that run the commands of a service.
#[derive(Debug)]
pub struct NamedTasks {
    runner: Runner,
    spec: EcsTasksSpec,
}

impl NamedTasks {
    /// The place that `spec` names, with that session. No call is made.
    pub fn new(config: &SdkConfig, spec: &EcsTasksSpec) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let (patient, once) = (calls::patient(config), calls::once(config));
        Self { runner: Runner { config: config.clone(), patient, once, region }, spec: spec.clone() }
    }

    fn settings(&self, content: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        let mut settings = Map::new();
        let list = |field: &str| content.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        // Without capacity of its own the cluster's default strategy may be none.
        if list("requiresCompatibilities") == [json!("FARGATE")] {
            settings.insert("launchType".to_owned(), json!("FARGATE"));
        }
        if content.get("networkMode").and_then(Value::as_str) == Some("awsvpc") {
            if self.spec.subnets.is_empty() {
                return Err(Problem::mistake(
                    "no-network",
                    format!(
                        "task definition {} has the network mode `awsvpc`, and no subnets are given",
                        self.spec.task_definition
                    ),
                    "Set `subnets` and `security-groups` under `tasks`: those the command can reach the database from.",
                ));
            }
            let public = match self.spec.public_address {
                PublicAddress::Yes => "ENABLED",
                PublicAddress::No => "DISABLED",
            };
            let network = json!({"awsvpcConfiguration": {
                "subnets": self.spec.subnets, "securityGroups": self.spec.security_groups, "assignPublicIp": public,
            }});
            settings.insert("networkConfiguration".to_owned(), network);
        }
        Ok(settings)
    }
}

/// The container runs the release's image, if its own one is from the same repository.
pub(super) fn with_image(
    content: &Map<String, Value>,
    container: &str,
    image: Option<&PinnedImage>,
) -> Option<Map<String, Value>> {
    let image = image?;
    let runs = facts::image_of(content, container)?;
    let repository = |text: &str| {
        let name = text.split('@').next().unwrap_or_default();
        let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        tag.map_or(name, |at| &name[..at]).to_owned()
    };
    let text = image.to_string();
    (runs != text && repository(&runs) == repository(&text))
        .then(|| render::render(content.clone(), container, image, &ContainerChanges::default()))
}

#[async_trait]
impl Tasks for NamedTasks {
    async fn prepare_task(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        let known = raw::describe(&self.runner.patient, &self.spec.task_definition).await?;
        let content = render::content(&known);
        let container = render::choose(&content, self.spec.container.as_deref(), known.name()).map_err(refused)?;
        check(&content, &container, command).map_err(refused)?;
        let settings = self.settings(&content).map_err(refused)?;
        let wanted = match with_image(&content, &container, plan.image.as_ref()) {
            Some(content) => Wanted::New { content },
            None => Wanted::Existing { arn: known.arn.clone() },
        };
        Ok(facts::write(&Needs { cluster: self.spec.cluster.clone(), container, wanted, settings }))
    }

    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        self.runner.start(command, facts, key).await
    }

    async fn observe_task(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError> {
        self.runner.observe(task, facts).await
    }

    async fn stop_task(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError> {
        self.runner.stop(task, facts, key).await
    }
}
