//! AWS App Runner: services and their operations.
//!
//! `operation` is the state machine, `source` what is special about services built from source
//! code; this file reads and writes the service.
//! An update that fails leaves the configuration of before it.

mod operation;
mod source;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text};
use operation::{Kind, Operation};

/// The parts of a service that an update replaces, each as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) source: Value,
    pub(crate) instance: Value,
    pub(crate) health_check: Value,
    pub(crate) network: Value,
    pub(crate) observability: Option<Value>,
    pub(crate) auto_scaling: String,
}

impl Configuration {
    /// The image, or the code repository's address.
    pub(crate) fn image(&self) -> &str {
        text(&self.source["ImageRepository"], "ImageIdentifier")
            .or_else(|| text(&self.source["CodeRepository"], "RepositoryUrl"))
            .unwrap_or_default()
    }
}

/// One service.
#[derive(Debug)]
pub(crate) struct AppRunnerService {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) status: &'static str,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    pub(crate) configuration: Configuration,
    pub(crate) encryption: Option<Value>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Newest first.
    pub(crate) operations: Vec<Operation>,
    /// The commit that serves, where the service is built from source code.
    pub(crate) commit: Option<String>,
    /// Where its branch stood when it was last looked at.
    pub(crate) watched: Option<String>,
    /// When the deployment of a push that was noticed begins.
    pub(crate) noticed: Option<Millis>,
}

/// Every App Runner service of the account.
#[derive(Debug, Default)]
pub(crate) struct AppRunner {
    pub(crate) services: Vec<AppRunnerService>,
}

impl AppRunner {
    /// Replays everything that became due up to `now`.
    pub(crate) fn advance(&mut self, now: Millis, env: &mut Env) {
        for service in &mut self.services {
            // A push happened right after the moves of the request before it.
            service.watch(env);
            service.begin_automatic(now, env);
            while service.step(now, env) {}
        }
    }

    /// Whether any service is built from source code.
    pub(crate) fn builds_source(&self) -> bool {
        self.services.iter().any(|service| service.configuration.builds_source())
    }

    /// Answers one operation.
    pub(crate) fn answer(&mut self, op: &str, body: &Value, now: Millis, env: &mut Env) -> Answer {
        match op {
            "CreateService" => self.create(body, now, env),
            "DescribeService" => Ok(json!({"Service": self.named(body)?.document()})),
            "ListServices" => Ok(self.list(body)),
            "UpdateService" => self.update(body, now, env),
            "StartDeployment" => self.start_deployment(body, now, env),
            "PauseService" => self.switch(body, Kind::Pause, now, env),
            "ResumeService" => self.switch(body, Kind::Resume, now, env),
            "DeleteService" => self.delete(body, now, env),
            "ListOperations" => self.list_operations(body),
            "TagResource" => self.tag(body),
            "UntagResource" => self.untag(body),
            "ListTagsForResource" => self.tags(body),
            _ => Err(ApiError::bad("UnknownOperationException", "")),
        }
    }

    fn named(&mut self, body: &Value) -> Result<&mut AppRunnerService, ApiError> {
        let arn = text(body, "ServiceArn").unwrap_or_default();
        if !arn.starts_with("arn:") {
            return Err(ApiError::bad("InvalidRequestException", "ServiceArn is not a valid ARN."));
        }
        self.services
            .iter_mut()
            .find(|service| service.arn == arn)
            .ok_or_else(|| ApiError::bad("ResourceNotFoundException", format!("Service with ARN '{arn}' not found.")))
    }

    /// Adds a RUNNING service without an operation.
    pub(crate) fn add(&mut self, body: &Value, now: Millis, env: &mut Env) -> Result<usize, ApiError> {
        let name = text(body, "ServiceName")
            .filter(|name| (4..=40).contains(&name.len()))
            .ok_or_else(|| ApiError::bad("InvalidRequestException", "ServiceName must have 4 to 40 characters."))?;
        if self.services.iter().any(|service| service.name == name && service.status != "DELETED") {
            return Err(ApiError::bad(
                "InvalidRequestException",
                format!("Service with the provided name already exists: {name}."),
            ));
        }
        let source = with_source_defaults(&body["SourceConfiguration"])?;
        let id = env.ids.hex();
        let auto_scaling = text(body, "AutoScalingConfigurationArn").map_or_else(
            || env.arn("apprunner", "autoscalingconfiguration/DefaultConfiguration/1/00000000000000000000000000000001"),
            str::to_owned,
        );
        self.services.push(AppRunnerService {
            name: name.to_owned(),
            arn: env.arn("apprunner", &format!("service/{name}/{id}")),
            id,
            status: "RUNNING",
            created: now,
            updated: now,
            configuration: Configuration {
                source,
                instance: with(&json!({"Cpu": "1024", "Memory": "2048"}), body.get("InstanceConfiguration")),
                health_check: with(&health_check(), body.get("HealthCheckConfiguration")),
                network: with(&network(), body.get("NetworkConfiguration")),
                observability: body.get("ObservabilityConfiguration").cloned(),
                auto_scaling,
            },
            encryption: body.get("EncryptionConfiguration").cloned(),
            tags: BTreeMap::new(),
            operations: Vec::new(),
            commit: None,
            watched: None,
            noticed: None,
        });
        let index = self.services.len() - 1;
        for kind in ["service", "application"] {
            let group = self.services[index].log_group(kind);
            env.logs.create_group(&group);
        }
        Ok(index)
    }

    fn create(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let index = self.add(body, now, env)?;
        let service = &mut self.services[index];
        let id = service.begin(Kind::Create, None, now, env);
        Ok(json!({"Service": service.document(), "OperationId": id}))
    }

    /// A part that is sent replaces the stored part as a whole: environment
    /// variables that are not sent again are gone.
    fn update(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let service = self.named(body)?;
        service.refuse_if_busy()?;
        let mut new = service.configuration.clone();
        if let Some(source) = body.get("SourceConfiguration") {
            let old_is_image = new.source.get("ImageRepository").is_some();
            if old_is_image != source.get("ImageRepository").is_some() {
                return Err(ApiError::bad(
                    "InvalidRequestException",
                    "You cannot switch between a code repository and an image repository.",
                ));
            }
            new.source = with_source_defaults(source)?;
        }
        if let Some(instance) = body.get("InstanceConfiguration") {
            new.instance = with(&json!({"Cpu": "1024", "Memory": "2048"}), Some(instance));
        }
        if let Some(check) = body.get("HealthCheckConfiguration") {
            new.health_check = with(&health_check(), Some(check));
        }
        if let Some(sent) = body.get("NetworkConfiguration") {
            new.network = with(&network(), Some(sent));
        }
        if let Some(observability) = body.get("ObservabilityConfiguration") {
            new.observability = Some(observability.clone());
        }
        if let Some(arn) = text(body, "AutoScalingConfigurationArn") {
            arn.clone_into(&mut new.auto_scaling);
        }
        let id = service.begin(Kind::Update, Some(new), now, env);
        Ok(json!({"Service": service.document(), "OperationId": id}))
    }

    fn start_deployment(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let service = self.named(body)?;
        // The API names no InvalidStateException for this operation.
        service.refuse_if_busy().map_err(|error| ApiError { code: "InvalidRequestException".to_owned(), ..error })?;
        let id = service.begin(Kind::Deploy, None, now, env);
        Ok(json!({ "OperationId": id }))
    }

    fn switch(&mut self, body: &Value, kind: Kind, now: Millis, env: &mut Env) -> Answer {
        let service = self.named(body)?;
        let from = if kind == Kind::Pause { "RUNNING" } else { "PAUSED" };
        if service.status != from {
            return Err(service.in_wrong_state());
        }
        let id = service.begin(kind, None, now, env);
        Ok(json!({"Service": service.document(), "OperationId": id}))
    }

    fn delete(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let service = self.named(body)?;
        if service.status == "OPERATION_IN_PROGRESS" {
            return Err(service.in_wrong_state());
        }
        let id = service.begin(Kind::Delete, None, now, env);
        Ok(json!({"Service": service.document(), "OperationId": id}))
    }

    fn list(&self, body: &Value) -> Value {
        let all = self
            .services
            .iter()
            .map(|service| {
                json!({
                    "ServiceName": service.name, "ServiceId": service.id, "ServiceArn": service.arn,
                    "ServiceUrl": service.url(), "CreatedAt": seconds(service.created),
                    "UpdatedAt": seconds(service.updated), "Status": service.status,
                })
            })
            .collect();
        let size = number(body, "MaxResults").and_then(|size| usize::try_from(size).ok());
        let (services, next) = page(all, text(body, "NextToken"), size.unwrap_or(20));
        let mut answer = json!({ "ServiceSummaryList": services });
        put(&mut answer, "NextToken", next);
        answer
    }

    fn list_operations(&mut self, body: &Value) -> Answer {
        let service = self.named(body)?;
        let arn = service.arn.clone();
        let all: Vec<Value> = service.operations.iter().map(|known| known.document(&arn)).collect();
        let size = number(body, "MaxResults").and_then(|size| usize::try_from(size).ok());
        let size = size.unwrap_or(all.len().max(1));
        let (operations, next) = page(all, text(body, "NextToken"), size);
        let mut answer = json!({ "OperationSummaryList": operations });
        put(&mut answer, "NextToken", next);
        Ok(answer)
    }
}

impl AppRunnerService {
    fn url(&self) -> String {
        let region = self.arn.split(':').nth(3).unwrap_or_default();
        format!("{}.{region}.awsapprunner.com", &self.id[..10])
    }

    /// `/aws/apprunner/<service>/<id>/<kind>`.
    pub(crate) fn log_group(&self, kind: &str) -> String {
        format!("/aws/apprunner/{}/{}/{kind}", self.name, self.id)
    }

    fn document(&self) -> Value {
        let configuration = &self.configuration;
        let mut parts = configuration.auto_scaling.rsplit('/').skip(1);
        let revision = parts.next().and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
        let name = parts.next().unwrap_or("DefaultConfiguration");
        let mut document = json!({
            "ServiceName": self.name,
            "ServiceId": self.id,
            "ServiceArn": self.arn,
            "ServiceUrl": self.url(),
            "CreatedAt": seconds(self.created),
            "UpdatedAt": seconds(self.updated),
            "Status": self.status,
            "SourceConfiguration": configuration.source,
            "InstanceConfiguration": configuration.instance,
            "HealthCheckConfiguration": configuration.health_check,
            "AutoScalingConfigurationSummary": {
                "AutoScalingConfigurationArn": configuration.auto_scaling,
                "AutoScalingConfigurationName": name,
                "AutoScalingConfigurationRevision": revision,
            },
            "NetworkConfiguration": configuration.network,
            "ObservabilityConfiguration": configuration.observability.clone()
                .unwrap_or_else(|| json!({"ObservabilityEnabled": false})),
        });
        put(&mut document, "EncryptionConfiguration", self.encryption.clone());
        document
    }

    fn refuse_if_busy(&self) -> Result<(), ApiError> {
        if matches!(self.status, "RUNNING" | "CREATE_FAILED") { Ok(()) } else { Err(self.in_wrong_state()) }
    }

    fn in_wrong_state(&self) -> ApiError {
        let message = format!("Service cannot be updated in the current state: {}.", self.status);
        ApiError::bad("InvalidStateException", message)
    }
}

fn health_check() -> Value {
    json!({"Protocol": "TCP", "Path": "/", "Interval": 5, "Timeout": 2, "HealthyThreshold": 1, "UnhealthyThreshold": 5})
}

fn network() -> Value {
    json!({
        "EgressConfiguration": {"EgressType": "DEFAULT"},
        "IngressConfiguration": {"IsPubliclyAccessible": true},
        "IpAddressType": "IPV4",
    })
}

/// Defaults under what was sent.
fn with(defaults: &Value, sent: Option<&Value>) -> Value {
    let mut merged = defaults.clone();
    for (member, value) in sent.and_then(Value::as_object).into_iter().flatten() {
        merged[member] = value.clone();
    }
    merged
}

fn with_source_defaults(sent: &Value) -> Result<Value, ApiError> {
    let mut source = sent.clone();
    match (sent.get("ImageRepository"), sent.get("CodeRepository")) {
        (Some(image), None) => {
            let kind = text(image, "ImageRepositoryType").unwrap_or_default();
            let private = kind == "ECR";
            if private && text(&sent["AuthenticationConfiguration"], "AccessRoleArn").is_none() {
                return Err(ApiError::bad(
                    "InvalidRequestException",
                    "Authentication configuration is invalid: an access role is required for an ECR image.",
                ));
            }
            let configuration = with(&json!({"Port": "8080"}), image.get("ImageConfiguration"));
            source["ImageRepository"]["ImageConfiguration"] = configuration;
            if source.get("AutoDeploymentsEnabled").is_none() {
                source["AutoDeploymentsEnabled"] = json!(private);
            }
        }
        (None, Some(code)) => {
            let connected = text(&sent["AuthenticationConfiguration"], "ConnectionArn").is_some();
            if text(code, "RepositoryUrl").is_some_and(|url| url.contains("github.com/")) && !connected {
                return Err(ApiError::bad(
                    "InvalidRequestException",
                    "Authentication configuration is invalid: a connection is required for a GitHub repository.",
                ));
            }
            if source.get("AutoDeploymentsEnabled").is_none() {
                source["AutoDeploymentsEnabled"] = json!(true);
            }
        }
        _ => {
            return Err(ApiError::bad(
                "InvalidRequestException",
                "Exactly one of CodeRepository and ImageRepository is required.",
            ));
        }
    }
    Ok(source)
}
