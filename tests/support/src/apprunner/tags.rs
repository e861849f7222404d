//! Tags of services: `TagResource`, `UntagResource`, `ListTagsForResource`.

use serde_json::{Value, json};

use super::AppRunner;
use crate::reply::{Answer, ApiError, text};

impl AppRunner {
    pub(super) fn tag(&mut self, body: &Value) -> Answer {
        let service = self.named(&resource(body))?;
        let asked: Vec<&str> =
            body["Tags"].as_array().into_iter().flatten().filter_map(|tag| text(tag, "Key")).collect();
        let new = asked.iter().filter(|key| !service.tags.contains_key(**key)).count();
        // App Runner developer guide, "Tagging": 50 a resource.
        if service.tags.len() + new > 50 {
            return Err(ApiError::bad("InvalidRequestException", "A resource can have at most 50 tags."));
        }
        for tag in body["Tags"].as_array().into_iter().flatten() {
            let (key, value) = (text(tag, "Key").unwrap_or_default(), text(tag, "Value").unwrap_or_default());
            service.tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(json!({}))
    }

    pub(super) fn untag(&mut self, body: &Value) -> Answer {
        let service = self.named(&resource(body))?;
        for key in body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            service.tags.remove(key);
        }
        Ok(json!({}))
    }

    pub(super) fn tags(&mut self, body: &Value) -> Answer {
        let service = self.named(&resource(body))?;
        let tags: Vec<_> = service.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        Ok(json!({ "Tags": tags }))
    }
}

/// The service these requests mean, named as the other requests name it.
fn resource(body: &Value) -> Value {
    json!({"ServiceArn": body["ResourceArn"]})
}
