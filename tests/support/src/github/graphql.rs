//! `POST /graphql`: a repository with its policy file, a pull request and deployments; folding
//! comments away. Fields that are not known here are refused as GitHub refuses what it does not know.

mod fields;
mod pull;

use serde_json::{Map, Value, json};

use super::access::{self, Level, Needed};
use super::apps::Caller;
use super::entry::Ask;
use super::query_language::{Operation, Selection, read};
use super::{GitHub, refused};
use crate::reply::text;
use crate::server::Reply;
use fields::Look;

/// One error of an answer.
#[derive(Debug)]
struct Failure {
    kind: Option<&'static str>,
    message: String,
}

impl Failure {
    fn unknown_field(name: &str, kind: &str) -> Self {
        Self { kind: None, message: format!("Field '{name}' doesn't exist on type '{kind}'") }
    }

    fn forbidden() -> Self {
        Self { kind: Some("FORBIDDEN"), message: "Resource not accessible by integration".to_owned() }
    }

    fn not_found(message: String) -> Self {
        Self { kind: Some("NOT_FOUND"), message }
    }
}

/// An answer while it grows: what failed where.
#[derive(Default)]
struct Errors(Vec<Value>);

impl Errors {
    fn note(&mut self, failure: &Failure, path: &[String]) {
        let mut error = json!({"path": path, "locations": [{"line": 1, "column": 1}], "message": failure.message});
        if let Some(kind) = failure.kind {
            error["type"] = json!(kind);
        }
        self.0.push(error);
    }
}

impl GitHub {
    pub(super) fn graphql(&mut self, ask: &Ask<'_>) -> Reply {
        if ask.method != "POST" {
            return super::missing();
        }
        if !matches!(ask.caller, Caller::Installation(_)) {
            return refused(401, "Bad credentials");
        }
        let variables = ask.body.get("variables").and_then(Value::as_object).cloned().unwrap_or_default();
        let failed = |message: &str| Reply::json(200, &json!({"errors": [{"message": message}]}));
        let Some(query) = text(ask.body, "query") else {
            return failed("A query attribute must be specified and must be a string.");
        };
        let operation = match read(query, &variables) {
            Ok(operation) => operation,
            Err(why) => return failed(&why),
        };
        if let Some(asked) = text(ask.body, "operationName")
            && operation.name.as_deref() != Some(asked)
        {
            return failed(&format!("No operation named \"{asked}\""));
        }
        let mut errors = Errors::default();
        let data = if operation.kind == "mutation" {
            self.mutate(&operation, ask, &mut errors)
        } else {
            let look = Look { github: self, ask };
            look.select("Query", &operation.selections, &[], &mut errors, &|name, arguments| look.root(name, arguments))
        };
        // A request that does not fit the schema has no data at all.
        let invalid = errors.0.iter().any(|error| error.get("type").is_none());
        let mut document = if invalid { json!({}) } else { json!({"data": data}) };
        if !errors.0.is_empty() {
            document["errors"] = json!(errors.0);
        }
        Reply::json(200, &document)
    }

    fn mutate(&mut self, operation: &Operation, ask: &Ask<'_>, errors: &mut Errors) -> Value {
        let mut data = Map::new();
        for selection in &operation.selections {
            let Selection::Field { alias, name, arguments, inside } = selection else { continue };
            let path = vec![alias.clone()];
            let done = match name.as_str() {
                "minimizeComment" => self.minimize_comment(arguments, ask),
                _ => Err(Failure::unknown_field(name, "Mutation")),
            };
            let value = match done {
                Ok(document) => pick(&document, inside, "MinimizeCommentPayload", &path, errors),
                Err(failure) => {
                    errors.note(&failure, &path);
                    Value::Null
                }
            };
            data.insert(alias.clone(), value);
        }
        Value::Object(data)
    }

    /// `minimizeComment(input: {subjectId, classifier})`.
    fn minimize_comment(&mut self, arguments: &Map<String, Value>, ask: &Ask<'_>) -> Result<Value, Failure> {
        let input = arguments.get("input").cloned().unwrap_or_default();
        let subject = text(&input, "subjectId").unwrap_or_default().to_owned();
        let classifier = text(&input, "classifier").unwrap_or_default().to_owned();
        if !["ABUSE", "DUPLICATE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "SPAM"].contains(&classifier.as_str()) {
            let message = format!("Argument 'classifier' on InputObject has an invalid value ({classifier})");
            return Err(Failure { kind: None, message });
        }
        let id = subject.strip_prefix("IC_").and_then(|id| id.parse::<u64>().ok());
        let found = id.and_then(|id| {
            let has = |full: &&String| self.comment(full, id).is_some();
            Some((self.repositories.keys().find(has)?.clone(), id))
        });
        let nowhere = || Failure::not_found(format!("Could not resolve to a node with the global id of '{subject}'"));
        let (full, id) = found.ok_or_else(nowhere)?;
        let Caller::Installation(token) = &ask.caller else { return Err(Failure::forbidden()) };
        let held = self.granted(token, Some(&full)).ok_or_else(nowhere)?;
        let needed: Needed = (&["issues", "pull_requests"], Level::Write);
        if !access::enough(&held, &needed) {
            return Err(Failure::forbidden());
        }
        self.minimize(&full, id, &classifier).ok_or_else(nowhere)?;
        let reason = classifier.to_lowercase().replace('_', "-");
        Ok(json!({
            "clientMutationId": input.get("clientMutationId"),
            "minimizedComment": {"isMinimized": true, "minimizedReason": reason, "viewerCanMinimize": true},
        }))
    }
}

/// The selected members of a plain object.
fn pick(document: &Value, selections: &[Selection], kind: &str, path: &[String], errors: &mut Errors) -> Value {
    let mut found = Map::new();
    for selection in selections {
        match selection {
            Selection::On { inside, .. } => {
                let inner = pick(document, inside, kind, path, errors);
                found.extend(inner.as_object().cloned().unwrap_or_default());
            }
            Selection::Field { alias, name, .. } if name == "__typename" => {
                found.insert(alias.clone(), json!(kind));
            }
            Selection::Field { alias, name, inside, .. } => {
                let inner: Vec<String> = path.iter().cloned().chain([alias.clone()]).collect();
                let value = match document.get(name) {
                    Some(value) if value.is_object() => pick(value, inside, name, &inner, errors),
                    Some(value) => value.clone(),
                    None => {
                        errors.note(&Failure::unknown_field(name, kind), &inner);
                        Value::Null
                    }
                };
                found.insert(alias.clone(), value);
            }
        }
    }
    Value::Object(found)
}
