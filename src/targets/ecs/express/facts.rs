//! What this target writes into the opaque fields of plans, revisions and shifts, beside what an
//! ECS service writes there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::MAIN;
use super::raw::Configuration;
use super::settings;
use crate::engine::clock;
use crate::engine::target::opaque;
use crate::problem::Problem;
use crate::rollout::{Change, Direction, Revision, ServicePlan, Shift};
use crate::targets::ecs::facts::{Found, Fresh, RevisionFacts, ShiftFacts, Way, commit_of, write};
use crate::targets::ecs::raw::short;
use crate::types::PinnedImage;

/// `Change::Move.wish`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wish {
    /// The whole configuration that is wanted.
    pub(super) express: Map<String, Value>,
    /// Whether new tasks are asked for even where there is no difference.
    pub(super) fresh: Fresh,
    /// Id of the primary deployment when the plan was made.
    pub(super) seen: Option<String>,
}

/// The wish of a plan, by what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    /// The service changes.
    Change(Wish),
    /// It is created.
    Create {
        /// The whole request.
        request: Map<String, Value>,
    },
}

/// The wish of a plan.
pub(super) fn asked(plan: &ServicePlan) -> Result<Option<Asked>, Problem> {
    match &plan.change {
        Change::Nothing => Ok(None),
        Change::Move { wish, .. } => opaque(wish, "wish").map(Some),
    }
}

/// The wish of a plan that changes the service.
pub(super) fn wish(plan: &ServicePlan) -> Result<Option<Wish>, Problem> {
    Ok(match asked(plan)? {
        Some(Asked::Change(wish)) => Some(wish),
        Some(Asked::Create { .. }) | None => None,
    })
}

/// The configuration that a revision recorded.
pub(super) fn recorded(facts: &RevisionFacts) -> Result<&Map<String, Value>, Problem> {
    facts
        .express
        .as_ref()
        .ok_or_else(|| Problem::defect("no-configuration", "the recorded revision has no configuration"))
}

/// A configuration as a revision.
pub(super) fn revision(of: &Configuration, found: Found) -> Revision {
    let image_text = settings::image(&of.settings).unwrap_or_default().to_owned();
    let facts = RevisionFacts {
        task_definition: of.definition.clone(),
        container: Some(MAIN.to_owned()),
        content: None,
        desired_count: None,
        found,
        express: Some(of.settings.clone()),
    };
    Revision {
        id: of.revision.clone(),
        name: short(&of.definition).to_owned(),
        image: image_text.parse::<PinnedImage>().ok(),
        commit: commit_of(&image_text),
        image_text,
        facts: write(&facts),
    }
}

/// The change that moves to a configuration. The primary deployment is found while it is followed:
/// ECS may list it a moment later.
pub(super) fn shift(id: Option<String>, to: &Configuration, direction: Direction, left: Option<&str>) -> Shift {
    Shift {
        id,
        revision: revision(to, Found::AtRest),
        direction,
        started: clock::now(),
        facts: write(&moving_to(to, left)),
    }
}

/// The facts of such a change.
pub(super) fn moving_to(to: &Configuration, left: Option<&str>) -> ShiftFacts {
    ShiftFacts {
        way: Way::Update,
        primary: None,
        created: Some(to.created),
        left: left.map(str::to_owned),
        revision: Some(to.revision.clone()),
    }
}
