//! The request that makes an Express service, and the same in words to copy: pure.
//!
//! Shipline itself sends it only where the configuration says so (`create`): a service leaves a load
//! balancer that costs money.

use serde_json::{Map, Value, json};

use super::settings;
use crate::config::spec::ExpressSpec;
use crate::types::PinnedImage;

const EXECUTION: &str = "executionRoleArn";
const INFRASTRUCTURE: &str = "infrastructureRoleArn";

/// `aws ecs create-express-gateway-service` with these members of its request, one option a line.
/// The names are those of the API (`CreateExpressGatewayService`), the values are quoted for a shell.
pub fn command(region: &str, members: &Map<String, Value>) -> String {
    let mut lines = vec![format!("aws ecs create-express-gateway-service --region {region}")];
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(format!("--{} {}", option(name), quoted(&text)));
    }
    lines.join(" \\\n    ")
}

/// The roles every Express service needs, as they are called in AWS's own guide.
pub fn roles() -> [(&'static str, Value); 2] {
    [
        (EXECUTION, json!("arn:aws:iam::<account>:role/ecsTaskExecutionRole")),
        (INFRASTRUCTURE, json!("arn:aws:iam::<account>:role/ecsInfrastructureRoleForExpressServices")),
    ]
}

/// The request for the service that `spec` names, with that image.
pub(super) fn request(
    cluster: &str,
    service: &str,
    image: Option<&PinnedImage>,
    spec: &ExpressSpec,
) -> Map<String, Value> {
    let mut members =
        Map::from_iter([("cluster".to_owned(), json!(cluster)), ("serviceName".to_owned(), json!(service))]);
    members.extend(roles().map(|(name, value)| (name.to_owned(), value)));
    if let Some(image) = image {
        members.extend(settings::wanted(Map::new(), image, spec));
    }
    if let Some(role) = &spec.infrastructure_role {
        members.insert(INFRASTRUCTURE.to_owned(), json!(role.to_string()));
    }
    members
}

/// The same with the roles of the configuration and no others.
pub(super) fn wanted(cluster: &str, service: &str, image: &PinnedImage, spec: &ExpressSpec) -> Map<String, Value> {
    let mut members = request(cluster, service, Some(image), spec);
    if spec.execution_role.is_none() {
        members.shift_remove(EXECUTION);
    }
    if spec.infrastructure_role.is_none() {
        members.shift_remove(INFRASTRUCTURE);
    }
    members
}

/// What of a request is the service's configuration.
pub(super) fn settings_of(request: &Map<String, Value>) -> Map<String, Value> {
    let own = |name: &&String| !["cluster", "serviceName", INFRASTRUCTURE].contains(&name.as_str());
    request.iter().filter(|(name, _)| own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `primaryContainer` as `primary-container`.
fn option(member: &str) -> String {
    let mut name = String::new();
    for letter in member.chars() {
        if letter.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the text is for a shell, so a shell reads it")]
    fn every_value_survives_the_shell() {
        let members = json!({
            "serviceName": "web", "cpu": "256",
            "primaryContainer": {"image": "r/web@sha256:1", "environment": [{"name": "MOTTO", "value": "it's $HOME"}]},
            "healthCheckPath": "",
        });
        let text = command("eu-central-1", members.as_object().unwrap());
        let said = std::process::Command::new("sh").arg("-c").arg(text.replacen("aws ecs", "printf '%s|'", 1)).output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        let words: Vec<&str> = said.split('|').collect();
        assert_eq!(words[0..3], ["create-express-gateway-service", "--region", "eu-central-1"]);
        let container = words[words.iter().position(|word| *word == "--primary-container").unwrap() + 1];
        assert_eq!(serde_json::from_str::<Value>(container).unwrap(), members["primaryContainer"]);
        assert_eq!(words[words.iter().position(|word| *word == "--health-check-path").unwrap() + 1], "");
    }
}
