//! An environment, opened for a repository: allow-list, session, places, targets.

use std::path::{Component, Path};
use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use shipline::aws::{self, Mask, Session, Sources, Start};
use shipline::cli::environment::{Machine, targets};
use shipline::config::spec::{ComposeHost, EnvironmentSpec, TargetSpec};
use shipline::engine::{Alarms, Cancel, MetricSource, Targets, clock};
use shipline::image::{Options, Pipeline};
use shipline::metrics::{CloudWatchAlarms, Measurements};
use shipline::notify::Notifier;
use shipline::types::{AccountId, CommitSha, EnvironmentName, Region, ServiceName};
use tempfile::TempDir;

use super::telling;
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::github::Hub;
use crate::policy;
use crate::types::RepositoryRef;

/// An environment with the services that take part.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) targets: Targets,
    pub(super) alarms: Arc<dyn Alarms>,
    pub(super) metrics: Option<Arc<dyn MetricSource>>,
    pub(super) notifier: Notifier,
    /// Holds the task-definition files of the policy's commit as long as plans are made.
    _files: Option<TempDir>,
}

/// Whether files that the policy names are fetched: only a plan needs them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Files {
    /// From this commit.
    At(CommitSha),
    /// They are not read.
    NotNeeded,
}

/// What is opened, for whom.
pub(super) struct Wanted<'a> {
    pub(super) repository: &'a RepositoryRef,
    pub(super) environment: &'a EnvironmentName,
    pub(super) spec: &'a EnvironmentSpec,
    pub(super) services: &'a [ServiceName],
    pub(super) files: Files,
}

/// A session of the environment, as the allow-list lets this repository have it.
pub(super) async fn session(
    bot: &Bot,
    repository: &RepositoryRef,
    environment: &EnvironmentName,
    spec: &EnvironmentSpec,
) -> Result<Session, Denied> {
    let permitted = bot.allow.permitted(repository, &spec.aws)?;
    let redactor = bot.redactor.clone();
    let variable = |name: &str| bot.variables.get(name).filter(|value| !value.is_empty()).cloned();
    let sources = Sources {
        environment: Some(environment),
        start: Start::Ambient,
        through: Vec::new(),
        mask: Mask::new(move |secret| redactor.add(secret.expose_secret())),
        variable: &variable,
    };
    Box::pin(aws::connect(&permitted, &sources)).await.map_err(|problem| {
        let mut denied = policy::denied(&problem.into(), ReasonCode::ProviderFailed);
        if let (Some(role), Some(id)) = (&permitted.role, &permitted.external_id) {
            denied = denied.because(format!(
                "The bot assumes `{role}` with the external id `{id}`, whatever `aws.external-id` of the policy says (docs/bot-security.md)."
            ));
        }
        denied
    })
}

/// Opens the environment. Nothing is claimed and nothing changed.
pub(super) async fn open(bot: &Bot, hub: &Hub, wanted: &Wanted<'_>) -> Result<Opened, Denied> {
    let opening = session(bot, wanted.repository, wanted.environment, wanted.spec);
    let (session, files) = futures_util::join!(opening, files(hub, wanted));
    let (session, files) = (session?, files?);
    let root = files.as_ref().map_or(Path::new("/nonexistent"), TempDir::path);
    let targets =
        targets(root, Machine::Foreign, Some(&session), wanted.spec, wanted.services, Some(&hub.source_host()))
            .map_err(|problem| policy::denied(&problem.into(), ReasonCode::PlanRefused))?;
    let alarms = Arc::new(CloudWatchAlarms::new(session.sdk(), session.region().clone()));
    let metrics: Option<Arc<dyn MetricSource>> = if wanted.spec.analysis.is_empty() {
        None
    } else {
        let source = Measurements::new(session.sdk());
        Some(Arc::new(source.map_err(|problem| policy::denied(&problem.into(), ReasonCode::Defect))?))
    };
    let notifier = telling::notifier(bot, wanted.repository, wanted.spec, Some(&session));
    Ok(Opened { session, targets, alarms, metrics, notifier, _files: files })
}

/// Claims the places of the services for the repository, unless another one deploys there.
pub(super) async fn claim(bot: &Bot, wanted: &Wanted<'_>, session: &Session) -> Result<(), Denied> {
    let account = account(session).await?;
    let places: Vec<String> = wanted
        .services
        .iter()
        .filter_map(|name| wanted.spec.services.get(name))
        .map(|target| place(target, &account, session.region()))
        .collect();
    let taken = bot.store.claim_places(wanted.repository.id, &places, clock::now()).await.map_err(|error| {
        Denied::new(
            ReasonCode::ProviderFailed,
            format!("Whose services these are is not known: {error}."),
            "Try again.",
        )
    })?;
    if taken.is_empty() {
        return Ok(());
    }
    let denied = Denied::new(
        ReasonCode::PlaceTaken,
        "A service of this environment runs where another repository deploys.",
        "Correct `cluster` and `service` in the policy. If the service really changed hands, the bot's administrator can say so (docs/bot-security.md).",
    );
    // Not the other repository's name: who asks may not be allowed to know it.
    Err(taken.iter().fold(denied, |denied, taken| denied.because(format!("`{}`", taken.place))))
}

/// The account of a session.
pub(super) async fn account(session: &Session) -> Result<AccountId, Denied> {
    session.account().await.map_err(|problem| policy::denied(&problem.into(), ReasonCode::ProviderFailed))
}

/// Where a service runs, the same however the policy writes it.
fn place(target: &TargetSpec, account: &AccountId, region: &Region) -> String {
    let last = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    match target {
        TargetSpec::Ecs(ecs) => format!("ecs/{region}/{account}/{}/{}", last(&ecs.cluster), last(&ecs.service)),
        // An Express service is an ECS service: both names mean one place.
        TargetSpec::Express(express) => {
            format!("ecs/{region}/{account}/{}/{}", last(&express.cluster), last(&express.service))
        }
        TargetSpec::AppRunner(app) => {
            // arn:aws:apprunner:<region>:<account>:service/<name>/<id>
            let name = app.service.split_once(":service/").map_or(app.service.as_str(), |(_, rest)| rest);
            format!("app-runner/{region}/{account}/{}", name.split('/').next().unwrap_or(name))
        }
        TargetSpec::Compose(compose) => {
            let host = match &compose.host {
                ComposeHost::Local => "local".to_owned(),
                ComposeHost::Instance(id) => id.clone(),
                ComposeHost::Tag { key, value } => format!("{key}={value}"),
            };
            format!("compose/{region}/{account}/{host}/{}/{}", compose.project, compose.service)
        }
    }
}

/// The task-definition files the services name, at the policy's commit, in a folder of their own.
async fn files(hub: &Hub, wanted: &Wanted<'_>) -> Result<Option<TempDir>, Denied> {
    let Files::At(commit) = wanted.files else { return Ok(None) };
    let named = wanted.services.iter().filter_map(|name| match wanted.spec.services.get(name) {
        Some(TargetSpec::Ecs(ecs)) => ecs.task_definition.as_deref(),
        Some(TargetSpec::Express(_) | TargetSpec::AppRunner(_) | TargetSpec::Compose(_)) | None => None,
    });
    let mut paths: Vec<&Path> = named.collect();
    paths.sort_unstable();
    paths.dedup();
    if paths.is_empty() {
        return Ok(None);
    }
    let folder = TempDir::with_prefix("shipline-").map_err(|error| unwritable(&error))?;
    let fetched =
        join_all(paths.iter().map(async |path| (*path, hub.file(&path.to_string_lossy(), commit).await))).await;
    for (path, answer) in fetched {
        // The policy was checked for this; here a mistake would write outside the folder.
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(missing(path, commit));
        }
        let text = answer.map_err(|problem| policy::denied(&problem.into(), ReasonCode::ProviderFailed))?;
        let text = text.ok_or_else(|| missing(path, commit))?;
        let file = folder.path().join(path);
        if let Some(parent) = file.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(|error| unwritable(&error))?;
        }
        tokio::fs::write(&file, text).await.map_err(|error| unwritable(&error))?;
    }
    Ok(Some(folder))
}

fn missing(path: &Path, commit: CommitSha) -> Denied {
    Denied::new(
        ReasonCode::PlanRefused,
        format!("The task-definition file `{}` is not in the repository at `{}`.", path.display(), commit.short()),
        "Correct `task-definition` in the policy, or add the file on the default branch.",
    )
}

fn unwritable(error: &std::io::Error) -> Denied {
    Denied::new(
        ReasonCode::Defect,
        format!("The bot cannot write temporary files: {error}."),
        "Tell the bot's administrator: the container needs a writable /tmp.",
    )
}

/// A pipeline with this session's credentials. It never builds.
pub(super) fn pipeline(bot: &Bot, session: &Session, cancel: &Cancel) -> Pipeline {
    let redactor = bot.redactor.clone();
    let options = Options {
        environment: bot.variables.clone(),
        mask: Arc::new(move |secret| redactor.add(secret)),
        lines: Arc::new(|service, line| tracing::debug!(%service, line, "image")),
        cancel: cancel.clone(),
    };
    Pipeline::new(session.sdk(), options)
}

#[cfg(test)]
mod tests {
    use shipline::config::spec::{AppRunnerSpec, EcsSpec, ExpressSpec};

    use super::*;

    #[test]
    fn a_place_is_the_same_however_the_policy_writes_it() {
        let (account, region) = ("111122223333".parse().unwrap(), "us-east-1".parse().unwrap());
        let ecs = |cluster: &str, service: &str| {
            let spec = EcsSpec { cluster: cluster.to_owned(), service: service.to_owned(), ..EcsSpec::default() };
            place(&TargetSpec::Ecs(Box::new(spec)), &account, &region)
        };
        let plain = ecs("shop", "api");
        assert_eq!(plain, "ecs/us-east-1/111122223333/shop/api");
        let (cluster, service) =
            ("arn:aws:ecs:us-east-1:111122223333:cluster/shop", "arn:aws:ecs:us-east-1:111122223333:service/shop/api");
        assert_eq!(ecs(cluster, service), plain);
        // An Express service is an ECS service: no other repository may reach it under another key.
        let express = ExpressSpec { cluster: "shop".to_owned(), service: "api".to_owned(), ..ExpressSpec::default() };
        assert_eq!(place(&TargetSpec::Express(Box::new(express)), &account, &region), plain);
        let app = |service: &str| {
            let spec = AppRunnerSpec { service: service.to_owned(), ..AppRunnerSpec::default() };
            place(&TargetSpec::AppRunner(spec), &account, &region)
        };
        assert_eq!(app("web"), "app-runner/us-east-1/111122223333/web");
        assert_eq!(app("arn:aws:apprunner:us-east-1:111122223333:service/web/8fe1"), app("web"));
    }
}
