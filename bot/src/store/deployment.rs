//! A deployment as the bot keeps it: what was asked, where it stands, how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipline::rollout::{Record, Revision};
use shipline::types::{CommitSha, ImageRef, ServiceName, Timestamp};

use super::{Lock, NewAudit, WaitingGate};
use crate::types::{Actor, CommentId, DeploymentId, EnvironmentKey, GateId, IssueNumber, RepositoryRef, RunId};

/// What a deployment does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DeploymentKind {
    /// Puts the release of a commit there.
    Deploy {
        /// The commit the command was bound to.
        sha: CommitSha,
    },
    /// Goes back to a release that was good there.
    Rollback {
        /// What the person wrote after `to`; the last good one when absent.
        to: Option<String>,
        /// Whether the environment is locked afterwards.
        lock: bool,
    },
}

/// What was asked, with everything a worker needs that did not decide it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Where.
    pub key: EnvironmentKey,
    /// The repository, to speak about.
    pub repository: RepositoryRef,
    /// What.
    pub kind: DeploymentKind,
    /// Which services; all of the environment when empty.
    pub services: Vec<ServiceName>,
    /// Who.
    pub actor: Actor,
    /// The issue or pull request it was asked in, and where its comment stands.
    pub issue: IssueNumber,
    /// Whether that is a pull request.
    pub is_pull: bool,
    /// The comment that asked.
    pub comment: CommentId,
    /// Which command of that comment, from 0.
    pub command: u32,
    /// The reason the person gave.
    pub reason: Option<String>,
    /// The commit of the default branch that the policy was read at when it was decided.
    pub policy_commit: CommitSha,
    /// When it was decided, by our clock.
    pub decided: Timestamp,
}

/// A deployment to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeployment {
    /// What was asked. `comment` and `command` name it: the same ones are the same deployment.
    pub asked: Asked,
}

/// What to do while another deployment is open on the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueRule {
    /// Wait behind the running one; the newest waiting one replaces the older.
    One,
    /// Say no.
    Refuse,
    /// Cancel whatever is open and run next; for a rollback.
    Overtake,
}

/// What became of a deployment that was handed in.
#[derive(Debug, Clone, PartialEq)]
pub enum Enqueued {
    /// It is next.
    Next(DeploymentId),
    /// It waits behind another one.
    Behind {
        /// Its number.
        id: DeploymentId,
        /// The one that runs, or that it has asked to cancel.
        running: Box<Deployment>,
        /// The ones that waited and will not run any more; they are closed as `replaced`.
        replaced: Vec<Deployment>,
    },
    /// This very command was handed in before.
    Known(DeploymentId),
    /// The same release is on its way there already, or waits.
    Same(Box<Deployment>),
    /// Another one is open, and the rule says no.
    Busy(Box<Deployment>),
}

/// Which part of its life a deployment is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// Waits for its turn, or nothing was done yet.
    Waiting,
    /// A workflow builds its images.
    Building {
        /// The run, once GitHub has told it. Absent: the dispatch may or may not have arrived.
        run: Option<RunId>,
        /// Since when.
        since: Timestamp,
    },
    /// Its plan waits for people to say yes. Nobody holds it meanwhile.
    Gating {
        /// The gate it waits at.
        gate: WaitingGate,
    },
    /// The rollout runs: its journal says where it stands.
    Rolling {
        /// What it does.
        record: Box<Record>,
    },
    /// Over.
    Over,
}

impl Stage {
    /// The word for it in logs, metrics and comments.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Building { .. } => "building",
            Self::Gating { .. } => "gating",
            Self::Rolling { .. } => "rolling",
            Self::Over => "over",
        }
    }
}

/// What changes while a deployment lives. Written as a whole, under the lease's fence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub stage: Stage,
    /// Our comment about it, once it is known to exist.
    pub report: Option<CommentId>,
    /// GitHub's Deployment, once it is known to exist.
    pub github_deployment: Option<u64>,
    /// The check run on the head commit, once it is known to exist.
    pub check_run: Option<u64>,
    /// The commit that the policy in force was read at.
    pub policy_commit: Option<CommitSha>,
    /// The policy in force: the text of `.github/shipline.yml` at that commit.
    pub policy: Option<String>,
    /// The commit of the release, once known (for a rollback it may stay unknown).
    pub commit: Option<CommitSha>,
    /// Images found, by service.
    pub images: BTreeMap<ServiceName, ImageRef>,
    /// What happened before the rollout began, for the timeline: when and what.
    pub before: Vec<(Timestamp, String)>,
    /// Things people should know.
    pub notices: Vec<String>,
    /// The newest step of the rollout at which people were called once more.
    #[serde(default)]
    pub reminded: Option<GateId>,
}

impl State {
    /// Nothing happened yet.
    pub fn fresh() -> Self {
        Self {
            stage: Stage::Waiting,
            report: None,
            github_deployment: None,
            check_run: None,
            policy_commit: None,
            policy: None,
            commit: None,
            images: BTreeMap::new(),
            before: Vec::new(),
            notices: Vec::new(),
            reminded: None,
        }
    }
}

/// A deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Its number.
    pub id: DeploymentId,
    /// What was asked.
    pub asked: Asked,
    /// Where it stands.
    pub state: State,
    /// When it was added.
    pub created: Timestamp,
    /// Who wants it cancelled.
    pub cancel: Option<Actor>,
    /// How it ended; absent while it is open.
    pub outcome: Option<String>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// A reason code, or the word of a rollout's outcome: `succeeded`, `rolled-back`, `head-moved`…
    pub outcome: String,
    /// What serves every service since; absent unless it succeeded.
    pub serves: Option<BTreeMap<ServiceName, Revision>>,
    /// The environment is locked with it (after a rollback).
    pub lock: Option<Lock>,
    /// What the audit chain says about it.
    pub audit: NewAudit,
    /// What else is worth keeping of the end, for history: cause, links.
    pub details: Value,
}

/// A release that was good on an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Good {
    /// The deployment that brought it.
    pub id: DeploymentId,
    /// Its commit, when known.
    pub commit: Option<CommitSha>,
    /// What served every service that it had.
    pub serves: BTreeMap<ServiceName, Revision>,
    /// Who put it there.
    pub actor: Actor,
    /// Since when it was good.
    pub since: Timestamp,
}
