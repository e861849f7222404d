//! `shipline init`: a configuration written from what is already running.
//!
//! `from_ecs`, `from_app_runner_services` and `from_compose` find services, `write` makes the file of
//! them. A file that is there is never overwritten.

pub mod from_app_runner;
pub(super) mod from_compose;
mod write;

use std::path::Path;

use serde_json::json;

use self::from_compose::ComposeFile;
use self::write::{Draft, DraftService, Runs};
use super::check::DEFAULT_FILE;
use super::environment::{self, Login};
use super::host::Host;
use crate::aws::Session;
use crate::config::spec::{AwsSpec, ComposeHost};
use crate::problem::{Problem, Problems};
use crate::targets::ecs::discover::Managed;
use crate::targets::{app_runner, ecs};
use crate::types::EnvironmentName;

/// Where the file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Into the repository.
    File,
    /// To standard output.
    Print,
}

/// What to write a configuration from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The environment's name in the file.
    pub(super) environment: EnvironmentName,
    /// ECS clusters; the only one there is when empty and nothing else is named.
    pub(super) clusters: Vec<String>,
    /// App Runner services; all there are when empty and nothing else is named.
    pub(super) app_runner: Vec<String>,
    /// A compose file.
    pub(super) compose: Option<ComposeFile>,
    /// Where the file goes.
    pub(super) output: Output,
}

/// Where what is looked at runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    ThisMachine,
    Aws,
}

impl Wanted {
    fn place(&self) -> Place {
        let local = self.compose.as_ref().is_some_and(|compose| compose.host == ComposeHost::Local);
        if local && self.clusters.is_empty() && self.app_runner.is_empty() { Place::ThisMachine } else { Place::Aws }
    }
}

/// Looks at what runs and writes the file.
pub(super) async fn init(wanted: &Wanted, file: Option<&str>, host: &Host) -> Result<u8, Problems> {
    let name = file.unwrap_or(DEFAULT_FILE);
    let path = host.path(Path::new(name));
    if wanted.output == Output::File && path.exists() {
        let next =
            "Look at it with `shipline check`, print another one with `--print`, or name another file with `--config`.";
        return Err(Problem::mistake("file-exists", format!("{name} is there already"), next).into());
    }
    let session = match wanted.place() {
        Place::ThisMachine => None,
        Place::Aws => Some(environment::session(host, None, &AwsSpec::default(), &Login::default()).await?),
    };
    let draft = look(wanted, session.as_ref(), host).await?;
    let text = write::file(&draft);
    // What is written must be what is read: anything else is our own mistake.
    crate::config::parse(name, &text).map_err(|problems| {
        Problem::defect("written-configuration", format!("the configuration that was made is wrong: {problems}"))
    })?;
    match wanted.output {
        Output::Print => host.console.answer(&text),
        Output::File => {
            save(&path, &text).map_err(|error| {
                let next = "Check the folder's permissions, or print the file with `--print`.";
                Problem::mistake("not-written", format!("{name} cannot be written: {error}"), next)
            })?;
            host.console.answer(&format!(
                "{name} was written: {} services of {}\n  next: read it, then `shipline verify {}`\n",
                draft.services.len(),
                draft.environment,
                draft.environment
            ));
        }
    }
    for note in &draft.notes {
        host.console.annotate(super::console::Level::Notice, "Shipline", note);
    }
    host.console.document(&json!({
        "schema_version": 1, "command": "init", "file": name, "configuration": text, "notes": draft.notes,
    }));
    Ok(0)
}

/// Prints how a service moves from App Runner to ECS Express Mode.
pub(super) async fn moving(service: &str, host: &Host) -> Result<u8, Problems> {
    let session = environment::session(host, None, &AwsSpec::default(), &Login::default()).await?;
    let found = app_runner::discover::description(session.sdk(), service).await.map_err(|failure| failure.problem())?;
    let described = found.ok_or_else(|| {
        let what = format!("there is no App Runner service {service} in {}", session.region());
        Problem::mistake("unknown-service", what, "`aws apprunner list-services` shows what is there.")
    })?;
    let plan = from_app_runner::equivalent(&described, None)?;
    host.console.answer(&plan.to_string());
    host.console.document(&json!({
        "schema_version": 1, "command": "init", "service": plan.service, "request": plan.request, "call": plan.call,
        "target": plan.target, "notes": plan.notices,
    }));
    Ok(0)
}

/// Makes the file, never in place of another one.
fn save(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

async fn look(wanted: &Wanted, session: Option<&Session>, host: &Host) -> Result<Draft, Problem> {
    let aws = match session {
        Some(session) => Some((session.account().await?, session.region().clone())),
        None => None,
    };
    let environment = wanted.environment.clone();
    let mut draft = Draft { environment, aws, services: Vec::new(), alarms: Vec::new(), notes: Vec::new() };
    if let Some(compose) = &wanted.compose {
        from_compose::add(compose, wanted, session, host, &mut draft).await?;
    }
    if let Some(session) = session {
        look_at_aws(wanted, session, &mut draft).await?;
    }
    if draft.services.is_empty() {
        let place = draft.aws.as_ref().map(|(account, region)| format!("in {account} ({region})"));
        let place = place.unwrap_or_else(|| "on this machine".to_owned());
        let what = format!("nothing that Shipline deploys to runs {place}");
        let next = "Name a cluster with `--cluster`, a compose file with `--compose`, another region with AWS_REGION, or \
                    other credentials.";
        return Err(draft.notes.into_iter().fold(Problem::mistake("nothing-runs", what, next), Problem::because));
    }
    Ok(draft)
}

async fn look_at_aws(wanted: &Wanted, session: &Session, draft: &mut Draft) -> Result<(), Problem> {
    let everything = wanted.clusters.is_empty() && wanted.app_runner.is_empty() && wanted.compose.is_none();
    let clusters = if everything { only_cluster(session).await? } else { wanted.clusters.clone() };
    for cluster in &clusters {
        from_ecs(cluster, session, draft).await?;
    }
    if everything || !wanted.app_runner.is_empty() {
        from_app_runner_services(&wanted.app_runner, session, draft).await?;
    }
    Ok(())
}

/// The account's one cluster; which of several is meant must be said.
async fn only_cluster(session: &Session) -> Result<Vec<String>, Problem> {
    let clusters = ecs::discover::clusters(session.sdk()).await.map_err(|failure| failure.problem())?;
    if clusters.len() > 1 {
        let what = format!("{} has {} ECS clusters", session.region(), clusters.len());
        let next = format!("Name those of this environment with `--cluster`: {}.", clusters.join(", "));
        return Err(Problem::mistake("several-clusters", what, next));
    }
    Ok(clusters)
}

async fn from_ecs(cluster: &str, session: &Session, draft: &mut Draft) -> Result<(), Problem> {
    let found = ecs::discover::services(session.sdk(), cluster).await.map_err(|failure| failure.problem())?;
    for service in found {
        if service.controller != "ECS" {
            draft.notes.push(format!("{}: left out, {} deploys it and not ECS", service.name, service.controller));
            continue;
        }
        // Those of Express Mode are ECS's own: it watches them itself.
        let watched = if service.managed == Managed::ByCustomer { &service.alarms[..] } else { &[] };
        draft.alarms.extend(watched.iter().filter(|name| !draft.alarms.contains(name)).cloned().collect::<Vec<_>>());
        let Some((container, image)) = service.containers.first().cloned() else { continue };
        let (cluster, name) = (cluster.to_owned(), service.name.clone());
        let runs = match service.managed {
            Managed::ByCustomer => Runs::Ecs { cluster, service: name, container },
            Managed::ByEcs => Runs::Express { cluster, service: name },
        };
        draft.services.push(DraftService { name: service.name, image: Some(image), build: None, runs });
    }
    Ok(())
}

async fn from_app_runner_services(wanted: &[String], session: &Session, draft: &mut Draft) -> Result<(), Problem> {
    let found = app_runner::discover::services(session.sdk()).await;
    let found = match found {
        Ok(found) => found,
        // Most accounts have none, and many roles may not look.
        Err(failure) if wanted.is_empty() => {
            draft.notes.push(format!("App Runner was left out: {failure}"));
            return Ok(());
        }
        Err(failure) => return Err(failure.problem()),
    };
    for name in wanted {
        if !found.iter().any(|service| service.name == *name) {
            let known: Vec<&str> = found.iter().map(|service| service.name.as_str()).collect();
            let next = format!("Services there: {}.", known.join(", "));
            return Err(Problem::mistake("unknown-service", format!("there is no App Runner service {name}"), next));
        }
    }
    for service in found.into_iter().filter(|service| wanted.is_empty() || wanted.contains(&service.name)) {
        if service.image.is_none() {
            draft.notes.push(format!("{}: it is built from source; no image is written for it", service.name));
        }
        let runs = Runs::AppRunner { service: service.name.clone() };
        draft.services.push(DraftService { name: service.name, image: service.image, build: None, runs });
    }
    Ok(())
}
