//! A gate as the bot keeps it: what is asked, of whom, and what was answered.
//!
//! Invariant: a gate asks about one thing, named by its hash. Another plan is another gate.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipline::report::View;
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use super::NewAudit;
use crate::types::{Actor, DeploymentId, EnvironmentKey, GateId, IssueNumber, RepositoryRef, RunId};

/// What a gate asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// A plan, before anything changes.
    Plan,
    /// A step of a rollout under way.
    Canary,
    /// A job of a workflow that wants to use an environment of GitHub's.
    Rule,
}

impl GateKind {
    /// The word for it in the database, in answers and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Canary => "canary",
            Self::Rule => "rule",
        }
    }
}

/// Whose gate it is. The same name is the same gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub enum GateName {
    /// One of a deployment's.
    Deployment {
        /// Which deployment.
        deployment: DeploymentId,
        /// Its plan, or a step of its rollout.
        kind: GateKind,
        /// The how-manieth of that kind, from 1.
        number: u32,
    },
    /// That of a run of a workflow.
    Run {
        /// Which run.
        run: RunId,
        /// GitHub's environment that it wants to use.
        environment: EnvironmentName,
        /// The GitHub Deployment that GitHub made for the job; another job of the run, and the same one
        /// started again, has another.
        #[serde(default)]
        deployment: Option<u64>,
    },
}

impl GateName {
    /// What it asks about.
    pub fn kind(&self) -> GateKind {
        match self {
            Self::Deployment { kind, .. } => *kind,
            Self::Run { .. } => GateKind::Rule,
        }
    }

    /// The deployment it holds up, if it is one's.
    pub fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Deployment { deployment, .. } => Some(*deployment),
            Self::Run { .. } => None,
        }
    }

    /// The how-manieth.
    pub fn number(&self) -> u32 {
        match self {
            Self::Deployment { number, .. } => *number,
            Self::Run { .. } => 1,
        }
    }

    /// As the database knows it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Deployment { deployment, kind, number } => {
                format!("deployment/{deployment}/{}/{number}", kind.word())
            }
            Self::Run { run, environment, deployment: None } => format!("run/{run}/{environment}"),
            Self::Run { run, environment, deployment: Some(id) } => format!("run/{run}/{environment}/{id}"),
        }
    }
}

/// A gate to open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewGate {
    /// Whose.
    pub name: GateName,
    /// The repository, to speak about.
    pub repository: RepositoryRef,
    /// Where.
    pub key: EnvironmentKey,
    /// What is asked about: a plan's hash, or the name of a step.
    pub hash: String,
    /// The commit, for people.
    pub commit: Option<CommitSha>,
    /// Where it is talked about.
    pub issue: Option<IssueNumber>,
    /// Who asked for what waits.
    pub requester: Option<Actor>,
    /// How many must say yes.
    pub need: u32,
    /// Until when it waits.
    pub expires: Timestamp,
    /// What else whoever opened it wants to find again.
    pub facts: Value,
}

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// It waits for people.
    Waiting,
    /// Enough said yes.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Its time is over.
    Expired,
    /// What it asked about is no more.
    Void,
}

impl GateState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Void => "void",
        }
    }
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

impl Decision {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// How an answer came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// In a comment.
    Comment,
    /// By a button of a check run.
    Button,
    /// Over the bot's own interface.
    Api,
}

impl Via {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Button => "button",
            Self::Api => "api",
        }
    }
}

/// An answer to write down. That the person may give it was decided before.
#[derive(Debug, Clone, PartialEq)]
pub struct NewApproval {
    /// Who.
    pub actor: Actor,
    /// What.
    pub decision: Decision,
    /// How.
    pub via: Via,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Names this very asking: the same one twice is one, and gets the same answer.
    pub token: String,
}

/// Whether an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voice {
    /// It does.
    Counts,
    /// The person has lost the right since.
    Withdrawn,
}

/// An answer that was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub actor: Actor,
    /// What.
    pub decision: Decision,
    /// How.
    pub via: Via,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Whether it counts.
    pub voice: Voice,
}

/// A gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Its number, for addresses.
    pub id: GateId,
    /// What is asked.
    pub asked: NewGate,
    /// How it stands.
    pub state: GateState,
    /// Since when it waits.
    pub opened: Timestamp,
    /// Deliveries stored up to this one came before it was opened: what they say is about something else.
    pub sequence: u64,
    /// When it was decided, or was over.
    pub decided: Option<Timestamp>,
    /// What was answered, oldest first.
    pub approvals: Vec<Approval>,
}

impl Approval {
    /// Whether it is a yes that counts.
    pub fn counts(&self) -> bool {
        self.decision == Decision::Approve && self.voice == Voice::Counts
    }
}

impl Gate {
    /// Those whose yes counts.
    pub fn approvers(&self) -> impl Iterator<Item = &Actor> {
        self.approvals.iter().filter(|one| one.counts()).map(|one| &one.actor)
    }

    /// How many yeses count.
    pub fn have(&self) -> u32 {
        u32::try_from(self.approvers().count()).unwrap_or(u32::MAX)
    }

    /// The no, if there is one.
    pub fn rejection(&self) -> Option<&Approval> {
        self.approvals.iter().find(|one| one.decision == Decision::Reject)
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It counts; more are needed.
    Counted {
        /// How many there are.
        have: u32,
        /// How many there must be.
        need: u32,
    },
    /// It counts, and is enough.
    Approved,
    /// It was a no: that ends it.
    Rejected,
    /// This person has said so before.
    Twice,
    /// It does not wait any more.
    NotWaiting(GateState),
    /// It asks about another plan than the answer.
    OtherPlan,
    /// There is no such gate.
    Unknown,
}

/// What a deployment that waits at a gate remembers of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitingGate {
    /// Which gate.
    pub id: GateId,
    /// The how-manieth question about this deployment's plan.
    pub number: u32,
    /// The plan.
    pub hash: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// When people are reminded; absent when they were.
    pub remind: Option<Timestamp>,
    /// The rules of the environment it was opened under, as a hash: with others it is asked anew.
    pub rules: String,
    /// The plan as people see it.
    pub view: Box<View>,
    /// Whose answers are asked for: `@acme/release-managers`, `@ann`.
    pub people: Vec<String>,
    /// How many of them.
    pub need: u32,
    /// Why it is asked once more.
    pub again: Option<String>,
    /// How many answers the comment shows; absent while it shows nothing of the gate.
    pub told: Option<usize>,
}

/// What the audit chain says of a gate that is over without an answer.
pub(super) fn over(gate: &Gate, state: GateState) -> NewAudit {
    let NewGate { repository, key, .. } = &gate.asked;
    NewAudit {
        key: format!("gate/{}/{}", gate.id, state.word()),
        repository: Some(repository.id),
        repository_name: Some(repository.name.to_string()),
        environment: Some(key.environment.to_string()),
        actor: None,
        action: format!("approval.{}", if state == GateState::Void { "voided" } else { state.word() }),
        outcome: state.word().to_owned(),
        details: gate.told(),
    }
}

impl Gate {
    /// What an audit entry says of it.
    pub(super) fn told(&self) -> Value {
        serde_json::json!({
            "schema_version": 1, "gate": self.id, "kind": self.asked.name.kind().word(), "number": self.asked.name.number(),
            "deployment": self.asked.name.deployment(), "plan": self.asked.hash, "commit": self.asked.commit,
            "requester": self.asked.requester, "need": self.asked.need, "have": self.have(), "expires": self.asked.expires,
        })
    }
}
