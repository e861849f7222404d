//! What this target writes into plans and onto the host, and reads back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, Container};
use crate::engine::target::opaque;
use crate::problem::Problem;
use crate::rollout::{Change, Direction, Revision, ServicePlan};
use crate::types::{CommitSha, PinnedImage};

/// The revision of a place where nothing runs.
pub(super) const NOTHING: &str = "nothing";

/// The facts of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(super) struct Facts {
    /// The image's id on the host, where it was seen running there.
    #[serde(default)]
    pub(super) image_id: String,
}

/// The wish of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// What is to run.
    pub(super) revision: Revision,
    /// The newest change the host knew when the plan was made.
    pub(super) baseline: String,
    /// Whether a person goes back with it, away from what runs.
    pub(super) leaving: Leaving,
}

/// Why what runs is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Leaving {
    /// For a new release.
    Behind,
    /// It was not good after all.
    Away,
}

/// How what ran before a change stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Was {
    /// It served.
    Good,
    /// It did not.
    Bad,
}

/// A line of the record that the host keeps: a change that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its name on the host.
    pub(super) job: String,
    /// What was asked for.
    pub(super) wanted: Wanted,
    /// What ran before it.
    pub(super) previous: Revision,
    /// How that stood.
    pub(super) was: Was,
}

impl Wanted {
    pub(super) fn of(plan: &ServicePlan) -> Result<Self, Problem> {
        match &plan.change {
            Change::Move { wish, .. } => opaque(wish, "plan of a Compose service"),
            Change::Nothing => Err(Problem::defect(
                "nothing-to-change",
                "a Compose service was to be changed by a plan that changes nothing",
            )),
        }
    }

    /// What the change is called on the host: the same for the same plan, another for every other.
    pub(super) fn job(&self, direction: Direction) -> String {
        let way = match direction {
            Direction::Forward => "forward",
            Direction::Back => "back",
        };
        let mut name = hex::encode(Sha256::digest(format!("{way} {} {}", self.baseline, self.revision.id)));
        name.truncate(16);
        name
    }
}

impl Entry {
    /// As a line.
    pub(super) fn line(&self) -> String {
        STANDARD.encode(json!(self).to_string())
    }

    /// What the host kept, oldest first. What another version wrote is left out.
    pub(super) fn all(answer: &Answer) -> Vec<Self> {
        answer.history.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// The revision that runs an image.
pub(super) fn revision(image: &str, pinned: Option<PinnedImage>, commit: Option<CommitSha>, id: &str) -> Revision {
    Revision {
        id: image.to_owned(),
        name: short(image),
        image: pinned.or_else(|| image.parse().ok()),
        image_text: image.to_owned(),
        commit,
        facts: json!(Facts { image_id: id.to_owned() }),
    }
}

/// Where nothing runs.
pub(super) fn nothing() -> Revision {
    revision(NOTHING, None, None, "")
}

/// The image to run for a revision; empty when nothing is to.
pub(super) fn image_of(revision: &Revision) -> &str {
    if revision.id == NOTHING { "" } else { &revision.id }
}

/// Whether a container runs a revision.
pub(super) fn runs(container: &Container, revision: &Revision) -> bool {
    let known: Facts = serde_json::from_value(revision.facts.clone()).unwrap_or_default();
    container.image == revision.id
        || container.image_id == revision.id
        || (!known.image_id.is_empty() && container.image_id == known.image_id)
}

/// `app@sha256:0123456789ab`, or the beginning of an id.
fn short(image: &str) -> String {
    let (repository, digest) = image.rsplit_once("sha256:").unwrap_or((image, ""));
    if digest.is_empty() {
        return image.to_owned();
    }
    let name = repository.trim_end_matches('@').rsplit('/').next().unwrap_or_default();
    let digest: String = digest.chars().take(12).collect();
    if name.is_empty() { format!("image:{digest}") } else { format!("{name}:{digest}") }
}

/// The image of what runs, written so that it means the same tomorrow: by digest, or else by the id the
/// host has it under.
pub(super) fn exact(container: &Container, answer: &Answer) -> String {
    if container.image.contains("sha256:") {
        return container.image.clone();
    }
    let digests = answer.image(&container.image_id).and_then(|image| image.digests.clone()).unwrap_or_default();
    let repository = match container.image.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => &container.image,
    };
    let own = digests.iter().find(|digest| digest.split('@').next() == Some(repository));
    own.or(digests.first()).cloned().unwrap_or_else(|| container.image_id.clone())
}

/// What runs now, with its commit where the record or the image knows it.
pub(super) fn live(answer: &Answer) -> Revision {
    let Some(container) = newest(answer) else { return nothing() };
    let image = exact(container, answer);
    let entries = Entry::all(answer);
    let recorded = entries.iter().rev().find_map(|entry| {
        [&entry.wanted.revision, &entry.previous].into_iter().find(|known| known.id == image && known.commit.is_some())
    });
    let label = answer.image(&container.image_id).and_then(|image| image.commit.as_deref()?.parse().ok());
    let pinned = recorded.and_then(|known| known.image.clone());
    revision(&image, pinned, recorded.and_then(|known| known.commit).or(label), &container.image_id)
}

/// The container that speaks for the service: one that runs, if one does.
fn newest(answer: &Answer) -> Option<&Container> {
    answer.containers.iter().find(|container| container.state.status == "running").or(answer.containers.first())
}
