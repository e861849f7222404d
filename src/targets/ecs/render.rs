//! Makes a new task definition out of an old one: pure.
//!
//! Invariants: only what was asked for changes, everything else stays as it is and where it is,
//! fields nobody here knows included; only the fields that ECS itself adds are dropped.

use serde_json::{Map, Value, json};

use super::raw::Definition;
use crate::config::spec::ContainerChanges;
use crate::problem::Problem;
use crate::types::PinnedImage;

/// Fields of an answer that a registration does not take (AWS ECS API reference, `TaskDefinition`).
pub(super) const OUTPUT_ONLY: [&str; 8] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
];

/// What a registration of this very task definition would send.
pub(super) fn content(definition: &Definition) -> Map<String, Value> {
    let mut content = definition.raw.clone();
    let tags = Value::Array(definition.tags.clone());
    if !definition.tags.is_empty() {
        content.insert("tags".to_owned(), tags);
    }
    registrable(content)
}

/// The same content without what ECS adds: its own fields, and tags that only AWS may set.
pub(super) fn registrable(mut content: Map<String, Value>) -> Map<String, Value> {
    for field in OUTPUT_ONLY {
        content.shift_remove(field);
    }
    let left = content.get_mut("tags").and_then(Value::as_array_mut).map(|tags| {
        tags.retain(|tag| !tag.get("key").and_then(Value::as_str).is_some_and(|key| key.starts_with("aws:")));
        tags.len()
    });
    if left == Some(0) {
        content.shift_remove("tags");
    }
    content
}

/// The names of the containers, in order.
pub(super) fn container_names(content: &Map<String, Value>) -> Vec<&str> {
    containers(content).iter().filter_map(|container| container.get("name")?.as_str()).collect()
}

/// The container definitions.
pub(super) fn containers(content: &Map<String, Value>) -> &[Value] {
    content.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The container with that name.
pub(super) fn container<'a>(content: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    containers(content).iter().find(|container| container.get("name").and_then(Value::as_str) == Some(name))
}

/// Which container is meant: the named one, or the only one.
pub(super) fn choose(content: &Map<String, Value>, wanted: Option<&str>, of: &str) -> Result<String, Problem> {
    let names = container_names(content);
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (wanted, names.as_slice()) {
        (_, []) => Err(Problem::mistake(
            "no-containers",
            format!("{of} has no containers"),
            "Give a task definition with `containerDefinitions`.",
        )),
        (Some(wanted), names) if names.contains(&wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => Err(Problem::mistake(
            "container-not-found",
            format!("{of} has no container `{wanted}`"),
            format!("Set `container` (input `container-name`) to one of {list}."),
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Problem::mistake(
            "container-ambiguous",
            format!("{of} has {} containers, and none is named", names.len()),
            format!("Set `container` (input `container-name`) to one of {list}."),
        )),
    }
}

/// The content with that image and those changes in that container.
pub(super) fn render(
    mut content: Map<String, Value>,
    name: &str,
    image: &PinnedImage,
    changes: &ContainerChanges,
) -> Map<String, Value> {
    let list = content.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let found = list.into_iter().flatten().find(|known| known.get("name").and_then(Value::as_str) == Some(name));
    if let Some(Value::Object(container)) = found {
        set_image(container, image);
        change(container, changes);
    }
    content
}

/// The content with those changes in that container, and its image as it is.
pub(super) fn with_changes(
    mut content: Map<String, Value>,
    name: &str,
    changes: &ContainerChanges,
) -> Map<String, Value> {
    let list = content.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let found = list.into_iter().flatten().find(|known| known.get("name").and_then(Value::as_str) == Some(name));
    if let Some(Value::Object(container)) = found {
        change(container, changes);
    }
    content
}

/// An image that is already this one by digest stays as it is written.
pub(super) fn set_image(container: &mut Map<String, Value>, image: &PinnedImage) {
    let live = container.get("image").and_then(Value::as_str).and_then(|text| text.parse::<PinnedImage>().ok());
    if live.is_some_and(|live| live.by_digest() == image.by_digest()) {
        return;
    }
    container.insert("image".to_owned(), json!(image.by_digest()));
}

pub(super) fn change(container: &mut Map<String, Value>, changes: &ContainerChanges) {
    for (name, value) in &changes.environment {
        remove_named(container, "secrets", name);
        set_named(container, "environment", name, "value", value);
    }
    for (name, value) in &changes.secrets {
        remove_named(container, "environment", name);
        set_named(container, "secrets", name, "valueFrom", value);
    }
    if !changes.labels.is_empty() {
        let labels = object(container, "dockerLabels");
        for (name, value) in &changes.labels {
            labels.insert(name.clone(), json!(value));
        }
    }
    if changes.log_driver.is_some() || !changes.log_options.is_empty() {
        let log = object(container, "logConfiguration");
        if let Some(driver) = &changes.log_driver {
            // Options belong to their driver: those of another one would be refused by ECS.
            if log.get("logDriver").and_then(Value::as_str).is_some_and(|old| old != driver) {
                log.shift_remove("options");
                log.shift_remove("secretOptions");
            }
            log.insert("logDriver".to_owned(), json!(driver));
        }
        if !changes.log_options.is_empty() {
            let options = object(log, "options");
            for (name, value) in &changes.log_options {
                options.insert(name.clone(), json!(value));
            }
        }
    }
    if let Some(command) = &changes.command {
        container.insert("command".to_owned(), json!(command));
    }
}

fn object<'a>(parent: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(field).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made an object")
}

/// Sets the entry of that name where it stands, or adds it at the end.
fn set_named(container: &mut Map<String, Value>, field: &str, name: &str, key: &str, value: &str) {
    let list = container.entry(field).or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let list = list.as_array_mut().expect("it was just made an array");
    match list.iter_mut().find(|entry| is_named(entry, name)).and_then(Value::as_object_mut) {
        Some(entry) => {
            entry.insert(key.to_owned(), json!(value));
        }
        None => list.push(json!({"name": name, key: value})),
    }
}

fn remove_named(container: &mut Map<String, Value>, field: &str, name: &str) {
    if let Some(list) = container.get_mut(field).and_then(Value::as_array_mut) {
        list.retain(|entry| !is_named(entry, name));
    }
}

fn is_named(entry: &Value, name: &str) -> bool {
    entry.get("name").and_then(Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests;
