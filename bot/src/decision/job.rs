//! A job of a workflow that wants to use an environment: what speaks against it, and what passes. Pure.
//!
//! The rules are those of a deploy by comment. But a comment that is refused is written again, while a
//! job that is refused ends its whole run. So a job waits for what passes by itself: a freeze window
//! that ends in time, checks that have not ended, the rest of a soak, another deployment. What a person
//! must change first refuses it.

use serde::{Deserialize, Serialize};
use shipline::config::spec::{EnvironmentSpec, Queue};
use shipline::types::{EnvironmentName, Timestamp};

use super::freeze::{Frozen, frozen};
use super::{Denied, ReasonCode, running};
use crate::store::{Deployment, Gate};

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Open,
    /// What speaks against it passes by itself, by then if that is known.
    Later(Denied, Option<Timestamp>),
    /// It may not.
    Refused(Denied),
}

/// What the gate of a job remembers beside its answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFacts {
    /// Whose answers are asked for: `@acme/release-managers`, `@ann`.
    pub people: Vec<String>,
    /// Whether whoever started it `may` answer.
    pub requester: String,
    /// Which attempt of the run it belongs to.
    pub attempt: u64,
    /// The rules of the environment people were asked under, as a hash; absent while nobody was asked.
    pub rules: Option<String>,
    /// When people are reminded; absent before they were asked and after they were reminded.
    pub remind: Option<Timestamp>,
    /// Why people are asked once more.
    pub again: Option<String>,
    /// What it waits for beside people, and since when.
    pub waits: Option<(Denied, Timestamp)>,
    /// Why it was refused.
    pub refused: Option<Denied>,
    /// That GitHub is about to be told that it may go on.
    pub lets: bool,
    /// The newest of what GitHub was told while it waits, and how many there were.
    pub reported: Option<(String, u32)>,
    /// The hash of what its comment says.
    pub told: Option<String>,
}

impl JobFacts {
    /// Those of a gate.
    pub fn of(gate: &Gate) -> Self {
        serde_json::from_value(gate.asked.facts.clone()).unwrap_or_default()
    }

    /// As a gate keeps them.
    pub fn value(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What follows from everything that speaks against a job: the first that refuses it, else the first
/// that passes. `until` is the end of its time, `open` are our own deployments of the environment.
pub fn judge(
    mut objections: Vec<Denied>,
    environment: &EnvironmentName,
    spec: &EnvironmentSpec,
    open: &[Deployment],
    until: Timestamp,
    now: Timestamp,
) -> Verdict {
    if let (Queue::One, Some(first)) = (spec.policy.queue, open.first()) {
        objections.push(running::under_way(environment, first, now));
    }
    let thaw = match frozen(&spec.policy.freeze, now) {
        Frozen::Until(end, _) if end < until => Some(end),
        Frozen::Until(..) | Frozen::No | Frozen::Always | Frozen::UnknownZone(_) => None,
    };
    let passes = |denied: &Denied| match denied.code {
        ReasonCode::Frozen => thaw.is_some(),
        ReasonCode::Busy => spec.policy.queue == Queue::One,
        ReasonCode::Soaking
        | ReasonCode::ChecksPending
        | ReasonCode::ChecksMissing
        | ReasonCode::ChecksUnknown
        | ReasonCode::ForeignDeployment => true,
        _ => false,
    };
    if let Some(refused) = objections.iter().find(|denied| !passes(denied)) {
        return Verdict::Refused(of_a_job(refused.clone()));
    }
    match objections.into_iter().next() {
        None => Verdict::Open,
        Some(first) => {
            let then = thaw.filter(|_| first.code == ReasonCode::Frozen);
            Verdict::Later(of_a_job(first), then)
        }
    }
}

/// A no to a comment, as a no to a job: whoever reads it writes no comment, but runs the job again.
pub fn of_a_job(denied: Denied) -> Denied {
    let next = denied
        .next
        .replace("Comment the command again", "Run the job again")
        .replace("Comment again", "Run the job again")
        .replace("comment again", "run the job again");
    Denied { next, ..denied }
}
