//! What exists in the world: given by tests, in Rust or as JSON to
//! `/_sim/seed`. Seeds add; they never take away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::balancer::TrafficRule;
use crate::behaviour::{AppRunnerRule, Rule};
use crate::faults::Fault;
use crate::timing::Timing;

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
    /// How revisions answer requests, appended.
    pub traffic: Vec<TrafficRule>,
    /// Faults, appended.
    pub faults: Vec<Fault>,
    /// ECS clusters.
    pub clusters: Vec<ClusterSeed>,
    /// `RegisterTaskDefinition` requests.
    pub task_definitions: Vec<Value>,
    /// ECS services whose first deployment is already done.
    pub services: Vec<ServiceSeed>,
    /// ECS services in Express Mode whose first deployment is already done.
    pub express_services: Vec<ExpressServiceSeed>,
    /// App Runner services that are RUNNING; what is built from source code serves the head that
    /// its branch has then.
    pub app_runner_services: Vec<AppRunnerServiceSeed>,
    /// ECR repositories.
    pub repositories: Vec<RepositorySeed>,
    /// ECR blobs.
    pub blobs: Vec<BlobSeed>,
    /// ECR images.
    pub images: Vec<ImageSeed>,
    /// Scans of ECR images.
    pub scans: Vec<ScanSeed>,
    /// CloudWatch alarms; one of the same name is replaced.
    pub alarms: Vec<AlarmSeed>,
    /// How CloudWatch's metrics behave; replaces what was there.
    pub metrics: Option<MetricsSeed>,
    /// SNS topics, by ARN.
    pub topics: Vec<String>,
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
    /// How long ago the commits below were pushed; App Runner's services were created halfway since.
    pub commits_age_ms: u64,
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

    /// Behind a load balancer whose traffic can be moved: target groups `<name>-blue` and
    /// `<name>-green`, a production and a test rule, and the role that ECS needs.
    #[must_use]
    pub fn shifting(self, name: &str, container: &str, port: u16) -> Self {
        let elb = |rest: String| format!("arn:aws:elasticloadbalancing:us-east-1:111122223333:{rest}");
        let rule = |id: &str| elb(format!("listener-rule/app/{name}/50dc6c495c0c9188/f2f7dc8efc522ab2/{id}"));
        self.with(
            "loadBalancers",
            json!([{
                "targetGroupArn": elb(format!("targetgroup/{name}-blue/0123456789abcdef")),
                "containerName": container, "containerPort": port,
                "advancedConfiguration": {
                    "alternateTargetGroupArn": elb(format!("targetgroup/{name}-green/fedcba9876543210")),
                    "productionListenerRule": rule("9683b2d02a6cabee"),
                    "testListenerRule": rule("1291d13826f405c3"),
                    "roleArn": "arn:aws:iam::111122223333:role/ecsInfrastructureRole",
                },
            }]),
        )
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

/// A `CreateExpressGatewayService` request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpressServiceSeed(pub Value);

impl ExpressServiceSeed {
    /// In the default cluster, with the two roles it needs.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        Self(json!({
            "serviceName": name,
            "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
            "infrastructureRoleArn": "arn:aws:iam::111122223333:role/ecsInfrastructureRoleForExpressServices",
            "primaryContainer": {"image": image, "containerPort": 8080},
        }))
    }

    /// With any other member of `CreateExpressGatewayService`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0[member] = value.into();
        self
    }

    /// With any other member of its container.
    #[must_use]
    pub fn container(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0["primaryContainer"][member] = value.into();
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

    /// Built from a branch of `owner/name` on GitHub, with Python on port 8080, deployed by every push.
    #[must_use]
    pub fn from_source(name: &str, repository: &str, branch: &str) -> Self {
        Self(json!({
            "ServiceName": name,
            "SourceConfiguration": {
                "CodeRepository": {
                    "RepositoryUrl": format!("https://github.com/{repository}"),
                    "SourceCodeVersion": {"Type": "BRANCH", "Value": branch},
                    "CodeConfiguration": {"ConfigurationSource": "API", "CodeConfigurationValues": {
                        "Runtime": "PYTHON_311", "Port": "8080",
                        "BuildCommand": "pip install -r requirements.txt", "StartCommand": "python main.py",
                    }},
                },
                "AutoDeploymentsEnabled": true,
                "AuthenticationConfiguration": {
                    "ConnectionArn": "arn:aws:apprunner:us-east-1:111122223333:connection/github/0123456789abcdef0123456789abcdef",
                },
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

/// A CloudWatch alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSeed {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    #[serde(default = "ok")]
    pub state: String,
    /// Why it is in that state.
    #[serde(default)]
    pub reason: String,
    /// Whether it is made of other alarms.
    #[serde(default)]
    pub composite: bool,
}

fn ok() -> String {
    "OK".to_owned()
}

impl AlarmSeed {
    /// A quiet alarm over a metric.
    #[must_use]
    pub fn quiet(name: &str) -> Self {
        Self { name: name.to_owned(), state: ok(), reason: String::new(), composite: false }
    }

    /// One that fires.
    #[must_use]
    pub fn firing(name: &str, reason: &str) -> Self {
        Self { state: "ALARM".to_owned(), reason: reason.to_owned(), ..Self::quiet(name) }
    }

    /// The same over other alarms.
    #[must_use]
    pub fn composite(self) -> Self {
        Self { composite: true, ..self }
    }
}

/// How `GetMetricData` behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSeed {
    /// How many values one page holds, if fewer than asked for.
    pub page: Option<usize>,
    /// How long after it was made a measurement is published.
    pub lag_ms: u64,
    /// A status of its own by metric name, and no values: `InternalError`, `Forbidden`, `PartialData`.
    pub status: BTreeMap<String, String>,
}

/// A scan of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScanSeed {
    /// The image's repository.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// How the scan ended: `COMPLETE`, `ACTIVE` (enhanced), `FAILED`, `UNSUPPORTED_IMAGE`, …
    pub status: String,
    /// What ECR says beside it.
    pub description: String,
    /// How long it is `IN_PROGRESS` before; done already when absent.
    pub takes_ms: Option<u64>,
    /// Whether it begins only when `StartImageScan` asks for it; it was begun when it is planted otherwise.
    pub asked: bool,
    /// Whether Amazon Inspector scans (enhanced).
    pub enhanced: bool,
    /// What it found.
    pub findings: Vec<FindingSeed>,
}

/// Something a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FindingSeed {
    /// `CVE-2026-0001`.
    pub name: String,
    /// `CRITICAL`, `HIGH`, …
    pub severity: String,
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The version without it (enhanced).
    pub fixed_in: Option<String>,
    /// Its page.
    pub url: String,
    /// `ACTIVE`, `SUPPRESSED` or `CLOSED` (enhanced).
    pub status: String,
}

impl FindingSeed {
    /// An open finding with a page.
    #[must_use]
    pub fn new(name: &str, severity: &str, package: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            severity: severity.to_owned(),
            package: package.to_owned(),
            version: version.to_owned(),
            fixed_in: None,
            url: format!("https://security-tracker.debian.org/tracker/{name}"),
            status: "ACTIVE".to_owned(),
        }
    }
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
