//! An environment, opened: its session and the targets of the services that take part.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::deploy::Request;
use super::host::Host;
use crate::aws::{self, Session, Sources, Start, TokenFile};
use crate::config::spec::{
    AwsSpec, ComposeHost, Config, DeferredRule, EnvironmentSpec, ImageRepository, TargetSpec, Way,
};
use crate::engine::{SourceHost, Target, Targets};
use crate::github::oidc::JobToken;
use crate::problem::{Problem, Problems};
use crate::process::Environment;
use crate::targets::app_runner::AppRunnerTarget;
use crate::targets::compose::ComposeTarget;
use crate::targets::ecs::express::ExpressTarget;
use crate::targets::ecs::{EcsTarget, Looks, NamedTasks};
use crate::types::{EnvironmentName, RegistryHost, RoleArn, ServiceName};

/// Which credentials a role is assumed with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Identity {
    /// The job's OIDC token if there is one, else what the SDK finds.
    #[default]
    Automatic,
    /// What the SDK finds, even where the job has a token (`role-chaining`).
    Ambient,
    /// A token in a file.
    File(String),
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Login {
    /// Which credentials come first.
    pub identity: Identity,
    /// Audience of the OIDC token; AWS's own when absent.
    pub audience: Option<String>,
    /// Roles to go through before the environment's own.
    pub through: Vec<RoleArn>,
}

/// An environment of a configuration, by name.
pub fn find<'a>(config: &'a Config, name: &EnvironmentName) -> Result<&'a EnvironmentSpec, Problem> {
    config.environments.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.environments.keys().map(EnvironmentName::as_str).collect();
        let near = known.iter().map(|k| (strsim::damerau_levenshtein(k, name.as_str()), *k)).min();
        let next = match near {
            Some((distance, near)) if distance <= 2 => format!("Did you mean `{near}`?"),
            _ => format!("Configured are: {}.", known.join(", ")),
        };
        Problem::mistake("unknown-environment", format!("there is no environment {name}"), next)
    })
}

/// The services that take part: the named ones, or all.
pub fn chosen(
    name: &EnvironmentName,
    spec: &EnvironmentSpec,
    named: &[ServiceName],
) -> Result<Vec<ServiceName>, Problems> {
    if named.is_empty() {
        return Ok(spec.services.keys().cloned().collect());
    }
    let mut problems = Vec::new();
    let mut services = Vec::new();
    for service in named {
        if !spec.services.contains_key(service) {
            let known: Vec<&str> = spec.services.keys().map(ServiceName::as_str).collect();
            problems.push(Problem::mistake(
                "unknown-service",
                format!("{service} does not run in {name}"),
                format!("Services there: {}.", known.join(", ")),
            ));
        } else if !services.contains(service) {
            services.push(service.clone());
        }
    }
    Problems::or(problems, services)
}

/// What is told of rules that the bot holds and this run does not.
pub fn deferred(spec: &EnvironmentSpec) -> Vec<String> {
    let told = |rule: &DeferredRule| match rule.key.as_str() {
        "approvals" => "`approvals` is held by shipline-bot; this run asks nobody: let the job's GitHub environment \
                        require reviewers"
            .to_owned(),
        key => format!("`{key}` is held by shipline-bot; this run does not ask for it"),
    };
    spec.deferred.iter().map(told).collect()
}

/// Opens a session for an environment.
pub async fn session(
    host: &Host,
    name: Option<&EnvironmentName>,
    aws_spec: &AwsSpec,
    login: &Login,
) -> Result<Session, Problem> {
    let variable = |name: &str| host.variable(name);
    let start = match &login.identity {
        Identity::File(path) => Start::Token(Arc::new(TokenFile::new(host.root.join(path), host.mask()))),
        Identity::Automatic if aws_spec.role.is_some() => {
            match JobToken::of_job(&variable, login.audience.as_deref(), host.mask())? {
                Some(token) => Start::Token(Arc::new(token)),
                None => Start::Ambient,
            }
        }
        Identity::Automatic | Identity::Ambient => Start::Ambient,
    };
    let sources =
        Sources { environment: name, start, through: login.through.clone(), mask: host.mask(), variable: &variable };
    // Boxed: it holds the whole credential chain, and everything that waits for it would as well.
    Box::pin(aws::connect(aws_spec, &sources)).await
}

/// What a run deals with, as far as it says whether AWS is needed at all.
#[derive(Debug, Clone, Copy)]
pub struct Dealings<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The environment.
    pub spec: &'a EnvironmentSpec,
    /// The services that take part.
    pub services: &'a [ServiceName],
    /// Registries that are used beside those of the configuration.
    pub registries: &'a [RegistryHost],
    /// Whether images are found, built or moved.
    pub images: Images,
}

/// Whether a run deals with images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// It does.
    Dealt,
    /// Only places are looked at or put back.
    Untouched,
}

impl Dealings<'_> {
    /// Whether anything of it is on AWS. A Compose project on this machine with images of this machine
    /// or of another registry needs no account.
    pub fn need_aws(&self) -> bool {
        let on_aws = |name: &ServiceName| match self.spec.services.get(name) {
            Some(TargetSpec::Ecs(_) | TargetSpec::Express(_) | TargetSpec::AppRunner(_)) => true,
            Some(TargetSpec::Compose(compose)) => compose.host != ComposeHost::Local,
            None => false,
        };
        let image_on_aws = |name: &ServiceName| {
            let image = self.config.services.get(name).and_then(|service| service.image.as_ref());
            image.is_some_and(|image| match &image.repository {
                ImageRepository::OwnEcr(_) => true,
                ImageRepository::At(host, _) => host.ecr().is_some(),
            })
        };
        let told = self.spec.notify.iter().any(|who| matches!(who.way, Way::Sns(_)));
        self.services.iter().any(on_aws)
            || (self.images == Images::Dealt && self.services.iter().any(image_on_aws))
            || self.registries.iter().any(|host| host.ecr().is_some())
            || !self.spec.alarms.is_empty()
            || told
    }
}

/// Opens a session, if any of it is on AWS.
pub async fn open(
    host: &Host,
    name: &EnvironmentName,
    dealings: Dealings<'_>,
    login: &Login,
) -> Result<Option<Session>, Problem> {
    if dealings.need_aws() { session(host, Some(name), &dealings.spec.aws, login).await.map(Some) } else { Ok(None) }
}

/// Whose machine this is, for places on it.
#[derive(Debug, Clone, Copy)]
pub enum Machine<'a> {
    /// That of whoever started the run: its programs run with this environment.
    Own(&'a Environment),
    /// One that the configuration has no say over: nothing is run on it.
    Foreign,
}

/// The places of these services, with the session they are reached through if anything of them is on AWS.
pub(super) async fn places(
    request: &Request,
    name: &EnvironmentName,
    spec: &EnvironmentSpec,
    services: &[ServiceName],
    images: Images,
    host: &Host,
) -> Result<(Option<Session>, Targets), Problem> {
    let dealings = Dealings { config: &request.config, spec, services, registries: &[], images };
    let session = open(host, name, dealings, &request.login).await?;
    let targets = own_targets(request, spec, session.as_ref(), services, host)?;
    Ok((session, targets))
}

/// The targets of these services, as a run on this machine reaches them.
pub(super) fn own_targets(
    request: &Request,
    spec: &EnvironmentSpec,
    session: Option<&Session>,
    services: &[ServiceName],
    host: &Host,
) -> Result<Targets, Problem> {
    let sources = host.source_host(request.github_token.as_deref());
    targets(&host.root, host.machine(), session, spec, services, sources.as_ref())
}

/// The targets of these services. Task-definition and compose files are read below `root`. Branches
/// are asked of `host`, where a platform builds from one.
pub fn targets(
    root: &Path,
    machine: Machine<'_>,
    session: Option<&Session>,
    spec: &EnvironmentSpec,
    services: &[ServiceName],
    host: Option<&Arc<dyn SourceHost>>,
) -> Result<Targets, Problem> {
    let mut targets: Targets = BTreeMap::new();
    let shared = OnceCell::new();
    for name in services {
        let Some(target) = spec.services.get(name) else { continue };
        let session = || session.ok_or_else(|| Problem::defect("no-session", format!("{name} needs an AWS session")));
        let looks = || session().map(|session| shared.get_or_init(|| Looks::new(session.sdk())));
        let target: Arc<dyn Target> = match target {
            TargetSpec::Ecs(ecs) => {
                Arc::new(EcsTarget::sharing(looks()?, name, ecs, ecs.steering(spec.steering), root))
            }
            TargetSpec::Express(express) => {
                Arc::new(ExpressTarget::sharing(looks()?, name, express, spec.steering.strategy))
            }
            TargetSpec::AppRunner(app) => {
                let region = session()?.region().clone();
                let target = AppRunnerTarget::new(session()?.sdk(), name, app, spec.steering.strategy, region);
                let target = target.with_source_host(host.cloned());
                match &app.tasks {
                    Some(tasks) => Arc::new(target.with_tasks(Arc::new(NamedTasks::new(session()?.sdk(), tasks)))),
                    None => Arc::new(target),
                }
            }
            TargetSpec::Compose(compose) if compose.host != ComposeHost::Local => {
                let region = session()?.region().clone();
                Arc::new(ComposeTarget::on_an_instance(session()?.sdk(), name, compose, spec.steering.strategy, region))
            }
            TargetSpec::Compose(compose) => match machine {
                Machine::Own(variables) => {
                    Arc::new(ComposeTarget::on_this_machine(name, compose, spec.steering.strategy, root, variables))
                }
                Machine::Foreign => {
                    let next = "Name the instance in `compose.host`, or deploy from the machine itself.";
                    let what =
                        format!("{name} runs with Compose on `local`, which here would be the bot's own machine");
                    return Err(Problem::refused("not-this-machine", what, next));
                }
            },
        };
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}
