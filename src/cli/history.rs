//! `shipline history`: the last good releases of every service, and who put them there.

use std::fmt::Write as _;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::deploy::Request;
use super::host::Host;
use super::{environment, planning, release};
use crate::engine::{Past, PastRevision};
use crate::github::{Deployment, DeploymentState};
use crate::image::{Ask, Pipeline};
use crate::problem::{Problem, Problems};
use crate::report::escape::visible;
use crate::types::{ImageRef, ServiceName};

/// How many of the newest GitHub Deployments are asked for: each costs a call of its own.
const DEPLOYMENTS: u8 = 30;

/// Shows at most `last` good releases of each service, newest first. Exit code 4 when one could not be asked.
pub(super) async fn history(request: &Request, last: usize, host: &Host) -> Result<u8, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    let untouched = environment::Images::Untouched;
    let (session, targets) =
        environment::places(request, &request.environment, spec, &services, untouched, host).await?;
    let pipeline = release::pipeline(session.as_ref(), host);
    let asked = join_all(targets.iter().map(async |(name, target)| {
        let past = target.history(last).await.map_err(|error| planning::about(name, error.into()));
        (name, with_commits(past, &pipeline).await)
    }));
    let (answers, deployments) = join(asked, deployments(request, host)).await;
    let mut text = String::new();
    let mut document = Vec::new();
    let mut exit_code = 0;
    for (name, answer) in answers {
        match answer {
            Ok(past) => {
                text.push_str(&shown(name, &past, &deployments));
                document.push(json!({
                    "service": name,
                    "releases": past.good.iter().map(|one| told(name, one, &deployments)).collect::<Vec<_>>(),
                    "notices": past.notices,
                }));
            }
            Err(problem) => {
                exit_code = problem.exit_code();
                document.push(json!({ "service": name, "problem": problem }));
                host.console.problems(&problem.into());
            }
        }
    }
    host.console.answer(&text);
    host.console.document(&json!({
        "schema_version": 1, "command": "history", "environment": request.environment, "services": document,
    }));
    Ok(exit_code)
}

/// Fills in commits that only the images' labels tell. Best effort: they are for people.
async fn with_commits(past: Result<Past, Problem>, pipeline: &Pipeline) -> Result<Past, Problem> {
    let mut past = past?;
    join_all(past.good.iter_mut().filter(|one| one.revision.commit.is_none()).map(async |one| {
        let Ok(reference) = one.revision.image_text.parse::<ImageRef>() else { return };
        let found = pipeline.resolve_existing(&reference, Ask::Commit).await.ok();
        one.revision.commit = found.and_then(|(_, commit)| commit);
    }))
    .await;
    Ok(past)
}

/// Successful GitHub Deployments of the environment, newest first; none without a token.
async fn deployments(request: &Request, host: &Host) -> Vec<Deployment> {
    let Ok(Some(github)) = host.github(request.github_token.as_deref()) else { return Vec::new() };
    match github.deployments(&request.environment, None, DEPLOYMENTS).await {
        Ok(mut found) => {
            let good = |state| matches!(state, DeploymentState::Success | DeploymentState::Inactive);
            found.retain(|one| one.status.as_ref().is_some_and(|status| good(status.state)));
            found
        }
        Err(problem) => {
            host.console.annotate(
                super::console::Level::Warning,
                "Shipline",
                &format!("who is not known: {}", problem.what),
            );
            Vec::new()
        }
    }
}

/// The deployment that brought this revision: of its commit, and of this service where ours says so.
fn brought<'a>(service: &ServiceName, one: &PastRevision, all: &'a [Deployment]) -> Option<&'a Deployment> {
    let commit = one.revision.commit?;
    all.iter().filter(|known| known.sha == commit).find(|known| match &known.shipline {
        Some(note) => note["services"].get(service.as_str()).is_some(),
        None => true,
    })
}

fn told(service: &ServiceName, one: &PastRevision, deployments: &[Deployment]) -> Value {
    let who = brought(service, one, deployments);
    json!({
        "revision": one.revision.id,
        "name": one.revision.name,
        "commit": one.revision.commit,
        "image": one.revision.image_text,
        "digest": one.revision.image.as_ref().map(crate::types::PinnedImage::digest),
        "since": one.since,
        "who": who.and_then(|known| known.creator.as_deref()),
    })
}

fn shown(service: &ServiceName, past: &Past, deployments: &[Deployment]) -> String {
    let mut text = format!("{service}\n");
    for (number, one) in past.good.iter().enumerate() {
        let revision = &one.revision;
        let place = if number == 0 { "live".to_owned() } else { format!("{number}") };
        let commit = revision.commit.map_or_else(|| "-".to_owned(), |commit| commit.short());
        let digest = revision.image.as_ref().map(|image| image.digest().short());
        let since = one.since.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
        let who = brought(service, one, deployments).and_then(|known| known.creator.as_deref());
        let who = who.map(|who| format!(" by @{}", visible(who))).unwrap_or_default();
        let digest = digest.unwrap_or_else(|| visible(&revision.image_text));
        let _ = writeln!(text, "  {place:>4}  {}  commit {commit}  {digest}  since {since}{who}", revision.name);
    }
    for notice in &past.notices {
        let _ = writeln!(text, "  note: {}", visible(notice));
    }
    text
}
