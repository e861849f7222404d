//! Task definitions: kept as the document that was registered, unknown members
//! included and in their order; ECS's own members are added around it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text};

/// One revision of a family.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// Its ARN.
    pub(crate) arn: String,
    /// The `taskDefinition` member of answers.
    pub(crate) document: Value,
    tags: Value,
}

impl Definition {
    /// The container definitions.
    pub(crate) fn containers(&self) -> &[Value] {
        self.document["containerDefinitions"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The images, in container order.
    pub(crate) fn images(&self) -> Vec<String> {
        let image = |container: &Value| text(container, "image").unwrap_or_default().to_owned();
        self.containers().iter().map(image).collect()
    }

    /// The container whose end ends the task: the first essential one.
    pub(crate) fn essential(&self) -> Option<&str> {
        let essential = |container: &&Value| container["essential"] != Value::Bool(false);
        self.containers().iter().find(essential).and_then(|container| text(container, "name"))
    }

    fn is_active(&self) -> bool {
        self.document["status"] == "ACTIVE"
    }
}

/// Every family with its revisions; revision 1 is at index 0.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    families: BTreeMap<String, Vec<Definition>>,
}

impl Definitions {
    /// Finds by ARN, `family:revision` or `family` (its newest active one).
    pub(crate) fn find(&self, asked: &str) -> Option<&Definition> {
        let name = asked.rsplit('/').next().unwrap_or(asked);
        match name.rsplit_once(':') {
            Some((family, revision)) => {
                let index = revision.parse::<usize>().ok()?.checked_sub(1)?;
                self.families.get(family)?.get(index)
            }
            None => self.families.get(name)?.iter().rev().find(|definition| definition.is_active()),
        }
    }

    /// The same, for a client that wants to run it.
    ///
    /// # Errors
    ///
    /// `ClientException` when there is none or it is `INACTIVE`.
    pub(crate) fn usable(&self, asked: &str) -> Result<&Definition, ApiError> {
        let definition = self.find(asked).ok_or_else(not_found)?;
        if definition.is_active() {
            return Ok(definition);
        }
        Err(ApiError::bad("ClientException", "TaskDefinition is inactive"))
    }

    /// `RegisterTaskDefinition`.
    pub(crate) fn register(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let family = text(body, "family")
            .ok_or_else(|| ApiError::bad("ClientException", "Family should not be null or empty."))?;
        let containers = body["containerDefinitions"].as_array().filter(|list| !list.is_empty());
        let containers =
            containers.ok_or_else(|| ApiError::bad("ClientException", "Container list cannot be empty."))?;
        for container in containers {
            if text(container, "name").is_none() {
                return Err(ApiError::bad("ClientException", "Container.name should not be null or empty."));
            }
            if text(container, "image").is_none() {
                return Err(ApiError::bad("ClientException", "Container.image should not be null or empty."));
            }
        }
        let fargate =
            body["requiresCompatibilities"].as_array().is_some_and(|list| list.iter().any(|item| item == "FARGATE"));
        if fargate && (text(body, "cpu").is_none() || text(body, "memory").is_none()) {
            return Err(ApiError::bad(
                "ClientException",
                "Fargate requires task definition to have a cpu and memory value.",
            ));
        }
        let revisions = self.families.entry(family.to_owned()).or_default();
        let revision = revisions.len() + 1;
        let arn = env.arn("ecs", &format!("task-definition/{family}:{revision}"));
        let mut document = Map::new();
        document.insert("taskDefinitionArn".to_owned(), json!(arn));
        let kept = body.as_object().into_iter().flatten();
        document.extend(kept.filter(|(name, _)| *name != "tags").map(|(k, v)| (k.clone(), v.clone())));
        let mut document = Value::Object(document);
        for member in ["volumes", "placementConstraints"] {
            if document.get(member).is_none() {
                document[member] = json!([]);
            }
        }
        document["revision"] = json!(revision);
        document["status"] = json!("ACTIVE");
        document["requiresAttributes"] = json!([]);
        document["compatibilities"] = if fargate { json!(["EC2", "FARGATE"]) } else { json!(["EC2"]) };
        document["registeredAt"] = seconds(now);
        document["registeredBy"] = json!(format!("arn:aws:iam::{}:user/deployer", env.account));
        let tags = body.get("tags").cloned().unwrap_or_else(|| json!([]));
        let answer = json!({"taskDefinition": document, "tags": tags});
        revisions.push(Definition { arn, document, tags });
        Ok(answer)
    }

    /// `DescribeTaskDefinition`.
    pub(crate) fn describe(&self, body: &Value) -> Answer {
        let asked = text(body, "taskDefinition").unwrap_or_default();
        let found =
            self.find(asked).ok_or_else(|| ApiError::bad("ClientException", "Unable to describe task definition."))?;
        let mut answer = json!({"taskDefinition": found.document});
        let tags = body["include"].as_array().is_some_and(|list| list.iter().any(|item| item == "TAGS"));
        put(&mut answer, "tags", tags.then(|| found.tags.clone()));
        Ok(answer)
    }

    /// `DeregisterTaskDefinition`: services that use it go on.
    pub(crate) fn deregister(&mut self, body: &Value, now: Millis) -> Answer {
        let asked = text(body, "taskDefinition").unwrap_or_default();
        if !asked.rsplit('/').next().is_some_and(|name| name.contains(':')) {
            return Err(ApiError::bad("InvalidParameterException", "Revision is required."));
        }
        let arn = self.find(asked).ok_or_else(not_found)?.arn.clone();
        let definition = self.families.values_mut().flatten().find(|known| known.arn == arn);
        let definition = definition.ok_or_else(not_found)?;
        definition.document["status"] = json!("INACTIVE");
        definition.document["deregisteredAt"] = seconds(now);
        Ok(json!({"taskDefinition": definition.document}))
    }

    /// `ListTaskDefinitions`: `familyPrefix` is the full name of one family.
    pub(crate) fn list(&self, body: &Value) -> Value {
        let family = text(body, "familyPrefix");
        let status = text(body, "status").unwrap_or("ACTIVE");
        let mut arns: Vec<String> = self
            .families
            .iter()
            .filter(|(name, _)| family.is_none_or(|family| family == *name))
            .flat_map(|(_, revisions)| revisions)
            .filter(|definition| definition.document["status"] == status)
            .map(|definition| definition.arn.clone())
            .collect();
        if text(body, "sort") == Some("DESC") {
            arns.reverse();
        }
        let size = number(body, "maxResults").and_then(|size| usize::try_from(size).ok());
        let (arns, next) = page(arns, text(body, "nextToken"), size.unwrap_or(100));
        let mut answer = json!({ "taskDefinitionArns": arns });
        put(&mut answer, "nextToken", next);
        answer
    }
}

fn not_found() -> ApiError {
    ApiError::bad("ClientException", "Unable to describe task definition.")
}
