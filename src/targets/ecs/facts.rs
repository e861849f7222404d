//! What this target writes into the opaque fields of plans, revisions and shifts, and reads back.
//!
//! Invariants: complete enough to go on after a crash; nothing that changes by itself (counts,
//! times), so that the same wish on the same service gives the same plan.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::raw::{Definition, short};
use super::render;
use super::steps::Steps;
use crate::engine::target::opaque;
use crate::problem::Problem;
use crate::rollout::{Change, Revision, ServicePlan, Shift};
use crate::types::{CommitSha, PinnedImage};

/// What the service shall run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "definition")]
pub(super) enum Wanted {
    /// A task definition that exists.
    Existing {
        /// Its ARN.
        arn: String,
    },
    /// A task definition to register, unless its family's newest one has this very content.
    New {
        /// The whole request.
        content: Map<String, Value>,
    },
}

/// Whether ECS is asked for new tasks even where it sees no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fresh {
    No,
    Yes,
}

/// `Change::Move.wish`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) wanted: Wanted,
    /// The service's own container.
    pub(super) container: Option<String>,
    /// New number of tasks.
    pub(super) desired_count: Option<u32>,
    pub(super) fresh: Fresh,
    /// Id of the primary deployment when the plan was made: another one with our task definition is ours.
    pub(super) seen: Option<String>,
    /// How traffic moves; as the service has it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Steps>,
}

/// Whether the service was at rest when the plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Found {
    /// ECS would go back to the same revision that is recorded.
    AtRest,
    /// Another deployment was under way or had failed: where ECS would go back to is not known.
    Unsettled,
}

/// `Revision.facts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RevisionFacts {
    /// ARN.
    pub(super) task_definition: String,
    /// The service's own container.
    pub(super) container: Option<String>,
    /// The content, for a deregistered task definition: it cannot be deployed again as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Map<String, Value>>,
    /// Number of tasks to bring back, when the plan changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) desired_count: Option<u32>,
    /// How the service was found.
    pub(super) found: Found,
    /// The configuration that Express Mode takes and shows, for a service that it manages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) express: Option<Map<String, Value>>,
}

/// By which call a shift was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// `UpdateService` made a deployment of its own.
    Update,
    /// Only the number of tasks changes: there is no deployment to follow.
    Scale,
    /// The service deployment that failed takes itself back.
    Stop,
}

/// `Shift.facts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ShiftFacts {
    pub(super) way: Way,
    /// Id of the primary deployment (`ecs-svc/…`), which its tasks carry in `startedBy`.
    pub(super) primary: Option<String>,
    /// When ECS made that deployment, seconds since 1970 on its clock.
    pub(super) created: Option<f64>,
    /// On the way back: the task definition that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<String>,
    /// ARN of the service revision that is moved to, where the provider named it with its answer:
    /// it tells the service deployment, whose primary deployment may be listed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<String>,
}

/// The wish of a plan.
pub(super) fn wish(plan: &ServicePlan) -> Result<Option<Wish>, Problem> {
    match &plan.change {
        Change::Nothing => Ok(None),
        Change::Move { wish, .. } => read(wish, "wish").map(Some),
    }
}

/// The facts of a revision.
pub(super) fn of_revision(revision: &Revision) -> Result<RevisionFacts, Problem> {
    read(&revision.facts, "revision")
}

/// The facts of a shift.
pub(super) fn of_shift(shift: &Shift) -> Result<ShiftFacts, Problem> {
    read(&shift.facts, "shift")
}

fn read<T: DeserializeOwned>(value: &Value, of: &'static str) -> Result<T, Problem> {
    opaque(value, of)
}

/// As an opaque value.
pub(super) fn write<T: Serialize>(facts: &T) -> Value {
    serde_json::to_value(facts).expect("facts have only text keys and finite numbers")
}

/// A task definition as a revision; `container` is the service's own one.
pub(super) fn revision(definition: &Definition, container: Option<&str>, found: Found) -> Revision {
    let container = container.map(str::to_owned).or_else(|| only_container(&definition.raw));
    let facts = RevisionFacts {
        task_definition: definition.arn.clone(),
        container: container.clone(),
        content: definition.is_inactive().then(|| render::content(definition)),
        desired_count: None,
        found,
        express: None,
    };
    let image_text = container.and_then(|name| image_of(&definition.raw, &name)).unwrap_or_default();
    Revision {
        id: definition.arn.clone(),
        name: short(&definition.arn).to_owned(),
        image: image_text.parse::<PinnedImage>().ok(),
        commit: commit_of(&image_text),
        image_text,
        facts: write(&facts),
    }
}

/// The image of a container.
pub(super) fn image_of(content: &Map<String, Value>, container: &str) -> Option<String> {
    render::container(content, container)?.get("image")?.as_str().map(str::to_owned)
}

/// The container that is meant when none is named and there is but one; else the first essential one.
fn only_container(content: &Map<String, Value>) -> Option<String> {
    let essential = |known: &&Value| known.get("essential") != Some(&Value::Bool(false));
    let found = render::containers(content).iter().find(essential)?;
    found.get("name")?.as_str().map(str::to_owned)
}

/// The commit, where the image's tag is one.
pub(super) fn commit_of(image: &str) -> Option<CommitSha> {
    let name = image.split('@').next()?;
    let (_, tag) = name.rsplit_once('/')?.1.split_once(':')?;
    tag.parse().ok()
}
