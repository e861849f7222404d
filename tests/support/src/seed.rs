//! What exists in the world: given by tests, in Rust or as JSON to
//! `/_sim/seed`. Seeds add; they never take away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::behaviour::{AppRunnerRule, Rule, Timing};
use crate::faults::Fault;

/// Everything that can be given at once. Applied in the order of its members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Region of ARNs made from now on; `us-east-1` at first.
    pub region: Option<String>,
    /// Account of ARNs made from now on; `111122223333` at first.
    pub account: Option<String>,
    /// Default durations.
    pub timing: Option<Timing>,
    /// ECS rules, appended: the last that fits wins.
    pub rules: Vec<Rule>,
    /// App Runner rules, appended.
    pub app_runner_rules: Vec<AppRunnerRule>,
    /// Faults, appended.
    pub faults: Vec<Fault>,
    /// ECS clusters.
    pub clusters: Vec<ClusterSeed>,
    /// `RegisterTaskDefinition` requests.
    pub task_definitions: Vec<Value>,
    /// ECS services whose first deployment is already done.
    pub services: Vec<ServiceSeed>,
    /// App Runner services that are RUNNING.
    pub app_runner_services: Vec<AppRunnerServiceSeed>,
    /// ECR repositories.
    pub repositories: Vec<RepositorySeed>,
    /// ECR blobs.
    pub blobs: Vec<BlobSeed>,
    /// ECR images.
    pub images: Vec<ImageSeed>,
    /// IAM roles; once one is given, roles not given cannot be assumed.
    pub roles: Vec<RoleSeed>,
    /// Whether and which access keys are good; replaces what was there.
    pub credentials: Option<Credentials>,
    /// Target health by target group ARN, instead of what tasks would have.
    pub target_health: BTreeMap<String, Vec<TargetHealthSeed>>,
    /// Target groups that were deleted, by ARN.
    pub deleted_target_groups: Vec<String>,
    /// Names of secrets in Secrets Manager.
    pub secrets: Vec<String>,
    /// Names of parameters in Parameter Store.
    pub parameters: Vec<String>,
    /// Empty log groups.
    pub log_groups: Vec<String>,
    /// GitHub commits; each the child of the repository's one before.
    pub commits: Vec<CommitSeed>,
    /// Claims of Actions OIDC tokens, over the defaults.
    pub oidc_claims: Map<String, Value>,
}

/// An ECS cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSeed {
    /// Its name.
    pub name: String,
    /// `ACTIVE` or `INACTIVE`.
    #[serde(default = "active")]
    pub status: String,
}

fn active() -> String {
    "ACTIVE".to_owned()
}

/// A `CreateService` request of ECS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceSeed(pub Value);

impl ServiceSeed {
    /// One task, no circuit breaker, no load balancer, ECS controller.
    #[must_use]
    pub fn new(cluster: &str, name: &str, task_definition: &str) -> Self {
        Self(json!({"cluster": cluster, "serviceName": name, "taskDefinition": task_definition, "desiredCount": 1}))
    }

    /// With that many tasks.
    #[must_use]
    pub fn desired(self, count: u32) -> Self {
        self.with("desiredCount", count)
    }

    /// With the circuit breaker on; `"rollback"` or `"no-rollback"` says what
    /// it does.
    #[must_use]
    pub fn circuit_breaker(self, rollback: &str) -> Self {
        let breaker = json!({"enable": true, "rollback": rollback == "rollback"});
        self.with(
            "deploymentConfiguration",
            json!({
                "maximumPercent": 200, "minimumHealthyPercent": 100, "deploymentCircuitBreaker": breaker,
            }),
        )
    }

    /// Behind a target group.
    #[must_use]
    pub fn target_group(self, arn: &str, container: &str, port: u16) -> Self {
        self.with("loadBalancers", json!([{"targetGroupArn": arn, "containerName": container, "containerPort": port}]))
    }

    /// With a deployment controller of that type (any text).
    #[must_use]
    pub fn controller(self, kind: &str) -> Self {
        self.with("deploymentController", json!({"type": kind}))
    }

    /// With any other member of `CreateService`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0[member] = value.into();
        self
    }
}

/// A `CreateService` request of App Runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppRunnerServiceSeed(pub Value);

impl AppRunnerServiceSeed {
    /// An image from ECR on port 8080.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        Self(json!({
            "ServiceName": name,
            "SourceConfiguration": {
                "ImageRepository": {"ImageIdentifier": image, "ImageRepositoryType": "ECR"},
                "AutoDeploymentsEnabled": false,
                "AuthenticationConfiguration": {"AccessRoleArn": "arn:aws:iam::111122223333:role/apprunner-access"},
            },
        }))
    }

    /// With any other member of `CreateService`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0[member] = value.into();
        self
    }
}

/// An ECR repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySeed {
    /// `pmis/api`.
    pub name: String,
    /// Whether tags are immutable.
    #[serde(default)]
    pub immutable: bool,
}

/// A blob of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobSeed {
    /// Its repository.
    pub repository: String,
    /// Its content.
    pub text: String,
}

/// An image. Without a manifest, a configuration with the labels, one layer
/// and a manifest over them are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSeed {
    /// Its repository; made (mutable) if it does not exist.
    pub repository: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Labels of the configuration.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The manifest, byte for byte.
    #[serde(default)]
    pub manifest: Option<String>,
}

/// An IAM role and who may assume it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSeed {
    /// Its ARN.
    pub arn: String,
    /// Web identity: the condition on `aud`, exact.
    #[serde(default)]
    pub audience: Option<String>,
    /// Web identity: patterns for `sub` (`StringLike`); any when empty.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// Web identity: the only issuer the account has a provider for.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Web identity: the provider's client ids; other audiences are an
    /// `InvalidIdentityToken`.
    #[serde(default)]
    pub provider_audiences: Option<Vec<String>>,
    /// `AssumeRole`: the external id that must be given.
    #[serde(default)]
    pub external_id: Option<String>,
    /// `AssumeRole`: texts of which the caller's ARN must contain one; anybody
    /// when empty.
    #[serde(default)]
    pub assumable_by: Vec<String>,
    /// The longest `DurationSeconds`.
    #[serde(default)]
    pub max_session_seconds: Option<u64>,
    /// The policy document its sessions are held to; they may do everything without.
    #[serde(default)]
    pub policy: Option<Value>,
}

/// Which access keys are good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    /// Whether keys are looked at: expired sessions get
    /// `ExpiredTokenException`, unknown keys `UnrecognizedClientException`.
    pub enforce: bool,
    /// Long-lived access key ids that are good.
    pub keys: Vec<String>,
    /// How long sessions live, whatever `DurationSeconds` asks for.
    pub lifetime_ms: Option<u64>,
}

/// One target of a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetHealthSeed {
    /// IP address or instance id.
    pub id: String,
    /// Port.
    #[serde(default = "port")]
    pub port: u16,
    /// `healthy`, `unhealthy`, `initial`, `draining`, …
    pub state: String,
    /// `Target.ResponseCodeMismatch`, …
    #[serde(default)]
    pub reason: Option<String>,
    /// `Health checks failed with these codes: [503]`.
    #[serde(default)]
    pub description: Option<String>,
}

const fn port() -> u16 {
    8080
}

/// A commit on a repository's only line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitSeed {
    /// `owner/name`.
    pub repository: String,
    /// 40 hexadecimal digits.
    pub sha: String,
    /// The message.
    pub message: String,
    /// The author's login.
    #[serde(default = "octocat")]
    pub author: String,
    /// A branch or tag that points here from now on.
    #[serde(default)]
    pub reference: Option<String>,
}

fn octocat() -> String {
    "octocat".to_owned()
}
