//! Which release a rollback goes to. Pure: the ledger, GitHub's Deployments and what is live come in,
//! a choice comes out.
//!
//! An environment's past is a list of [`Scene`]s: what every service ran after each release that was
//! good there. A rollback is by release, not by service: one step undoes the last release, and a
//! service that this release did not touch stays as it is. Invariants: only what was proven good is
//! chosen; never what was observed unhealthy since; a release that somebody rolled back from is not
//! chosen by counting, only by name.

use std::collections::BTreeMap;

use shipline::rollout::Revision;
use shipline::types::{CommitSha, PinnedImage, ServiceName, Timestamp};

use crate::decision::{Denied, ReasonCode, SeenDeployment};
use crate::store::{Deployment, DeploymentKind, Good};
use crate::types::DeploymentId;

/// More steps than that are a short commit id.
const MOST_STEPS: usize = 99;

/// What one service ran.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// This very revision, configuration included.
    Revision(Revision),
    /// This image; the action noted no more.
    Image {
        /// The image.
        image: PinnedImage,
        /// The commit it was deployed for.
        commit: CommitSha,
    },
}

/// What the environment ran since a release was good.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    /// Our deployment that brought it; absent for one of the action.
    pub(super) by: Option<DeploymentId>,
    /// The commit of that release.
    pub(super) commit: Option<CommitSha>,
    /// Since when.
    pub(super) since: Timestamp,
    /// Every service that is known.
    pub(super) runs: BTreeMap<ServiceName, Piece>,
}

/// What happened there, as far as a choice needs it.
pub(super) struct Past<'a> {
    /// Our ledger, newest first.
    pub(super) good: &'a [Good],
    /// GitHub's Deployments, newest first.
    pub(super) seen: &'a [SeenDeployment],
    /// Our deployments there, newest first, whatever became of them.
    pub(super) history: &'a [Deployment],
    /// What runs now, by service.
    pub(super) live: &'a BTreeMap<ServiceName, Revision>,
    /// Whether a rollout ran until this rollback cancelled it: what was good before runs again.
    pub(super) overtaken: Overtaken,
}

/// Whether this rollback cancelled a rollout that had changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overtaken {
    /// It did, and what served before serves again.
    Rollout,
    /// There was none.
    Nothing,
}

/// What is put back.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// These pieces, of this release.
    Release {
        /// Its commit, when known.
        commit: Option<CommitSha>,
        /// What each service runs then.
        runs: BTreeMap<ServiceName, Piece>,
    },
    /// Too little is known here: the provider is asked.
    AskTheProvider {
        /// How many steps further back.
        steps: usize,
        /// What is not gone back to: it was passed on the way, was left, or failed.
        except: Vec<Piece>,
        /// Nor to anything of these commits: they failed there last.
        failed: Vec<CommitSha>,
    },
    /// A revision that only the provider may know by name.
    AskByName(String),
}

impl Piece {
    fn commit(&self) -> Option<CommitSha> {
        match self {
            Self::Revision(revision) => revision.commit,
            Self::Image { commit, .. } => Some(*commit),
        }
    }

    fn digest(&self) -> Option<shipline::types::ImageDigest> {
        match self {
            Self::Revision(revision) => revision.image.as_ref().map(PinnedImage::digest),
            Self::Image { image, .. } => Some(image.digest()),
        }
    }

    /// Whether both are the same to a person who goes back: the revision, else the image.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Revision(one), Self::Revision(other)) => one.id == other.id,
            _ => self.digest().is_some() && self.digest() == other.digest(),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        matches!(self, Self::Revision(revision) if revision.name == name || revision.id == name)
    }
}

/// The image of every service that the action noted in a Deployment; nothing for anybody else's.
pub(super) fn noted(seen: &SeenDeployment) -> Vec<(ServiceName, PinnedImage)> {
    let services = seen.shipline.as_ref().and_then(|noted| noted.get("services")).and_then(|all| all.as_object());
    let entries = services.into_iter().flatten();
    entries.filter_map(|(name, part)| Some((name.parse().ok()?, part.get("image")?.as_str()?.parse().ok()?))).collect()
}

/// The past of an environment, newest first: each scene with all services known at that time.
pub(super) fn scenes(good: &[Good], seen: &[SeenDeployment]) -> Vec<Scene> {
    let ours = good.iter().map(|good| Scene {
        by: Some(good.id),
        commit: good.commit,
        since: good.since,
        runs: good.serves.iter().map(|(name, revision)| (name.clone(), Piece::Revision(revision.clone()))).collect(),
    });
    let theirs = seen
        .iter()
        .filter(|seen| matches!(seen.state.as_deref(), Some("success" | "inactive")))
        // Ours are in the ledger, with more than GitHub knows.
        .filter(|seen| seen.shipline.as_ref().is_some_and(|noted| noted.get("deployment").is_none()))
        .map(|seen| Scene {
            by: None,
            commit: Some(seen.sha),
            since: seen.created,
            runs: noted(seen)
                .into_iter()
                .map(|(name, image)| (name, Piece::Image { image, commit: seen.sha }))
                .collect(),
        });
    let mut scenes: Vec<Scene> = ours.chain(theirs).filter(|scene| !scene.runs.is_empty()).collect();
    scenes.sort_by_key(|scene| scene.since);
    let mut now: BTreeMap<ServiceName, Piece> = BTreeMap::new();
    for scene in &mut scenes {
        now.extend(std::mem::take(&mut scene.runs));
        scene.runs = now.clone();
    }
    scenes.reverse();
    scenes
}

/// Chooses what these services go back to.
pub(super) fn choose(to: Option<&str>, services: &[ServiceName], past: &Past<'_>) -> Result<Choice, Denied> {
    let scenes = scenes(past.good, past.seen);
    match wished(to, &scenes)? {
        To::Steps(steps) => Ok(back(steps, services, &scenes, past)),
        To::Commit(commit) => {
            let scene = scenes.iter().find(|scene| scene.commit == Some(commit));
            let scene = scene.ok_or_else(|| unknown(&format!("`{}`", commit.short()), &scenes))?;
            named(scene, services, past)
        }
        To::Name(name) => {
            let holds = |scene: &&Scene| {
                services.iter().filter_map(|service| scene.runs.get(service)).any(|piece| piece.is_named(&name))
            };
            match scenes.iter().find(holds) {
                Some(scene) => named(scene, services, past),
                None => Ok(Choice::AskByName(name)),
            }
        }
    }
}

/// What a person wrote after `to`.
enum To {
    Steps(usize),
    Commit(CommitSha),
    Name(String),
}

fn wished(to: Option<&str>, scenes: &[Scene]) -> Result<To, Denied> {
    let Some(text) = to else { return Ok(To::Steps(1)) };
    if let Ok(commit) = text.to_lowercase().parse() {
        return Ok(To::Commit(commit));
    }
    match text.parse::<usize>() {
        Ok(0) => {
            let next = "Write 1 or more, or a commit.";
            return Err(Denied::new(ReasonCode::Usage, "0 releases back is where the environment stands.", next));
        }
        Ok(steps) if steps <= MOST_STEPS => return Ok(To::Steps(steps)),
        Ok(_) | Err(_) => {}
    }
    let hex = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex {
        return Ok(To::Name(text.to_owned()));
    }
    let begin = text.to_lowercase();
    let mut found: Vec<CommitSha> = Vec::new();
    for commit in scenes.iter().filter_map(|scene| scene.commit) {
        if commit.to_string().starts_with(&begin) && !found.contains(&commit) {
            found.push(commit);
        }
    }
    match found.as_slice() {
        [commit] => Ok(To::Commit(*commit)),
        [] => Err(unknown(&format!("`{begin}`"), scenes)),
        several => {
            let listed: Vec<String> = several.iter().map(|commit| format!("`{commit}`")).collect();
            let next = format!("Write more of it; these begin so: {}.", listed.join(", "));
            Err(Denied::new(ReasonCode::Usage, format!("`{begin}` is the beginning of several commits."), next))
        }
    }
}

/// That many releases back from what is live.
fn back(steps: usize, services: &[ServiceName], scenes: &[Scene], past: &Past<'_>) -> Choice {
    let live: BTreeMap<ServiceName, Piece> =
        past.live.iter().map(|(name, revision)| (name.clone(), Piece::Revision(revision.clone()))).collect();
    // What is live counts as where it stands, unless a rollout was just taken back: then it is the answer.
    let mut passed: Vec<BTreeMap<ServiceName, Piece>> = match past.overtaken {
        Overtaken::Rollout => Vec::new(),
        Overtaken::Nothing => vec![of(services, &live)],
    };
    let mut left = steps;
    for (index, scene) in scenes.iter().enumerate() {
        let runs = of(services, &scene.runs);
        if runs.is_empty() || passed.iter().any(|other| same(other, &runs)) {
            continue;
        }
        let skip = was_unhealthy(scene, services, past).is_some() || was_left(index, services, scenes, past);
        passed.push(runs.clone());
        if skip {
            continue;
        }
        left -= 1;
        if left == 0 {
            return Choice::Release { commit: scene.commit, runs };
        }
    }
    // Older than the bot: the provider may remember it.
    let failed = past.history.iter().filter(|deployment| broke(deployment)).filter_map(|one| one.state.commit);
    let failed = failed.filter(|commit| scenes.iter().all(|scene| scene.commit != Some(*commit))).collect();
    let except = passed.into_iter().flat_map(BTreeMap::into_values).collect();
    Choice::AskTheProvider { steps: left, except, failed }
}

/// A release that a person named.
fn named(scene: &Scene, services: &[ServiceName], past: &Past<'_>) -> Result<Choice, Denied> {
    let runs = of(services, &scene.runs);
    if runs.is_empty() {
        let next = "Name other services, or none for all of them.";
        let what = "The release is known here, but without these services.";
        return Err(Denied::new(ReasonCode::NothingToGoBackTo, what, next));
    }
    if let Some(failed) = was_unhealthy(scene, services, past) {
        let name = scene.commit.map_or_else(|| "That release".to_owned(), |commit| format!("`{}`", commit.short()));
        return Err(Denied::new(
            ReasonCode::NothingToGoBackTo,
            format!("{name} was good here once, but failed when it was deployed again (deployment {failed})."),
            "Shipline does not go back to what was seen unhealthy. Deploy it if you are sure, or name another release.",
        ));
    }
    Ok(Choice::Release { commit: scene.commit, runs })
}

/// The deployment of the same release that failed after it was good.
fn was_unhealthy(scene: &Scene, services: &[ServiceName], past: &Past<'_>) -> Option<DeploymentId> {
    let commit = scene.commit?;
    let failed = past.history.iter().find(|deployment| {
        let touched = &deployment.asked.services;
        let here = touched.is_empty() || touched.iter().any(|service| services.contains(service));
        broke(deployment)
            && here
            && deployment.state.commit == Some(commit)
            && deployment.ended.is_some_and(|at| at > scene.since)
    })?;
    Some(failed.id)
}

/// Whether a deployment's release was observed unhealthy.
fn broke(deployment: &Deployment) -> bool {
    matches!(deployment.outcome.as_deref(), Some("rolled-back" | "held" | "needs-attention"))
}

/// Whether somebody rolled back from this scene: it was the newest when a rollback ended well.
fn was_left(index: usize, services: &[ServiceName], scenes: &[Scene], past: &Past<'_>) -> bool {
    let Some(next) = index.checked_sub(1).and_then(|newer| scenes.get(newer)) else { return false };
    let by_rollback = past.history.iter().any(|deployment| {
        Some(deployment.id) == next.by && matches!(deployment.asked.kind, DeploymentKind::Rollback { .. })
    });
    by_rollback && !same(&of(services, &next.runs), &of(services, &scenes[index].runs))
}

/// The part of a scene that these services are.
fn of(services: &[ServiceName], runs: &BTreeMap<ServiceName, Piece>) -> BTreeMap<ServiceName, Piece> {
    services.iter().filter_map(|name| Some((name.clone(), runs.get(name)?.clone()))).collect()
}

/// Whether two scenes run the same, as far as both are known.
fn same(one: &BTreeMap<ServiceName, Piece>, other: &BTreeMap<ServiceName, Piece>) -> bool {
    other.iter().all(|(name, piece)| one.get(name).is_some_and(|before| before.same(piece)))
}

fn unknown(what: &str, scenes: &[Scene]) -> Denied {
    let mut known: Vec<String> = Vec::new();
    for commit in scenes.iter().filter_map(|scene| scene.commit) {
        let short = format!("`{}`", commit.short());
        if !known.contains(&short) {
            known.push(short);
        }
    }
    known.truncate(10);
    let next = match known.as_slice() {
        [] => "Deploy the release you want with `/deploy`.".to_owned(),
        known => format!("Known, newest first: {}. Anything else is put there with `/deploy`.", known.join(", ")),
    };
    Denied::new(ReasonCode::NothingToGoBackTo, format!("{what} is not known to have been good here."), next)
}

/// The commit of what is put back, when all of it agrees.
pub(super) fn commit_of(runs: &BTreeMap<ServiceName, Piece>) -> Option<CommitSha> {
    let mut commits = runs.values().map(Piece::commit);
    let first = commits.next().flatten();
    first.filter(|first| commits.all(|other| other == Some(*first)))
}

#[cfg(test)]
mod tests;
