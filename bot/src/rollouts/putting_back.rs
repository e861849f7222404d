//! What a rollback puts back, as wishes: the choice of [`super::back`], made sure of.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shipline::cli::planning;
use shipline::cli::release::repository;
use shipline::config::spec::Config;
use shipline::engine::{Cancel, Past as Remembered, Wish};
use shipline::image::{Ask, Pipeline};
use shipline::report::ImageOrigin;
use shipline::rollout::Revision;
use shipline::types::{CommitSha, ImageRef, PinnedImage, ServiceName};

use super::back::{self, Choice, Overtaken, Past, Piece};
use super::halt::Halt;
use super::opened::{self, Opened};
use super::prepare::Wishes;
use super::worker::Worker;
use crate::decision::{Denied, ReasonCode, SeenDeployment};
use crate::policy;
use crate::store::Deployment;

/// How far back our ledger is read.
const LEDGER: u32 = 100;

/// Finds what goes back to what.
pub(super) async fn wishes(
    worker: &Worker,
    to: Option<&str>,
    services: &[ServiceName],
    config: &Config,
    opened: &Opened,
    seen: &[SeenDeployment],
) -> Result<Wishes, Halt> {
    let (bot, key) = (&worker.bot, &worker.deployment.asked.key);
    let looking = join_all(opened.targets.iter().map(async |(name, target)| (name.clone(), target.past().await)));
    let mut remembered = BTreeMap::new();
    for (name, answer) in looking.await {
        let past = answer
            .map_err(|error| policy::denied(&planning::about(&name, error.into()).into(), ReasonCode::PlanRefused))?;
        remembered.insert(name, past);
    }
    let live = remembered.iter().map(|(name, past)| (name.clone(), past.live.clone())).collect();
    let good = bot.store.good(key, LEDGER).await?;
    let history = bot.store.history(key, LEDGER).await?;
    let overtaken = overtaken(worker, &history).await?;
    let past = Past { good: &good, seen, history: &history, live: &live, overtaken };
    let mut found = Wishes::default();
    if overtaken == Overtaken::Rollout {
        found.notices.push(
            "A rollout was under way and was cancelled by this rollback; what was good before serves again.".to_owned(),
        );
    }
    match back::choose(to, services, &past)? {
        Choice::Release { commit, runs } => {
            found.commit = commit.or_else(|| back::commit_of(&runs));
            let pipeline = opened::pipeline(bot, &opened.session, &Cancel::new());
            for (name, piece) in runs {
                let wish = match piece {
                    Piece::Revision(revision) => {
                        found.put_back.insert(name.clone(), known_as(&revision));
                        Wish::Revision(revision)
                    }
                    Piece::Image { image, commit } => {
                        let own = own_repository(&name, config, opened, &live).await?;
                        proven(&name, &image, commit, own.as_ref(), &pipeline).await?;
                        Wish::Image { image, commit: Some(commit) }
                    }
                };
                found.runs.insert(name, wish);
            }
        }
        Choice::AskTheProvider { steps, except, failed } => {
            let pick = |past: &Remembered| {
                let good = past.good.iter().map(|good| &good.revision);
                let mut left = good.filter(|revision| {
                    let piece = Piece::Revision((*revision).clone());
                    !except.iter().any(|other| other.same(&piece))
                        && revision.commit.is_none_or(|commit| !failed.contains(&commit))
                });
                left.nth(steps.saturating_sub(1)).cloned()
            };
            from_the_provider(
                &mut found,
                services,
                &remembered,
                pick,
                "No earlier release that was good here is known.",
            )?;
        }
        Choice::AskByName(wanted) => {
            let pick = |past: &Remembered| {
                let all = past.good.iter().map(|good| &good.revision).chain([&past.live]);
                all.into_iter().find(|revision| revision.name == wanted || revision.id == wanted).cloned()
            };
            // A revision is one service's: the others stay as they are.
            let named = |name: &&ServiceName| remembered.get(*name).and_then(pick).is_some();
            let holders: Vec<ServiceName> = services.iter().filter(named).cloned().collect();
            let asked = if holders.is_empty() { services.to_vec() } else { holders };
            let what = format!("`{wanted}` is not known to have been good here.");
            from_the_provider(&mut found, &asked, &remembered, pick, &what)?;
        }
    }
    let left: Vec<String> =
        services.iter().filter(|name| !found.runs.contains_key(*name)).map(|name| format!("`{name}`")).collect();
    if !left.is_empty() {
        found.notices.push(format!("{} stays as it is: it was not part of that release.", left.join(", ")));
    }
    for name in found.runs.keys() {
        found.origins.insert(name.clone(), (ImageOrigin::PutBack, Vec::new()));
    }
    Ok(found)
}

/// Whether this rollback has just cancelled a rollout that had begun.
async fn overtaken(worker: &Worker, history: &[Deployment]) -> Result<Overtaken, Halt> {
    let ours = &worker.deployment;
    let before = history.iter().filter(|other| other.id < ours.id && other.ended.is_some_and(|at| at >= ours.created));
    for other in before {
        // One that was cancelled before its rollout began has changed nothing: what it found is what
        // the person wants to get away from.
        let began = worker.bot.store.last_entry(other.id).await?.is_some();
        if began && other.cancel.is_some() && other.outcome.as_deref() == Some("cancelled") {
            return Ok(Overtaken::Rollout);
        }
    }
    Ok(Overtaken::Nothing)
}

/// Takes each service's revision from what its provider remembers; all of them or none.
fn from_the_provider(
    found: &mut Wishes,
    services: &[ServiceName],
    remembered: &BTreeMap<ServiceName, Remembered>,
    pick: impl Fn(&Remembered) -> Option<Revision>,
    what: &str,
) -> Result<(), Denied> {
    let mut known = Vec::new();
    for name in services {
        let Some(past) = remembered.get(name) else { continue };
        found.notices.extend(past.notices.iter().map(|notice| format!("{name}: {notice}")));
        if let Some(revision) = pick(past) {
            found.put_back.insert(name.clone(), known_as(&revision));
            found.runs.insert(name.clone(), Wish::Revision(revision));
        } else {
            let names: Vec<String> = past.good.iter().map(|good| format!("`{}`", good.revision.name)).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            known.push(format!("{name}: known before `{}`: {names}", past.live.name));
        }
    }
    if known.is_empty() {
        let pieces = found.runs.iter().filter_map(|(name, wish)| match wish {
            Wish::Revision(revision) => Some((name.clone(), Piece::Revision(revision.clone()))),
            Wish::Image { .. } | Wish::Source { .. } => None,
        });
        found.commit = back::commit_of(&pieces.collect());
        return Ok(());
    }
    let next = "Deploy the commit you want with `/deploy`, or name a release with `to <sha>`.";
    let denied = Denied::new(ReasonCode::NothingToGoBackTo, what, next);
    Err(known.into_iter().fold(denied, Denied::because))
}

/// The repository a service's images may come from: the policy's, else the one of what is live.
async fn own_repository(
    name: &ServiceName,
    config: &Config,
    opened: &Opened,
    live: &BTreeMap<ServiceName, Revision>,
) -> Result<Option<ImageRef>, Denied> {
    match config.services.get(name).and_then(|service| service.image.as_ref()) {
        Some(spec) => repository(spec, Some(&opened.session))
            .await
            .map(Some)
            .map_err(|problem| policy::denied(&problem.into(), ReasonCode::ProviderFailed)),
        None => Ok(live.get(name).and_then(|revision| revision.image_text.parse().ok())),
    }
}

/// A GitHub Deployment is written by everybody who can write there: what it names is put back only
/// from the service's own repository, and only if the image says that it is of that commit.
async fn proven(
    name: &ServiceName,
    image: &PinnedImage,
    commit: CommitSha,
    own: Option<&ImageRef>,
    pipeline: &Pipeline,
) -> Result<(), Denied> {
    let there = image.reference();
    let known =
        own.as_ref().is_some_and(|own| own.registry() == there.registry() && own.repository() == there.repository());
    let label = if known {
        let found = pipeline.resolve_existing(there, Ask::Commit).await;
        found.map_err(|problem| policy::denied(&planning::about(name, problem).into(), ReasonCode::ImageMissing))?.1
    } else {
        None
    };
    if label == Some(commit) {
        return Ok(());
    }
    Err(Denied::new(
        ReasonCode::ImageOfAnotherCommit,
        format!(
            "`{image}`, noted on GitHub for `{}`, is not an image of that commit in `{name}`'s repository.",
            commit.short()
        ),
        "Name another release with `to <sha>`, or deploy the commit with `/deploy`.",
    ))
}

/// What people know a revision by: its commit, or else the provider's name for it.
fn known_as(revision: &Revision) -> String {
    revision.commit.map_or_else(|| revision.name.clone(), |commit| commit.short())
}
