//! Task definitions as the raw JSON that ECS sends and takes.
//!
//! The SDK's types would drop every field they do not know, so the typed shapes are used for
//! nothing but sending: the response body is read beside them, the request body is put in their
//! place before the request is signed. What is done with the JSON is in `render`.

use std::sync::{Arc, Mutex};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::types::TaskDefinitionField;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value};

use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

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

/// Keeps the body of the last response.
#[derive(Debug, Clone, Default)]
struct Body(Arc<Mutex<Vec<u8>>>);

#[dyn_dispatch_hint]
impl Intercept for Body {
    fn name(&self) -> &'static str {
        "RawTaskDefinition"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(bytes), Ok(mut kept)) = (context.response().body().bytes(), self.0.lock()) {
            kept.clear();
            kept.extend_from_slice(bytes);
        }
        Ok(())
    }
}

/// Reads a task definition by ARN, `family:revision` or `family` (its newest active revision).
pub(super) async fn describe(client: &Client, name: &str) -> Result<Definition, ProviderFailure> {
    let operation = "ecs:DescribeTaskDefinition";
    let body = Body::default();
    let asked = client.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    asked.customize().interceptor(body.clone()).send().await.map_err(|error| failure(operation, &error))?;
    let bytes = body.0.lock().map(|kept| kept.clone()).unwrap_or_default();
    definition(operation, &bytes)
}

/// Registers exactly this content. Not retried here: a lost answer is looked for by who calls.
pub(super) async fn register(client: &Client, content: &Map<String, Value>) -> Result<Definition, ProviderFailure> {
    let operation = "ecs:RegisterTaskDefinition";
    let text = Value::Object(content.clone()).to_string();
    let body = Body::default();
    let family = content.get("family").and_then(Value::as_str).unwrap_or_default();
    let sent = client
        .register_task_definition()
        .family(family)
        .customize()
        .mutate_request(move |request| {
            request.headers_mut().insert("content-length", text.len().to_string());
            *request.body_mut() = SdkBody::from(text.as_str());
        })
        .interceptor(body.clone());
    sent.send().await.map_err(|error| failure(operation, &error))?;
    let bytes = body.0.lock().map(|kept| kept.clone()).unwrap_or_default();
    definition(operation, &bytes)
}

fn definition(operation: &str, bytes: &[u8]) -> Result<Definition, ProviderFailure> {
    let unreadable = |message: String| ProviderFailure {
        operation: operation.to_owned(),
        code: None,
        message,
        request_id: None,
        kind: FailureKind::Unavailable,
    };
    let answer: Value = serde_json::from_slice(bytes).map_err(|error| unreadable(format!("unreadable: {error}")))?;
    let Value::Object(mut answer) = answer else { return Err(unreadable("the answer is not an object".to_owned())) };
    let Some(Value::Object(raw)) = answer.remove("taskDefinition") else {
        return Err(unreadable("the answer has no task definition".to_owned()));
    };
    let arn = raw.get("taskDefinitionArn").and_then(Value::as_str).map(str::to_owned);
    let arn = arn.ok_or_else(|| unreadable("the task definition has no ARN".to_owned()))?;
    let tags = match answer.remove("tags") {
        Some(Value::Array(tags)) => tags,
        _ => Vec::new(),
    };
    Ok(Definition { arn, raw, tags })
}
