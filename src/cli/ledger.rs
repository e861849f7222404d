//! GitHub's Deployment beside ours: made before the first change, told of every end.
//!
//! Invariant: GitHub never decides a deployment. When it cannot be reached the run says so and goes
//! on; the truth is in the exit code.

use serde_json::{Value, json};

use super::host::Host;
use super::recorder::Recorder;
use crate::github::{AutoInactive, Client, DeploymentId, DeploymentState, Lifetime, NewDeployment, NewStatus, Stage};
use crate::rollout::{Outcome, Phase, Plan};
use crate::types::EnvironmentName;

/// A Deployment that GitHub shows.
pub(super) struct Ledger<'a> {
    github: &'a Client,
    id: DeploymentId,
    recorder: &'a Recorder,
    log_url: Option<String>,
    url: Option<String>,
}

impl<'a> Ledger<'a> {
    /// Makes the Deployment and says that it is in progress; nothing without a client or commit.
    pub(super) async fn open(
        github: Option<&'a Client>,
        plan: &Plan,
        host: &Host,
        recorder: &'a Recorder,
        url: Option<&String>,
    ) -> Option<Self> {
        let (github, sha) = (github?, plan.release.commit?);
        let new = NewDeployment {
            environment: plan.environment.clone(),
            sha,
            shipline: payload(plan),
            description: format!("Shipline plan {}", plan.hash().short()),
            stage: stage(&plan.environment),
            lifetime: Lifetime::Lasting,
        };
        match github.create_deployment(&new).await {
            Ok(deployment) => {
                let ledger = Self { github, id: deployment.id, recorder, log_url: host.run_url(), url: url.cloned() };
                ledger.tell(DeploymentState::InProgress, "rolling out").await;
                Some(ledger)
            }
            Err(problem) => {
                recorder.warning(&format!("no GitHub Deployment: {} {}", problem.what, problem.next));
                None
            }
        }
    }

    /// Tells how it ended.
    pub(super) async fn close(&self, phase: &Phase) {
        let (state, text) = told(phase);
        self.tell(state, text).await;
    }

    /// Tells that it was cancelled before any change.
    pub(super) async fn close_cancelled(&self) {
        self.tell(DeploymentState::Inactive, "cancelled before anything was changed").await;
    }

    async fn tell(&self, state: DeploymentState, description: &str) {
        let status = NewStatus {
            state,
            description: description.to_owned(),
            log_url: self.log_url.clone(),
            environment_url: self.url.clone(),
            auto_inactive: AutoInactive::Yes,
        };
        if let Err(problem) = self.github.set_status(self.id, &status).await {
            self.recorder.warning(&format!("GitHub was not told that it {description}: {}", problem.what));
        }
    }
}

const HELD: &str = "failed and was left as it is";
const NEEDS_ATTENTION: &str = "failed and needs attention";
const INTERRUPTED: &str = "interrupted on its way back";

/// What GitHub is told of deployments after which nobody can say what serves.
pub(super) const LEFT_BROKEN: [&str; 3] = [HELD, NEEDS_ATTENTION, INTERRUPTED];

/// How GitHub is told that a rollout ended, with a few words for people.
pub fn told(phase: &Phase) -> (DeploymentState, &'static str) {
    match phase.outcome() {
        Some(Outcome::Succeeded) => (DeploymentState::Success, "serves"),
        Some(Outcome::RolledBack { .. }) => (DeploymentState::Failure, "failed and was rolled back"),
        Some(Outcome::NotShifted { .. }) => (DeploymentState::Failure, "failed before any traffic moved"),
        Some(Outcome::NothingChanged { .. }) => (DeploymentState::Error, "refused, nothing was changed"),
        Some(Outcome::Held { .. }) => (DeploymentState::Failure, HELD),
        Some(Outcome::Superseded { .. }) => (DeploymentState::Inactive, "replaced by another deployment"),
        Some(Outcome::Cancelled) => (DeploymentState::Inactive, "cancelled, what served before serves again"),
        Some(Outcome::NeedsAttention { .. }) => (DeploymentState::Error, NEEDS_ATTENTION),
        None => (DeploymentState::Error, INTERRUPTED),
    }
}

/// Whether GitHub shows an environment as production.
pub fn stage(environment: &EnvironmentName) -> Stage {
    if environment.as_str().starts_with("prod") { Stage::Production } else { Stage::Other }
}

/// What history and rollback need to find again.
pub fn payload(plan: &Plan) -> Value {
    let services: serde_json::Map<String, Value> = plan
        .services
        .iter()
        .map(|(name, part)| {
            let image = part.image.as_ref().map(ToString::to_string);
            (name.to_string(), json!({ "image": image, "previous": part.previous.id }))
        })
        .collect();
    json!({ "schema_version": 1, "plan": plan.hash().to_string(), "services": services })
}

/// Whether anything is worth telling GitHub: a run that found nothing to do makes no Deployment.
pub(super) fn worth_telling(first: &Phase) -> bool {
    first.outcome().is_none()
}
