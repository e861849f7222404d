//! An App Runner service as it was described, and the configuration that an update sends whole.
//!
//! Pure. A [`Configuration`] is a complete `UpdateService` request made of what `DescribeService`
//! said, member for member, unknown ones included. Members of the service that are not part of it
//! (name, encryption key, anything an update does not carry) stay as they are because an update
//! changes only the members it has (App Runner API reference, `UpdateService`).

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::rollout::{FieldChange, Revision};
use crate::types::{CommitSha, ImageRef, PinnedImage};

/// A described service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service(Value);

impl Service {
    /// Nothing when it is not an object.
    pub(super) fn of(described: Value) -> Option<Self> {
        described.is_object().then_some(Self(described))
    }

    /// As it was read.
    pub(super) fn described(self) -> Value {
        self.0
    }

    fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.text("ServiceName")
    }

    pub(super) fn status(&self) -> &str {
        self.text("Status")
    }

    /// The https address that serves.
    pub(super) fn url(&self) -> Option<String> {
        let host = self.text("ServiceUrl");
        (!host.is_empty()).then(|| format!("https://{host}"))
    }

    /// Whether it runs an image rather than source code.
    pub(super) fn runs_image(&self) -> bool {
        self.0["SourceConfiguration"]["ImageRepository"].is_object()
    }

    /// Whether a push to the image's tag starts a deployment by itself.
    pub(super) fn deploys_by_itself(&self) -> bool {
        self.0["SourceConfiguration"]["AutoDeploymentsEnabled"] == json!(true)
    }

    /// `/aws/apprunner/<name>/<id>/<kind>`, kind `service` or `application` (App Runner developer
    /// guide, "Viewing App Runner logs streamed to CloudWatch Logs").
    pub(super) fn log_group(&self, kind: &str) -> String {
        format!("/aws/apprunner/{}/{}/{kind}", self.name(), self.text("ServiceId"))
    }

    /// Names of its secrets and where they are kept.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let image = &self.0["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"];
        let named = image["RuntimeEnvironmentSecrets"].as_object().into_iter().flatten();
        named.filter_map(|(name, from)| Some((name.clone(), from.as_str()?.to_owned()))).collect()
    }

    /// The health check in words, with the port.
    pub(super) fn health_check(&self) -> String {
        let check = &self.0["HealthCheckConfiguration"];
        let protocol = check["Protocol"].as_str().unwrap_or("TCP");
        let port = runtime(&self.0)["Port"].as_str().unwrap_or("8080");
        let seconds = |member: &str, default: u64| check[member].as_u64().unwrap_or(default);
        let path = if protocol == "HTTP" { check["Path"].as_str().unwrap_or("/") } else { "" };
        let space = if path.is_empty() { "" } else { " " };
        format!(
            "{protocol}{space}{path} on port {port}, every {} s, {} s to answer, unhealthy after {} failures",
            seconds("Interval", 5),
            seconds("Timeout", 2),
            seconds("UnhealthyThreshold", 5),
        )
    }

    /// The whole `UpdateService` request that keeps everything.
    pub(super) fn configuration(&self) -> Configuration {
        let mut input = Map::new();
        input.insert("ServiceArn".to_owned(), self.0["ServiceArn"].clone());
        for member in [
            "SourceConfiguration",
            "InstanceConfiguration",
            "HealthCheckConfiguration",
            "NetworkConfiguration",
            "ObservabilityConfiguration",
        ] {
            if let Some(value @ Value::Object(_)) = self.0.get(member) {
                input.insert(member.to_owned(), value.clone());
            }
        }
        if let arn @ Value::String(_) = &self.0["AutoScalingConfigurationSummary"]["AutoScalingConfigurationArn"] {
            input.insert("AutoScalingConfigurationArn".to_owned(), arn.clone());
        }
        Configuration(Value::Object(input))
    }
}

/// A complete `UpdateService` request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Configuration(pub(super) Value);

impl Configuration {
    /// The configuration in a revision's facts.
    pub(super) fn of(revision: &Revision) -> Self {
        Self(revision.facts.clone())
    }

    pub(super) fn input(&self) -> &Value {
        &self.0
    }

    pub(super) fn service_arn(&self) -> &str {
        self.0["ServiceArn"].as_str().unwrap_or_default()
    }

    fn repository(&self) -> &Value {
        &self.0["SourceConfiguration"]["ImageRepository"]
    }

    /// The image as it is written.
    pub(super) fn image(&self) -> &str {
        self.repository()["ImageIdentifier"].as_str().unwrap_or_default()
    }

    /// `ECR` or `ECR_PUBLIC`.
    pub(super) fn repository_type(&self) -> &str {
        self.repository()["ImageRepositoryType"].as_str().unwrap_or_default()
    }

    /// The same configuration with another image.
    pub(super) fn with_image(&self, image: &str) -> Self {
        let mut input = self.0.clone();
        input["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = json!(image);
        Self(input)
    }

    /// The same configuration with these variables and secrets set; the others stay. A name moves
    /// from one to the other, because App Runner does not take it in both.
    pub(super) fn with_environment<'a>(
        &self,
        variables: impl IntoIterator<Item = (&'a String, &'a String)>,
        secrets: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let mut input = self.0.clone();
        let (plain, secret) = ("RuntimeEnvironmentVariables", "RuntimeEnvironmentSecrets");
        let set = variables.into_iter().map(|pair| ((secret, plain), pair));
        let set = set.chain(secrets.into_iter().map(|pair| ((plain, secret), pair)));
        for ((leaves, enters), (name, value)) in set {
            let runtime = runtime_mut(&mut input);
            if let Some(other) = runtime.get_mut(leaves).and_then(Value::as_object_mut) {
                other.shift_remove(name);
            }
            runtime[enters][name] = json!(value);
        }
        Self(input)
    }

    /// The configuration as a revision; its id is the same exactly when nothing differs.
    pub(super) fn revision(&self, commit: Option<CommitSha>) -> Revision {
        let image = self.image();
        let reference: Option<ImageRef> = image.parse().ok();
        let pinned = reference.as_ref().and_then(|known| known.digest().map(|digest| known.pinned(digest)));
        Revision {
            id: self.id(),
            name: reference.as_ref().map_or_else(|| image.to_owned(), short),
            commit: commit.or_else(|| reference.as_ref()?.tag()?.as_str().parse().ok()),
            image: pinned,
            image_text: image.to_owned(),
            facts: self.0.clone(),
        }
    }

    /// SHA-256 over the canonical form.
    pub(super) fn id(&self) -> String {
        let canonical = canonical(&self.0).map_or_else(String::new, |value| value.to_string());
        hex::encode(Sha256::digest(canonical.as_bytes()))
    }

    /// What differs, for people. Values of environment variables are not shown: they may be
    /// secrets of a service that was set up carelessly.
    pub(super) fn changes_to(&self, new: &Self) -> Vec<FieldChange> {
        let mut found = Vec::new();
        compare("", Some(&self.0), Some(&new.0), &mut found);
        found.sort_by(|a, b| (a.path != "image", &a.path).cmp(&(b.path != "image", &b.path)));
        found
    }
}

/// Where port, start command and environment of a service stand.
fn runtime(of: &Value) -> &Value {
    let source = &of["SourceConfiguration"];
    if source["CodeRepository"].is_object() {
        &source["CodeRepository"]["CodeConfiguration"]["CodeConfigurationValues"]
    } else {
        &source["ImageRepository"]["ImageConfiguration"]
    }
}

/// The same, to be written.
pub(super) fn runtime_mut(of: &mut Value) -> &mut Value {
    let source = &mut of["SourceConfiguration"];
    if source["CodeRepository"].is_object() {
        &mut source["CodeRepository"]["CodeConfiguration"]["CodeConfigurationValues"]
    } else {
        &mut source["ImageRepository"]["ImageConfiguration"]
    }
}

/// `astro-ai:latest`, `astro-ai@sha256:012345678901`.
fn short(image: &ImageRef) -> String {
    let path = image.repository().as_str();
    let name = path.rsplit('/').next().unwrap_or(path);
    match (image.tag(), image.digest()) {
        (Some(tag), _) => format!("{name}:{tag}"),
        (None, Some(digest)) => format!("{name}@{}", digest.short()),
        (None, None) => name.to_owned(),
    }
}

/// Sorted, without what means the same as absent: null and empty objects.
fn canonical(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => {
            let mut members: Vec<_> =
                map.iter().filter_map(|(name, of)| Some((name.clone(), canonical(of)?))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            (!members.is_empty()).then(|| Value::Object(members.into_iter().collect()))
        }
        other => Some(other.clone()),
    }
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    let empty = Map::new();
    if before.is_some_and(Value::is_object) || after.is_some_and(Value::is_object) {
        let old = before.and_then(Value::as_object).unwrap_or(&empty);
        let new = after.and_then(Value::as_object).unwrap_or(&empty);
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            compare(&join(path, name), old.get(name), new.get(name), found);
        }
    } else if before != after {
        let show = |value: Option<&Value>| {
            value.filter(|value| !value.is_null()).map(|value| match value {
                _ if path.starts_with("environment.") => "(value not shown)".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        found.push(FieldChange { path: path.to_owned(), before: show(before), after: show(after) });
    }
}

const IMAGE_VALUES: &str = "SourceConfiguration.ImageRepository.ImageConfiguration";
const CODE_VALUES: &str = "SourceConfiguration.CodeRepository.CodeConfiguration.CodeConfigurationValues";

/// The path in the words of our configuration where it has some.
fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("SourceConfiguration.ImageRepository", "ImageIdentifier") => "image".to_owned(),
        (IMAGE_VALUES | CODE_VALUES, "RuntimeEnvironmentSecrets") => "secrets".to_owned(),
        (IMAGE_VALUES | CODE_VALUES, "RuntimeEnvironmentVariables") => "environment".to_owned(),
        ("SourceConfiguration.CodeRepository.SourceCodeVersion", "Value") => "branch".to_owned(),
        ("", name) => name.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

/// How an image is written into the configuration: by digest, which the API's pattern for
/// `ImageIdentifier` takes beside a tag (App Runner API reference, `ImageRepository`).
pub(super) fn identifier(image: &PinnedImage) -> String {
    image.by_digest()
}

/// The `ImageRepositoryType` of an image; nothing when App Runner cannot pull from there.
pub(super) fn repository_type(image: &PinnedImage) -> Option<&'static str> {
    let host = image.reference().registry();
    if host.as_str() == "public.ecr.aws" { Some("ECR_PUBLIC") } else { host.ecr().map(|_| "ECR") }
}

#[cfg(test)]
mod tests;
