//! Steps of traffic at which a rollout waits for people: the engine's gates, kept in the store.
//!
//! The question is a row like that of a plan, answered the same ways; what `/promote`, `/pause` and
//! `/resume` say stands beside it. Only looked at here, every moment while a rollout stands at a step:
//! whoever answers need not know which process drives it. Invariant: nothing goes on while a lock or a
//! freeze forbids it, whoever said yes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use shipline::config::spec::EnvironmentSpec;
use shipline::engine::wait::pause;
use shipline::engine::{Cancel, Gates, clock};
use shipline::rollout::{Asks, Awaited, Decision, Gate, Plan, Waits};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::kept::Kept;
use super::worker::Worker;
use crate::context::Bot;
use crate::decision::{freeze, lock};
use crate::store::{
    self, Asked, DeploymentKind, GateKind, GateName, GateState, NewGate, Steer, Steering, StoreFailed, Voice,
};
use crate::types::GateId;

/// The pause between two looks.
const LOOKS: Duration = Duration::from_millis(300);

/// The gates of one rollout.
pub(super) struct Steps {
    bot: Arc<Bot>,
    kept: Arc<Kept>,
    asked: Asked,
    spec: EnvironmentSpec,
    plan: Plan,
    /// The question that was put last, by what it is about.
    put: Mutex<Option<(serde_json::Value, GateId)>>,
}

impl Steps {
    pub(super) fn new(worker: &Worker, spec: EnvironmentSpec, plan: &Plan) -> Self {
        let (bot, kept) = (Arc::clone(&worker.bot), Arc::clone(&worker.kept));
        Self { bot, kept, asked: worker.deployment.asked.clone(), spec, plan: plan.clone(), put: Mutex::default() }
    }

    /// One look; nothing while nothing is decided.
    async fn look(&self, gate: &Gate) -> Result<Option<Decision>, StoreFailed> {
        let steering = self.kept.store.steering(self.kept.id()).await?;
        if let Some(decision) = steered(steering.as_ref(), gate) {
            let goes_on = matches!(decision, Decision::Promoted { .. } | Decision::Resumed { .. });
            return Ok((!goes_on || self.forbids(gate).await.is_none()).then_some(decision));
        }
        if gate.needs() == Awaited::Nothing {
            return Ok(None);
        }
        let Some(row) = self.row(gate).await? else { return Ok(None) };
        let decision = match row.state {
            GateState::Approved => {
                let counts =
                    |one: &&store::Approval| one.decision == store::Decision::Approve && one.voice == Voice::Counts;
                let by = row.approvals.iter().filter(counts).map(|one| one.actor.login.clone()).collect();
                Decision::Approved { by }
            }
            GateState::Rejected => {
                let no = row.rejection();
                let by = no.map(|no| no.actor.login.clone()).unwrap_or_default();
                Decision::Rejected { by, said: no.and_then(|no| no.reason.clone()) }
            }
            // Its time is counted by the rollout.
            GateState::Waiting | GateState::Expired | GateState::Void => return Ok(None),
        };
        let goes_on = matches!(decision, Decision::Approved { .. });
        Ok((!goes_on || self.forbids(gate).await.is_none()).then_some(decision))
    }

    /// The question in the store, put if it is not there yet.
    async fn row(&self, gate: &Gate) -> Result<Option<store::Gate>, StoreFailed> {
        let about = json!({ "step": gate.step, "since": gate.since, "traffic": gate.traffic });
        let mut put = self.put.lock().await;
        if let Some((known, id)) = put.as_ref()
            && *known == about
        {
            return self.kept.store.gate(*id).await;
        }
        let row = self.ask(gate, &about).await?;
        *put = Some((about, row.id));
        Ok(Some(row))
    }

    async fn ask(&self, gate: &Gate, about: &serde_json::Value) -> Result<store::Gate, StoreFailed> {
        let (id, now) = (self.kept.id(), clock::now());
        let earlier = self.kept.store.gates_of(id).await?;
        let steps = || earlier.iter().filter(|row| row.asked.name.kind() == GateKind::Canary);
        // A worker before this one may have put it.
        if let Some(known) = steps().find(|row| row.asked.facts["about"] == *about) {
            return Ok(known.clone());
        }
        let number = steps().map(|row| row.asked.name.number()).max().unwrap_or(0) + 1;
        let patience = self.plan.steering.unwrap_or_default().patience.duration();
        let commit = match self.asked.kind {
            DeploymentKind::Deploy { sha } => Some(sha),
            DeploymentKind::Rollback { .. } => self.plan.release.commit,
        };
        let new = NewGate {
            name: GateName::Deployment { deployment: id, kind: GateKind::Canary, number },
            repository: self.asked.repository.clone(),
            key: self.asked.key.clone(),
            hash: self.plan.hash().to_string(),
            commit,
            issue: Some(self.asked.issue),
            requester: Some(self.asked.actor.clone()),
            need: 1,
            expires: gate.since.checked_add(patience).unwrap_or(gate.since),
            facts: json!({ "about": about, "services": self.plan.services.keys().collect::<Vec<_>>() }),
        };
        let row = self.kept.store.open_gate(&self.kept.lease, &new, now).await?;
        info!(gate = %row.id, step = gate.step, "the rollout waits for a person");
        self.bot.metrics.gate(GateKind::Canary.word(), "opened");
        Ok(row)
    }
}

#[async_trait]
impl Gates for Steps {
    async fn forbids(&self, _gate: &Gate) -> Option<String> {
        let now = clock::now();
        let held = match self.kept.store.lock_of(&self.asked.key, now).await {
            Ok(held) => held,
            Err(error) => return Some(format!("whether the environment is locked is not known: {error}")),
        };
        let environment = self.asked.key.environment.as_str();
        let locked = lock::open(held.as_ref(), lock::Wish::Deploy, &self.asked.actor, now);
        let frozen = || freeze::open(environment, &self.spec.policy.freeze, now);
        locked.and_then(|()| frozen()).err().map(|denied| denied.what)
    }

    async fn decision(&self, gate: &Gate) -> Decision {
        let never = Cancel::new();
        loop {
            match self.look(gate).await {
                Ok(Some(decision)) => return decision,
                Ok(None) => {}
                Err(error) => warn!(%error, "whether somebody decided is not known, looking again"),
            }
            pause(LOOKS, &never).await;
        }
    }
}

/// What the last word means at this gate; nothing where it does not fit.
fn steered(steering: Option<&Steering>, gate: &Gate) -> Option<Decision> {
    let Steering { steer, actor, at } = steering?;
    let by = actor.login.clone();
    match (steer, &gate.waits) {
        (Steer::Promote, _) => Some(Decision::Promoted { by }),
        (Steer::Pause, Waits::Bake) => Some(Decision::Paused { by }),
        (Steer::Resume, Waits::Person { asks: Asks::Held { .. } | Asks::Undecided { .. } }) if *at >= gate.since => {
            Some(Decision::Resumed { by })
        }
        (Steer::Pause, Waits::Person { .. }) | (Steer::Resume, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use shipline::types::{Percent, Timestamp};

    use super::*;
    use crate::types::{Actor, UserId};

    #[test]
    fn the_last_word_counts_where_it_fits_and_only_after_it_was_asked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let said = |steer, second| {
            let actor = Actor { id: UserId::new(7), login: "mona".to_owned() };
            Steering { steer, actor, at: at(second) }
        };
        let gate = |waits| Gate { step: 1, traffic: Percent::of(1, 10), since: at(100), waits };
        let person = |asks| gate(Waits::Person { asks });
        let held = || person(Asks::Held { by: "mona".into() });
        let word = |steering: &Steering, gate: &Gate| {
            let decision = steered(Some(steering), gate)?;
            Some(serde_json::to_value(decision).unwrap()["decision"].as_str().unwrap().to_owned())
        };
        let (promote, pause) = (said(Steer::Promote, 50), said(Steer::Pause, 50));
        assert_eq!(word(&promote, &gate(Waits::Bake)).as_deref(), Some("promoted"));
        assert_eq!(word(&promote, &person(Asks::Approval)).as_deref(), Some("promoted"));
        assert_eq!(word(&pause, &gate(Waits::Bake)).as_deref(), Some("paused"), "said before the step, held at it");
        assert_eq!(word(&pause, &held()), None, "it is held already");
        assert_eq!(word(&said(Steer::Resume, 50), &held()), None, "said before it was held");
        assert_eq!(word(&said(Steer::Resume, 150), &held()).as_deref(), Some("resumed"));
        assert_eq!(word(&said(Steer::Resume, 150), &person(Asks::Approval)), None, "that is no approval");
        assert_eq!(word(&said(Steer::Resume, 150), &gate(Waits::Bake)), None);
    }
}
