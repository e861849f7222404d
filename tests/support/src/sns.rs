//! SNS: topics that a test planted, and what was published to them.

use serde_json::{Value, json};

use crate::env::Env;
use crate::query::Form;
use crate::reply::{ApiError, Millis};

/// The topics and their messages.
#[derive(Debug, Default)]
pub(crate) struct Sns {
    /// ARNs.
    pub(crate) topics: Vec<String>,
    /// `{"topic", "subject", "message", "at_ms"}`, oldest first.
    pub(crate) published: Vec<Value>,
}

/// A message may have 256 KiB.
const MOST: usize = 262_144;

impl Sns {
    /// Answers one action with the inside of its result element.
    pub(crate) fn answer(&mut self, action: &str, form: &Form, now: Millis, env: &Env) -> Result<String, ApiError> {
        if action != "Publish" {
            return Err(ApiError::bad(
                "InvalidAction",
                format!("The action {action} is not valid for this web service."),
            ));
        }
        let topic = form.get("TopicArn").cloned().unwrap_or_default();
        let invalid = |what: &str| Err(ApiError::bad("InvalidParameter", format!("Invalid parameter: {what}")));
        if topic.is_empty() {
            return invalid("TopicArn or TargetArn Reason: no value for required parameter");
        }
        let parts: Vec<&str> = topic.split(':').collect();
        if parts.len() != 6 || parts[2] != "sns" || parts[3] != env.region {
            return invalid("TopicArn");
        }
        if !self.topics.contains(&topic) {
            return Err(ApiError::with(404, "NotFound", "Topic does not exist"));
        }
        let message = form.get("Message").cloned().unwrap_or_default();
        if message.is_empty() {
            return invalid("Empty message");
        }
        if message.len() > MOST {
            return invalid("Message too long");
        }
        // Another text for each protocol: one of them is everybody else's.
        if let Some(structure) = form.get("MessageStructure") {
            let texts: Value = serde_json::from_str(&message).unwrap_or(Value::Null);
            if structure != "json" || !texts.is_object() {
                return invalid("Message Structure - JSON message body failed to parse");
            }
            if !texts["default"].is_string() {
                return invalid("Message Structure - No default entry in JSON message body");
            }
        }
        let subject = form.get("Subject").cloned();
        // No line breaks or control characters, and less than 100 characters.
        let bad = |text: &String| text.is_empty() || text.chars().count() >= 100 || text.chars().any(char::is_control);
        if subject.as_ref().is_some_and(bad) {
            return invalid("Subject");
        }
        self.published.push(json!({"topic": topic, "subject": subject, "message": message, "at_ms": now}));
        Ok(format!("<MessageId>94f20ce6-13c5-43a0-9a9e-{:012}</MessageId>", self.published.len()))
    }
}
