//! What running a command once needs, found out while the plan is made: two reading calls.
//!
//! Whatever cannot work is refused here. Taken over from the service is what a task of its own has:
//! network, launch type or capacity providers, platform version, placement constraints, tags.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::aws::failure;
use crate::aws::raw::KeptBody;
use crate::engine::target::opaque;
use crate::engine::{ProviderFailure, TargetError};
use crate::problem::Problem;
use crate::rollout::ServicePlan;
use crate::targets::ecs::facts::{self, Wanted};
use crate::targets::ecs::{EcsTarget, raw, render};

/// `Hook.facts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Needs {
    /// Name or ARN.
    pub(super) cluster: String,
    /// The container that gets the command.
    pub(super) container: String,
    /// The task definition: what the service's own update will use.
    pub(super) wanted: Wanted,
    /// Members of `RunTask` that the service has as well.
    pub(super) settings: Map<String, Value>,
}

impl Needs {
    pub(super) fn read(facts: &Value) -> Result<Self, Problem> {
        opaque(facts, "hook")
    }

    /// The family of the task definition.
    pub(super) fn family(&self) -> &str {
        match &self.wanted {
            Wanted::New { content } => content.get("family").and_then(Value::as_str).unwrap_or_default(),
            Wanted::Existing { arn } => {
                let name = raw::short(arn);
                name.rsplit_once(':').map_or(name, |(family, _)| family)
            }
        }
    }
}

/// The longest `overrides`, JSON included (AWS ECS API reference, `RunTask`).
const LONGEST: usize = 8192;

/// `overrides` of `RunTask`: the command as a list, which no shell reads.
pub(super) fn overrides(container: &str, command: &[String]) -> Value {
    json!({"containerOverrides": [{"name": container, "command": command}]})
}

impl EcsTarget {
    pub(super) async fn prepare_one_off(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        let wish = facts::wish(plan).map_err(refused)?;
        let (wanted, named) = if let Some(wish) = wish {
            (wish.wanted, wish.container)
        } else {
            let live = facts::of_revision(&plan.previous).map_err(refused)?;
            (Wanted::Existing { arn: live.task_definition }, live.container)
        };
        self.needs_of(command, wanted, named).await
    }

    /// The same for a task definition that is known already.
    pub(in crate::targets::ecs) async fn needs_of(
        &self,
        command: &[String],
        wanted: Wanted,
        named: Option<String>,
    ) -> Result<Value, TargetError> {
        let (service, content) = futures_util::future::try_join(self.raw_service(), async {
            match &wanted {
                Wanted::New { content } => Ok(content.clone()),
                Wanted::Existing { arn } => Ok(raw::describe(&self.patient, arn).await?.raw),
            }
        })
        .await?;
        let named = named.or_else(|| self.spec.container.clone());
        let container = render::choose(&content, named.as_deref(), "the task definition").map_err(refused)?;
        check(&content, &container, command).map_err(refused)?;
        let settings = of_service(&service, &content).map_err(refused)?;
        let needs = Needs { cluster: self.spec.cluster.clone(), container, wanted, settings };
        Ok(facts::write(&needs))
    }

    /// The service with every field that ECS has for it.
    async fn raw_service(&self) -> Result<Map<String, Value>, ProviderFailure> {
        let operation = "ecs:DescribeServices";
        let body = KeptBody::default();
        let asked = self
            .patient
            .describe_services()
            .cluster(&self.spec.cluster)
            .services(&self.spec.service)
            .include(aws_sdk_ecs::types::ServiceField::Tags);
        asked.customize().interceptor(body.clone()).send().await.map_err(|error| failure(operation, &error))?;
        let mut answer = body.answer(operation)?;
        match answer.get_mut("services").and_then(|services| services.get_mut(0)).map(Value::take) {
            Some(Value::Object(service)) => Ok(service),
            _ => Err(crate::aws::raw::unreadable(operation, "the answer has no service")),
        }
    }
}

/// What makes a command impossible in this container.
pub(super) fn check(content: &Map<String, Value>, container: &str, command: &[String]) -> Result<(), Problem> {
    let length = overrides(container, command).to_string().chars().count();
    if length > LONGEST {
        return Err(Problem::mistake(
            "command-too-long",
            format!("the command is too long: {length} characters with its names, and ECS takes {LONGEST}"),
            "Put what it does into a script of the image and run that.",
        ));
    }
    let essential = render::container(content, container).and_then(|known| known.get("essential"));
    if essential == Some(&Value::Bool(false)) {
        return Err(Problem::refused(
            "container-not-essential",
            format!("container `{container}` is not essential: a task would go on running after its command has ended"),
            "Run the command in an essential container, or make this one essential in the task definition.",
        ));
    }
    Ok(())
}

/// What a task of its own takes over from a service; `content` is the task definition it will run.
pub(super) fn of_service(
    service: &Map<String, Value>,
    content: &Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let mut settings = Map::new();
    let given = |name: &str| service.get(name).filter(|value| is_given(value)).cloned();
    let mut take = |name: &str| {
        given(name).is_some_and(|value| {
            settings.insert(name.to_owned(), value);
            true
        })
    };
    // ECS takes either, and the strategy is what the service is really placed by.
    if !take("capacityProviderStrategy") {
        take("launchType");
    }
    take("platformVersion");
    take("placementConstraints");
    take("volumeConfigurations");
    if content.get("networkMode").and_then(Value::as_str) == Some("awsvpc") && !take("networkConfiguration") {
        return Err(Problem::refused(
            "no-network",
            "the task definition has the network mode `awsvpc`, and the service has no subnets and security groups \
             that a task of its own could use",
            "Give the service a `networkConfiguration`, or use another network mode in the task definition.",
        ));
    }
    if given("enableECSManagedTags") == Some(Value::Bool(true)) {
        settings.insert("enableECSManagedTags".to_owned(), Value::Bool(true));
    }
    match service.get("propagateTags").and_then(Value::as_str) {
        Some("TASK_DEFINITION") => {
            settings.insert("propagateTags".to_owned(), json!("TASK_DEFINITION"));
        }
        // RunTask refuses SERVICE, so the service's own tags are given.
        Some("SERVICE") => {
            let mut tags = given("tags").and_then(|tags| tags.as_array().cloned()).unwrap_or_default();
            tags.retain(|tag| !tag.get("key").and_then(Value::as_str).is_some_and(|key| key.starts_with("aws:")));
            if !tags.is_empty() {
                settings.insert("tags".to_owned(), Value::Array(tags));
            }
        }
        _ => {}
    }
    Ok(settings)
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

pub(super) fn refused(problem: Problem) -> TargetError {
    TargetError::Refused(Box::new(problem))
}
