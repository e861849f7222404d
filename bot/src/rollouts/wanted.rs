//! What GitHub should show of a deployment: said by the worker, brought about by [`super::teller`].

use std::collections::BTreeMap;

use shipline::engine::Progress;
use shipline::github::{DeploymentState, NewDeployment};
use shipline::report::View;
use shipline::types::{CommitSha, ServiceName, Timestamp};

use crate::decision::Denied;
use crate::github::Button;
use crate::messages::{Question, Stand};
use crate::store::{Gate, Lock, WaitingGate};
use crate::types::{CommentId, GateId};

/// Where the deployment stands, for its comment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Standing {
    /// Nothing is said yet.
    Silent,
    /// A workflow builds.
    Building {
        /// Its page.
        url: Option<String>,
    },
    /// Images and plan are being found.
    Preparing,
    /// People must say yes to the plan first.
    Gating(Box<Waits>),
    /// The rollout runs.
    Rolling {
        /// How far it is.
        view: Box<View>,
        /// What people are asked at the step where it stands.
        question: Option<Box<Question>>,
    },
    /// It is over.
    Ended {
        /// What happened.
        view: Box<View>,
        /// The lock that is made with it.
        locked: Option<Lock>,
    },
    /// It ended before anything changed.
    Refused(Denied),
}

/// A plan that waits for people.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waits {
    pub(super) waiting: WaitingGate,
    pub(super) gate: Gate,
}

/// A check run, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) sha: CommitSha,
    pub(super) conclusion: Option<String>,
    pub(super) title: String,
    pub(super) buttons: Vec<Button>,
}

/// A comment that calls people once more: an edit calls nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reminder {
    /// What they are called for; there is one comment about it.
    pub(super) gate: GateId,
    /// It was not made before that.
    pub(super) since: Timestamp,
    pub(super) text: String,
}

/// What GitHub should show.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) standing: Standing,
    pub(super) progress: BTreeMap<ServiceName, Progress>,
    /// GitHub's Deployment.
    pub(super) release: Option<NewDeployment>,
    /// Its status.
    pub(super) status: Option<(DeploymentState, String)>,
    pub(super) environment_url: Option<String>,
    pub(super) check: Option<Check>,
    /// People to call once more.
    pub(super) reminder: Option<Reminder>,
    /// Older comments to fold away.
    pub(super) old: Vec<CommentId>,
}

/// As the comment tells it; nothing while nothing is said.
pub(super) fn stand(standing: &Standing) -> Option<Stand<'_>> {
    Some(match standing {
        Standing::Silent => return None,
        Standing::Building { url } => Stand::Building { url: url.clone() },
        Standing::Preparing => Stand::Preparing,
        Standing::Gating(waits) => Stand::Gating { waiting: &waits.waiting, gate: &waits.gate },
        Standing::Rolling { view, question } => Stand::Rolling { view, question: question.as_deref() },
        Standing::Ended { view, locked } => Stand::Ended { view, locked: locked.as_ref() },
        Standing::Refused(denied) => Stand::Refused(denied),
    })
}
