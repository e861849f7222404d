//! The configuration of an Express service, as the members that `UpdateExpressGatewayService` takes:
//! pure.
//!
//! Invariants: only what was asked for changes; `primaryContainer` is always whole, because ECS
//! replaces it as a whole; members nobody here knows stay.

use serde_json::{Map, Value, json};

use crate::config::spec::{ContainerChanges, ExpressSpec, ScalingMetric};
use crate::targets::ecs::{render, same};
use crate::types::PinnedImage;

/// Members of an answer that an update does not take (Amazon ECS API reference,
/// `ExpressGatewayServiceConfiguration` and `UpdateExpressGatewayService`).
const OUTPUT_ONLY: [&str; 4] = ["serviceRevisionArn", "taskDefinitionArn", "ingressPaths", "createdAt"];

/// What of an answer can be sent back.
pub(super) fn settable(document: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = document.clone();
    for member in OUTPUT_ONLY {
        kept.shift_remove(member);
    }
    kept.retain(|_, value| !value.is_null());
    kept
}

/// The image of the container that serves.
pub(super) fn image(settings: &Map<String, Value>) -> Option<&str> {
    settings.get("primaryContainer")?.get("image")?.as_str()
}

/// The configuration with that image and what `spec` names.
pub(super) fn wanted(mut settings: Map<String, Value>, image: &PinnedImage, spec: &ExpressSpec) -> Map<String, Value> {
    render::set_image(member(&mut settings, "primaryContainer"), image);
    changed(settings, spec)
}

/// The configuration with what `spec` names.
pub(super) fn changed(mut settings: Map<String, Value>, spec: &ExpressSpec) -> Map<String, Value> {
    let container = member(&mut settings, "primaryContainer");
    let changes = ContainerChanges {
        environment: spec.environment.clone(),
        secrets: spec.secrets.clone(),
        command: spec.command.clone(),
        ..ContainerChanges::default()
    };
    render::change(container, &changes);
    if let Some(port) = spec.container_port {
        container.insert("containerPort".to_owned(), json!(port));
    }
    let texts = [
        ("cpu", spec.cpu.map(|units| units.to_string())),
        ("memory", spec.memory.map(|mebibytes| mebibytes.to_string())),
        ("healthCheckPath", spec.health_check_path.clone()),
        ("executionRoleArn", spec.execution_role.as_ref().map(ToString::to_string)),
        ("taskRoleArn", spec.task_role.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            settings.insert(name.to_owned(), json!(value));
        }
    }
    let metric = spec.scaling.metric.map(|metric| match metric {
        ScalingMetric::AverageCpu => json!("AVERAGE_CPU"),
        ScalingMetric::AverageMemory => json!("AVERAGE_MEMORY"),
        ScalingMetric::RequestCountPerTarget => json!("REQUEST_COUNT_PER_TARGET"),
    });
    let scaling = [
        ("minTaskCount", spec.scaling.least.map(|count| json!(count))),
        ("maxTaskCount", spec.scaling.most.map(|count| json!(count))),
        ("autoScalingMetric", metric),
        ("autoScalingTargetValue", spec.scaling.target.map(|value| json!(value))),
    ];
    for (name, value) in scaling {
        if let Some(value) = value {
            member(&mut settings, "scalingTarget").insert(name.to_owned(), value);
        }
    }
    let network = [("subnets", &spec.subnets), ("securityGroups", &spec.security_groups)];
    for (name, list) in network.into_iter().filter(|(_, list)| !list.is_empty()) {
        member(&mut settings, "networkConfiguration").insert(name.to_owned(), json!(list));
    }
    settings
}

/// Puts members over those of `settings`; a member of both that is an object is put over as one.
pub(super) fn overlay(settings: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (settings.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(value)) => overlay(known, value),
            _ => {
                settings.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The members to send so that `now` becomes `wanted`.
pub(super) fn request(now: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let differs = |name: &str, value: &Value| {
        let one = |value: &Value| Map::from_iter([(name.to_owned(), value.clone())]);
        !same::same(&now.get(name).map(one).unwrap_or_default(), &one(value))
    };
    wanted
        .iter()
        .filter(|(name, value)| differs(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The configuration that a task definition was made of; what a task definition does not say is taken from `base`.
pub(super) fn of_definition(
    definition: &Map<String, Value>,
    name: &str,
    base: &Map<String, Value>,
) -> Map<String, Value> {
    let mut settings = base.clone();
    let container = render::container(definition, name).or_else(|| render::containers(definition).first());
    let Some(known) = container.and_then(Value::as_object) else { return settings };
    let mut container = Map::new();
    for member in ["image", "repositoryCredentials", "command", "environment", "secrets"] {
        if let Some(value) = known.get(member).filter(|value| !value.is_null()) {
            container.insert(member.to_owned(), value.clone());
        }
    }
    if let Some(port) = known.get("portMappings").and_then(|mappings| mappings.get(0)?.get("containerPort")) {
        container.insert("containerPort".to_owned(), port.clone());
    }
    let option = |option: &str| known.get("logConfiguration")?.get("options")?.get(option).cloned();
    if let (Some(group), Some(prefix)) = (option("awslogs-group"), option("awslogs-stream-prefix")) {
        container.insert("awsLogsConfiguration".to_owned(), json!({"logGroup": group, "logStreamPrefix": prefix}));
    }
    settings.insert("primaryContainer".to_owned(), Value::Object(container));
    for member in ["executionRoleArn", "taskRoleArn", "cpu", "memory"] {
        match definition.get(member).filter(|value| !value.is_null()) {
            Some(value) => settings.insert(member.to_owned(), value.clone()),
            None => settings.shift_remove(member),
        };
    }
    if let Some(architecture) = definition.get("runtimePlatform").and_then(|platform| platform.get("cpuArchitecture")) {
        settings.insert("cpuArchitecture".to_owned(), architecture.clone());
    }
    settings
}

/// A task definition with what a configuration says of it.
pub(super) fn definition(
    mut content: Map<String, Value>,
    name: &str,
    settings: &Map<String, Value>,
) -> Map<String, Value> {
    for member in ["executionRoleArn", "taskRoleArn", "cpu", "memory"] {
        if let Some(value) = settings.get(member) {
            content.insert(member.to_owned(), value.clone());
        }
    }
    if let Some(architecture) = settings.get("cpuArchitecture") {
        member(&mut content, "runtimePlatform").insert("cpuArchitecture".to_owned(), architecture.clone());
    }
    let said = settings.get("primaryContainer").and_then(Value::as_object);
    let list = content.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let main = list.into_iter().flatten().find(|known| known.get("name").and_then(Value::as_str) == Some(name));
    if let (Some(Value::Object(main)), Some(said)) = (main, said) {
        for member in ["image", "repositoryCredentials", "command", "environment", "secrets"] {
            match said.get(member) {
                Some(value) => main.insert(member.to_owned(), value.clone()),
                None => main.shift_remove(member),
            };
        }
    }
    content
}

fn member<'a>(settings: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = settings.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made an object")
}

#[cfg(test)]
mod tests;
