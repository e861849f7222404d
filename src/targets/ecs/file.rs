//! A task definition file in place of the live one.
//!
//! Taken: what `register-task-definition --cli-input-json` takes, and what
//! `describe-task-definition` prints, with or without its outer object.

use std::path::Path;

use serde_json::{Map, Value};

use super::render::registrable;
use crate::problem::{Place, Problem};

/// Reads a file, relative to the repository.
pub(super) async fn read(root: &Path, path: &Path) -> Result<Map<String, Value>, Problem> {
    let name = path.display().to_string();
    let text = tokio::fs::read_to_string(root.join(path)).await.map_err(|error| {
        Problem::mistake(
            "task-definition-unreadable",
            format!("the task definition file {name} cannot be read: {error}"),
            "Correct the path in `task-definition` (relative to the repository), or remove it to start from the live one.",
        )
    })?;
    parse(&text, &name)
}

/// What a registration of the file would send.
pub(super) fn parse(text: &str, name: &str) -> Result<Map<String, Value>, Problem> {
    let place = |line| Place { file: name.to_owned(), line, path: String::new() };
    let wrong = |what: String, line| {
        Problem::mistake(
            "task-definition-invalid",
            what,
            "Give the JSON that `aws ecs describe-task-definition` prints, or that `register-task-definition` takes.",
        )
        .at(place(line))
    };
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| wrong(format!("the task definition is not JSON: {error}"), Some(error.line())))?;
    let Value::Object(mut content) = value else {
        return Err(wrong("the task definition is not a JSON object".to_owned(), None));
    };
    if let Some(Value::Object(inner)) = content.get("taskDefinition").cloned() {
        let tags = content.shift_remove("tags");
        content = inner;
        if let Some(tags @ Value::Array(_)) = tags {
            content.insert("tags".to_owned(), tags);
        }
    }
    let content = registrable(content);
    if content.get("family").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(wrong("the task definition has no `family`".to_owned(), None));
    }
    if content.get("containerDefinitions").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(wrong("the task definition has no `containerDefinitions`".to_owned(), None));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_task_definition_is_taken_with_its_tags_and_without_what_ecs_added() {
        let text = r#"{"taskDefinition": {"taskDefinitionArn": "arn:x", "revision": 3, "family": "api", "later": {"b": 1, "a": 2},
            "containerDefinitions": [{"name": "app"}]}, "tags": [{"key": "team", "value": "x"}, {"key": "aws:y", "value": "z"}]}"#;
        let content = Value::Object(parse(text, "td.json").unwrap());
        let expected = r#"{"family":"api","later":{"b":1,"a":2},"containerDefinitions":[{"name":"app"}],"tags":[{"key":"team","value":"x"}]}"#;
        assert_eq!(content.to_string(), expected);
    }

    #[test]
    fn a_file_that_is_not_a_task_definition_is_refused_with_its_line() {
        for (text, what, line) in [
            ("{\n\"family\": api}", "is not JSON", Some(2)),
            ("[]", "is not a JSON object", None),
            ("{}", "has no `family`", None),
            (r#"{"family": "api"}"#, "has no `containerDefinitions`", None),
        ] {
            let problem = parse(text, "td.json").unwrap_err();
            assert!(problem.what.contains(what), "{problem}");
            assert_eq!(problem.exit_code(), 2);
            assert_eq!(problem.place.unwrap().line, line);
        }
    }
}
