//! Whether two task definitions mean the same, and what differs: pure.
//!
//! ECS writes defaults into what it is given (`cpu: 0`, empty lists, `protocol: tcp`), so texts
//! cannot be compared. Invariants: a value that is not a documented default counts; values of
//! environment variables are never in the list of differences.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::render::OUTPUT_ONLY;
use crate::rollout::FieldChange;

/// Whether a registration of one would give the other.
pub(super) fn same(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    normal(one) == normal(other)
}

/// What differs, for people.
pub(super) fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk("", Some(&normal(before)), Some(&normal(after)), Shown::Value, &mut found);
    found
}

/// Boolean fields of a task definition whose absence means false (AWS ECS API reference).
const FALSE_BY_DEFAULT: [&str; 6] = [
    "privileged",
    "readonlyRootFilesystem",
    "interactive",
    "pseudoTerminal",
    "disableNetworking",
    "enableFaultInjection",
];

/// Other defaults, with the list they stand in.
fn is_default(path: Option<&str>, field: &str, value: &Value) -> bool {
    match (path, field) {
        (_, field) if FALSE_BY_DEFAULT.contains(&field) => *value == json!(false),
        (None, "networkMode") => *value == json!("bridge"),
        (Some("containerDefinitions"), "cpu") => *value == json!(0),
        (Some("containerDefinitions"), "essential") => *value == json!(true),
        (Some("portMappings"), "protocol") => *value == json!("tcp"),
        (Some("healthCheck"), "interval") => *value == json!(30),
        (Some("healthCheck"), "timeout") => *value == json!(5),
        (Some("healthCheck"), "retries") => *value == json!(3),
        _ => false,
    }
}

fn normal(content: &Map<String, Value>) -> Value {
    let mut own = content.clone();
    for field in OUTPUT_ONLY {
        own.shift_remove(field);
    }
    object(None, &own)
}

fn object(path: Option<&str>, content: &Map<String, Value>) -> Value {
    let mut kept = Map::new();
    let same_port = path == Some("portMappings") && content.get("hostPort") == content.get("containerPort");
    for (field, value) in content {
        let dynamic_port = path == Some("portMappings") && field == "hostPort" && (same_port || *value == json!(0));
        let value = normal_value(field, value);
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        if !empty && !dynamic_port && !is_default(path, field, &value) {
            kept.insert(field.clone(), value);
        }
    }
    Value::Object(kept)
}

fn normal_value(field: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => object(Some(field), members),
        Value::Array(items) => {
            let mut items: Vec<Value> = items
                .iter()
                .map(|item| match item {
                    Value::Object(members) => object(Some(field), members),
                    other => other.clone(),
                })
                .collect();
            // Sets that ECS may give back in another order.
            match field {
                "environment" | "secrets" => items.sort_by_key(|item| text(item, "name")),
                "tags" => {
                    items.retain(|item| !text(item, "key").starts_with("aws:"));
                    items.sort_by_key(|item| text(item, "key"));
                }
                "requiresCompatibilities" => items.sort_by_key(ToString::to_string),
                _ => {}
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether values may be shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Value,
    Nothing,
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, shown: Shown, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let parts = match (before.map(members), after.map(members)) {
        (Some(Some(one)), Some(Some(other))) => Some((one, other)),
        (Some(Some(one)), None) => Some((one, BTreeMap::new())),
        (None, Some(Some(other))) => Some((BTreeMap::new(), other)),
        _ => None,
    };
    if let Some((one, other)) = parts {
        let mut names: Vec<&String> = one.keys().collect();
        names.extend(other.keys().filter(|name| !one.contains_key(*name)));
        for name in names {
            let inner = if path.is_empty() { readable(name) } else { format!("{path}.{name}") };
            walk(&inner, one.get(name), other.get(name), hidden(path, name, shown), found);
        }
        return;
    }
    let show = |value: &Value| match shown {
        Shown::Nothing => "(not shown)".to_owned(),
        Shown::Value => shorten(value),
    };
    let after_text = after.map(|value| match (shown, before) {
        (Shown::Nothing, Some(_)) => "(another value, not shown)".to_owned(),
        _ => show(value),
    });
    found.push(FieldChange { path: path.to_owned(), before: before.map(show), after: after_text });
}

/// Parts that are compared by name: objects, and lists of named or keyed objects.
fn members(value: &Value) -> Option<BTreeMap<String, Value>> {
    match value {
        Value::Object(map) => Some(map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
        Value::Array(items) => {
            let mut named = BTreeMap::new();
            for item in items {
                let key = item.get("name").or_else(|| item.get("key"))?.as_str()?;
                // A pair is its value, so that its path ends in its name.
                let pair = item.as_object().filter(|pair| pair.len() == 2);
                let value = pair.and_then(|pair| pair.get("value").or_else(|| pair.get("valueFrom")));
                if named.insert(key.to_owned(), value.unwrap_or(item).clone()).is_some() {
                    return None;
                }
            }
            Some(named)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn readable(field: &str) -> String {
    if field == "containerDefinitions" { "containers".to_owned() } else { field.to_owned() }
}

/// Environment values may be secrets that should not be; so may log options with telling names.
fn hidden(path: &str, name: &str, shown: Shown) -> Shown {
    let name = name.to_ascii_lowercase();
    let telling = ["token", "password", "secret", "key"].iter().any(|word| name.contains(word));
    if path.ends_with(".environment") || name == "environment" || (path.ends_with(".options") && telling) {
        Shown::Nothing
    } else {
        shown
    }
}

fn shorten(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= 160 {
        return text;
    }
    text.chars().take(159).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
