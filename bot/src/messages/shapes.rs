//! What the messages are made from.

use std::collections::BTreeMap;

use shipline::engine::Progress;
use shipline::report::View;
use shipline::types::{CommitSha, EnvironmentName, ServiceName, Timestamp};

use crate::decision::Denied;
use crate::store::{Deployment, Gate, Good, Lock, WaitingGate};

/// A deployment as its comment shows it.
pub struct Shown<'a> {
    /// What was asked, and what is known of it.
    pub deployment: &'a Deployment,
    /// Where it stands.
    pub stand: Stand<'a>,
    /// How far each service is, as far as it is known.
    pub progress: &'a BTreeMap<ServiceName, Progress>,
    /// `https://github.com`, or the server of an Enterprise installation: links begin with it.
    pub server_url: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Where a deployment stands.
pub enum Stand<'a> {
    /// It waits for its turn.
    Waiting {
        /// The one that runs.
        behind: Option<&'a Deployment>,
    },
    /// A workflow builds its images.
    Building {
        /// The page of the run, once known.
        url: Option<String>,
    },
    /// Images and plan are being found.
    Preparing,
    /// People must say yes to the plan first.
    Gating {
        /// What they decide on.
        waiting: &'a WaitingGate,
        /// What they have answered.
        gate: &'a Gate,
    },
    /// The rollout runs.
    Rolling {
        /// How far it is.
        view: &'a View,
        /// What people are asked at the step where it stands; absent until it is asked.
        question: Option<&'a Question>,
    },
    /// The rollout is over: the view says how. `locked` tells that the environment is locked since.
    Ended {
        /// What happened.
        view: &'a View,
        /// The lock that was made with it.
        locked: Option<&'a Lock>,
    },
    /// It ended before anything changed.
    Refused(&'a Denied),
}

/// What people are asked at a step of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The question, with what was answered.
    pub gate: Gate,
    /// What forbids to go on though somebody said yes, one sentence.
    pub held: Option<String>,
}

/// An environment for `/status`.
pub struct EnvironmentStatus {
    /// Its name.
    pub name: EnvironmentName,
    /// The address people open.
    pub url: Option<String>,
    /// The release that our ledger says is there.
    pub good: Option<Good>,
    /// What the provider says is there.
    pub live: Live,
    /// Deployments that are open, oldest first.
    pub open: Vec<Deployment>,
    /// The lock.
    pub lock: Option<Lock>,
    /// How the newest deployment that is over ended.
    pub last: Option<Deployment>,
}

/// What the provider says.
pub enum Live {
    /// What serves.
    Known(Vec<LiveService>),
    /// It could not be asked; why.
    Unknown(String),
}

/// One service as the provider shows it.
pub struct LiveService {
    /// Its name.
    pub name: ServiceName,
    /// The revision's short name.
    pub revision: String,
    /// Its commit, when known.
    pub commit: Option<CommitSha>,
    /// The provider's identity of the revision: differs from the ledger's when somebody else deployed.
    pub id: String,
}
