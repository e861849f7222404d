//! The configuration after it has been checked: only values that make sense. Everything behind this
//! door trusts these types.
//!
//! A spec comes from `.github/shipline.yml` or from action inputs; nobody behind can tell which.

pub mod analysis;
mod app_runner;
mod compose;
mod express;
mod notify;
mod policy;
mod scan;
mod strategy;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::problem::Place;
use crate::types::{
    AccountId, EnvironmentName, ImageRef, Region, RegistryHost, RepositoryPath, RoleArn, ServiceName, Span, Tag,
};

pub use analysis::Measure;
pub use app_runner::{AppRunnerSettings, AppRunnerSpec, CreateService, HealthCheckSettings};
pub use compose::{ComposeHost, ComposeSpec, SqliteBackup};
pub use express::{ExpressSpec, ScalingMetric, ScalingSpec};
pub use notify::{Occasion, Recipient, Way};
pub use policy::{
    Access, Allow, ApprovalsSpec, BehindBase, BuildWorkflow, Checks, Freeze, Policy, Pulls, Queue, Reviews, Role,
    WeekTime, Who,
};
pub use scan::{ScanSpec, Severity, Unscanned};
pub use strategy::{Approval, OwnRollout, Steered, Steering, Strategy};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What can be deployed.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Where it runs.
    pub environments: BTreeMap<EnvironmentName, EnvironmentSpec>,
    /// The workflow that the bot starts for images that are missing.
    pub build: Option<BuildWorkflow>,
}

/// One deployable thing.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// Its image; absent when only existing images are ever deployed (`--image`).
    pub image: Option<ImageSpec>,
}

/// Where an image lives, and how it is built.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSpec {
    /// The repository.
    pub repository: ImageRepository,
    /// How to build it; absent when it is built elsewhere.
    pub build: Option<BuildSpec>,
    /// Tags beside the full commit id.
    pub tags: Vec<TagRule>,
}

/// A repository, with its registry if it is not the environment's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRepository {
    /// In the private ECR registry of the account and region that run it.
    OwnEcr(RepositoryPath),
    /// Anywhere else.
    At(RegistryHost, RepositoryPath),
}

/// What `docker build` gets.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildSpec {
    /// Build context, relative to the repository; never outside of it.
    pub context: PathBuf,
    /// Dockerfile, relative to the repository; `<context>/Dockerfile` when absent.
    pub dockerfile: Option<PathBuf>,
    /// Stage to build.
    pub target: Option<String>,
    /// Platforms (`linux/amd64`); the builder's own when empty.
    pub platforms: Vec<String>,
    /// Build arguments. Not secret.
    pub args: BTreeMap<String, String>,
    /// Secrets, mounted during the build and never written into a layer.
    pub secrets: Vec<BuildSecret>,
    /// Layer cache.
    pub cache: BuildCache,
    /// Provenance attestation; off by default because its index breaks consumers that expect one manifest.
    pub provenance: Provenance,
}

/// One build secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSecret {
    /// Its id in `RUN --mount=type=secret,id=…`.
    pub id: String,
    /// Where its value comes from.
    pub source: SecretSource,
}

/// Where a build secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, relative to the repository.
    File(PathBuf),
}

/// Where build layers are kept between builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildCache {
    /// Nowhere.
    #[default]
    Off,
    /// In the image's own repository under the tag `buildcache`.
    Registry,
    /// In the cache of GitHub Actions.
    Gha,
}

/// Whether a provenance attestation is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provenance {
    /// One plain manifest.
    #[default]
    Off,
    /// BuildKit's minimal attestation (makes an image index).
    Min,
}

/// A tag beside the full commit id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagRule {
    /// `latest`, on the default branch only.
    Latest,
    /// The branch's name, made into a tag.
    Branch,
    /// `pr-N`.
    PullRequest,
    /// `v1.2.3`, `v1.2` and `v1` for a semantic-version git tag.
    SemanticVersion,
    /// This very tag.
    Fixed(Tag),
}

/// One environment and its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentSpec {
    /// Account, region and role.
    pub aws: AwsSpec,
    /// Branch whose pushes deploy here.
    pub deploy_on_push: Option<String>,
    /// Where each service runs.
    pub services: BTreeMap<ServiceName, TargetSpec>,
    /// The order; every service of the environment stands in exactly one wave.
    pub waves: Vec<Vec<ServiceName>>,
    /// Commands that run before anything changes, one after another.
    pub before: Vec<HookSpec>,
    /// HTTP checks after everything serves.
    pub verify: Vec<HttpCheck>,
    /// Commands that must end well after the HTTP checks.
    pub verify_commands: Vec<HookSpec>,
    /// Commands that run after the checks, one after another.
    pub after: Vec<HookSpec>,
    /// CloudWatch alarms that must stay quiet.
    pub alarms: Vec<String>,
    /// What is measured while traffic moves.
    pub analysis: Vec<Measure>,
    /// What scans of the images may have found; they are not asked for when absent.
    pub scan: Option<ScanSpec>,
    /// Who is told.
    pub notify: Vec<Recipient>,
    /// What to take back when something fails.
    pub on_failure: OnFailure,
    /// How long one service may take to be healthy.
    pub within: Span,
    /// URL people open; becomes `environment_url`.
    pub url: Option<String>,
    /// How traffic moves, and who decides about each step.
    pub steering: Steering,
    /// Who may ask, from what, when and after what.
    pub policy: Policy,
    /// Rules that were checked for form but are not carried out by a run in a workflow: held by the
    /// bot, and told. Never silently ignored.
    pub deferred: Vec<DeferredRule>,
}

/// A command that runs once, in a task of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSpec {
    /// The service whose new image, network and roles it runs with.
    pub service: ServiceName,
    /// The command and its arguments; no shell sees them.
    pub run: Vec<String>,
    /// The command that takes it back; none when empty.
    pub undo: Vec<String>,
    /// How long it may take.
    pub within: Span,
}

/// A rule that is understood and checked, and held by the bot: about people and comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredRule {
    /// Its key, for example `approvals`.
    pub key: String,
    /// Where it stands.
    pub place: Place,
}

/// Account, region, role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AwsSpec {
    /// Region; the SDK's default chain decides when absent.
    pub region: Option<Region>,
    /// Role to assume; the credentials found are used as they are when absent.
    pub role: Option<RoleArn>,
    /// External id for that role.
    pub external_id: Option<String>,
    /// Session name; `shipline-<environment>` when absent.
    pub session_name: Option<String>,
    /// Session length, 15 minutes to 12 hours.
    pub session: Option<Span>,
    /// The only accounts anything may be changed in; any when empty.
    pub allowed_accounts: Vec<AccountId>,
}

/// Where a service runs in an environment.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetSpec {
    /// An ECS service on Fargate or EC2.
    Ecs(Box<EcsSpec>),
    /// An ECS service in Express Mode.
    Express(Box<ExpressSpec>),
    /// An App Runner service.
    AppRunner(AppRunnerSpec),
    /// A service of a Compose project.
    Compose(ComposeSpec),
}

/// An ECS service and what to change in its task definition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EcsSpec {
    /// Cluster, name or ARN.
    pub cluster: String,
    /// Service, name or ARN.
    pub service: String,
    /// Container whose image is replaced; may be absent when the task definition has only one.
    pub container: Option<String>,
    /// A task definition file to start from instead of the live one, relative to the repository.
    pub task_definition: Option<PathBuf>,
    /// What to change in the container beside its image.
    pub changes: ContainerChanges,
    /// New number of tasks; unchanged when absent.
    pub desired_count: Option<u32>,
    /// Start new tasks even if nothing changed.
    pub force: ForceNewDeployment,
    /// Whether it is replaced as the environment says.
    pub rollout: OwnRollout,
}

/// Changes to one container; only what is named changes, an empty value is a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerChanges {
    /// Environment variables to set.
    pub environment: BTreeMap<String, String>,
    /// Secrets to set: name to ARN (`valueFrom`).
    pub secrets: BTreeMap<String, String>,
    /// Docker labels to set.
    pub labels: BTreeMap<String, String>,
    /// Log driver.
    pub log_driver: Option<String>,
    /// Log options to set.
    pub log_options: BTreeMap<String, String>,
    /// Command.
    pub command: Option<Vec<String>>,
}

impl ContainerChanges {
    /// Whether nothing but the image changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether new tasks are started when nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForceNewDeployment {
    /// Only when something changed.
    #[default]
    No,
    /// Always.
    Yes,
}

impl TargetSpec {
    /// The branch that the platform itself builds the service from; nothing where it runs an image.
    pub fn source_branch(&self) -> Option<&str> {
        match self {
            Self::Ecs(_) | Self::Express(_) | Self::Compose(_) => None,
            Self::AppRunner(app) => app.branch.as_deref(),
        }
    }
}

/// A place on ECS that runs commands for a service that runs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EcsTasksSpec {
    /// Cluster, name or ARN.
    pub cluster: String,
    /// Task definition: family, `family:revision` or ARN.
    pub task_definition: String,
    /// Container that gets the command; may be absent when the task definition has only one.
    pub container: Option<String>,
    /// Subnets of the task.
    pub subnets: Vec<String>,
    /// Security groups of the task.
    pub security_groups: Vec<String>,
    /// Whether the task gets a public address.
    pub public_address: PublicAddress,
}

/// Whether a task gets a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PublicAddress {
    /// Only an address in its subnet.
    #[default]
    No,
    /// One that the internet reaches.
    Yes,
}

/// What to take back when a service fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Everything this deployment changed.
    #[default]
    RollBackAll,
    /// Only what failed.
    RollBackFailed,
    /// Nothing: leave it for a person.
    Hold,
}

/// An HTTP check after everything serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// `http://` or `https://`, without user information.
    pub url: String,
    /// The status that is right, 100 to 599.
    pub expect: u16,
    /// What the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Headers the answer must have, with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long one whole answer may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// How long to keep asking before it counts as failed.
    pub within: Span,
}

/// A full reference for the repository of a service in an account and region.
pub fn image_repository(repository: &ImageRepository, account: &AccountId, region: &Region) -> ImageRef {
    match repository {
        ImageRepository::OwnEcr(path) => ImageRef::repository_of(RegistryHost::of_ecr(account, region), path.clone()),
        ImageRepository::At(host, path) => ImageRef::repository_of(host.clone(), path.clone()),
    }
}
