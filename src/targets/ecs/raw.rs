//! Task definitions as the raw JSON that ECS sends and takes.
//!
//! The SDK's types would drop every field they do not know, so the typed shapes are used for
//! nothing but sending: the response body is read beside them, the request body is put in their
//! place before the request is signed. What is done with the JSON is in `render`.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::TaskDefinitionField;
use serde_json::{Map, Value};

use crate::aws::failure;
use crate::aws::raw::{KeptBody, unreadable, with_body};
use crate::engine::ProviderFailure;

/// A task definition as ECS has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    /// Its ARN, revision included.
    pub(super) arn: String,
    /// The `taskDefinition` member, unknown fields included, in its order.
    pub(super) raw: Map<String, Value>,
    /// The `tags` member beside it.
    pub(super) tags: Vec<Value>,
}

impl Definition {
    /// `family:revision`.
    pub(super) fn name(&self) -> &str {
        short(&self.arn)
    }

    /// Whether it was deregistered: it can go on running, but cannot be deployed.
    pub(super) fn is_inactive(&self) -> bool {
        self.raw.get("status").and_then(Value::as_str) == Some("INACTIVE")
    }
}

/// `family:revision` of a task definition ARN.
pub(super) fn short(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

/// Reads a task definition by ARN, `family:revision` or `family` (its newest active revision).
pub(super) async fn describe(client: &Client, name: &str) -> Result<Definition, ProviderFailure> {
    let operation = "ecs:DescribeTaskDefinition";
    let body = KeptBody::default();
    let asked = client.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    asked.customize().interceptor(body.clone()).send().await.map_err(|error| failure(operation, &error))?;
    definition(operation, body.answer(operation)?)
}

/// Registers exactly this content. Not retried here: a lost answer is looked for by who calls.
pub(super) async fn register(client: &Client, content: &Map<String, Value>) -> Result<Definition, ProviderFailure> {
    let operation = "ecs:RegisterTaskDefinition";
    let text = Value::Object(content.clone()).to_string();
    let body = KeptBody::default();
    let family = content.get("family").and_then(Value::as_str).unwrap_or_default();
    let sent = client
        .register_task_definition()
        .family(family)
        .customize()
        .mutate_request(with_body(text))
        .interceptor(body.clone());
    sent.send().await.map_err(|error| failure(operation, &error))?;
    definition(operation, body.answer(operation)?)
}

fn definition(operation: &str, answer: Value) -> Result<Definition, ProviderFailure> {
    let Value::Object(mut answer) = answer else { return Err(unreadable(operation, "the answer is not an object")) };
    let Some(Value::Object(raw)) = answer.remove("taskDefinition") else {
        return Err(unreadable(operation, "the answer has no task definition"));
    };
    let arn = raw.get("taskDefinitionArn").and_then(Value::as_str).map(str::to_owned);
    let arn = arn.ok_or_else(|| unreadable(operation, "the task definition has no ARN"))?;
    let tags = match answer.remove("tags") {
        Some(Value::Array(tags)) => tags,
        _ => Vec::new(),
    };
    Ok(Definition { arn, raw, tags })
}
