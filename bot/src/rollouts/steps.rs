//! Steps of traffic at which a rollout waits for people: the engine's gates, kept in the store.
//!
//! The question is a row like that of a plan, answered the same ways; what `/promote`, `/pause` and
//! `/resume` say stands beside it. Only looked at here, every moment while a rollout stands at a step:
//! whoever answers need not know which process drives it. Invariants: nothing goes on while a lock or a
//! freeze forbids it, whoever said yes; a question is over, in the store, before anything follows from
//! something else than an answer to it, so what is counted is never for nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shipline::config::spec::EnvironmentSpec;
use shipline::engine::wait::pause;
use shipline::engine::{Cancel, Gates, clock};
use shipline::rollout::{Asks, Awaited, Decision, Gate, Plan, Waits};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::kept::Kept;
use super::reporter::{Call, RolloutReporter};
use super::room::Place;
use super::worker::Worker;
use crate::approvals;
use crate::context::Bot;
use crate::decision::{approving, freeze, lock};
use crate::github::Hub;
use crate::messages::Question;
use crate::store::{self, Asked, DeploymentKind, GateKind, GateName, GateState, NewGate, Steer, Steering, StoreFailed};
use crate::types::GateId;

/// The pause between two looks.
const LOOKS: Duration = Duration::from_millis(300);

/// A yes that is older is asked about once more before something follows from it.
const FRESH: Duration = Duration::from_secs(5);

/// The pause before GitHub is asked again.
const AGAIN: Duration = Duration::from_secs(15);

/// What a yes is worth when something is about to follow from it.
enum Yes {
    Counts,
    /// It counts no more: others are asked.
    Withdrawn,
    /// GitHub does not say; why.
    Unknown(String),
}

/// The gates of one rollout.
pub(super) struct Steps {
    bot: Arc<Bot>,
    hub: Hub,
    kept: Arc<Kept>,
    asked: Asked,
    spec: EnvironmentSpec,
    plan: Plan,
    reporter: Arc<RolloutReporter>,
    place: Arc<Place>,
    put: Mutex<Put>,
}

/// The question that was put last.
#[derive(Default)]
struct Put {
    /// What it is about, and which it is.
    question: Option<(Value, GateId)>,
    /// What people were shown of it.
    shown: Option<(Question, Call)>,
    /// At this gate nobody is asked, and every question before it is over.
    cleared: Option<Gate>,
}

impl Steps {
    pub(super) fn new(worker: &Worker, spec: EnvironmentSpec, plan: &Plan, reporter: Arc<RolloutReporter>) -> Self {
        let (bot, kept, place) = (Arc::clone(&worker.bot), Arc::clone(&worker.kept), Arc::clone(&worker.place));
        let (hub, asked) = (worker.hub.clone(), worker.deployment.asked.clone());
        Self { bot, hub, kept, asked, spec, plan: plan.clone(), reporter, place, put: Mutex::default() }
    }

    /// One look; nothing while nothing is decided.
    async fn look(&self, gate: &Gate) -> Result<Option<Decision>, StoreFailed> {
        let steering = self.kept.store.steering(self.kept.id()).await?;
        let steering = steering.as_ref();
        if gate.needs() == Awaited::Nothing {
            self.clear(gate).await?;
            let Some(decision) = steered(steering, gate) else { return Ok(None) };
            let held = is_promoted(&decision) && self.forbids(gate).await.is_some();
            return Ok((!held).then_some(decision));
        }
        let row = self.row(gate).await?;
        let decision = match row.state {
            GateState::Rejected => return Ok(Some(rejected(&row))),
            // Its time is counted by the rollout.
            GateState::Expired => return Ok(None),
            GateState::Approved => Some(steered(steering, gate).filter(is_promoted).unwrap_or_else(|| approved(&row))),
            GateState::Waiting | GateState::Void => steered(steering, gate),
        };
        let (by_a_rule, goes_on) = (held_by_a_rule(steering, gate), decision.as_ref().is_some_and(goes_on));
        let forbidden = if by_a_rule || goes_on { self.forbids(gate).await } else { None };
        let held =
            forbidden.as_ref().zip(decision.as_ref().filter(|_| goes_on)).map(|(why, decision)| kept_by(decision, why));
        self.show(gate, &row, held).await;
        let decision = match (decision, forbidden) {
            (Some(decision), forbidden) if !goes_on || forbidden.is_none() => decision,
            (None, None) if by_a_rule => Decision::Resumed { by: "itself, now that nothing forbids it".to_owned() },
            (Some(_) | None, _) => return Ok(None),
        };
        if let Decision::Approved { .. } = &decision {
            match self.yes(&row).await? {
                Yes::Counts => {}
                Yes::Withdrawn => return Ok(None),
                Yes::Unknown(why) => {
                    self.show(gate, &row, Some(kept_by(&decision, &why))).await;
                    pause(AGAIN, &Cancel::new()).await;
                    return Ok(None);
                }
            }
        }
        // Of what is said in one moment one thing wins: the question is over, or it is looked at again.
        if row.state == GateState::Waiting && !self.end(&row, GateState::Void).await? {
            return Ok(None);
        }
        Ok(Some(decision))
    }

    /// Ends a gate whose time is over, unless somebody decided in that moment.
    async fn end_in_time(&self, gate: &Gate) -> Result<Decision, StoreFailed> {
        let steering = self.kept.store.steering(self.kept.id()).await?;
        let mut row = self.row(gate).await?;
        if row.state == GateState::Waiting {
            if self.end(&row, GateState::Expired).await? {
                self.bot.metrics.gate(GateKind::Canary.word(), "expired");
            }
            row = self.row(gate).await?;
        }
        let decision = match row.state {
            GateState::Rejected => return Ok(rejected(&row)),
            GateState::Approved => Some(approved(&row)),
            GateState::Waiting | GateState::Expired | GateState::Void => {
                steered(steering.as_ref(), gate).filter(is_promoted)
            }
        };
        let said = match (decision, self.forbids(gate).await) {
            (Some(decision), None) if row.state == GateState::Approved => match self.yes(&row).await? {
                Yes::Counts => return Ok(decision),
                Yes::Withdrawn => {
                    self.end(&row, GateState::Expired).await?;
                    None
                }
                Yes::Unknown(why) => Some(kept_by(&decision, &why)),
            },
            (Some(decision), Some(why)) => Some(kept_by(&decision, &why)),
            (Some(_), None) | (None, _) => None,
        };
        Ok(Decision::Expired { said })
    }

    /// Whether a yes that had to wait still counts: whoever said it may have lost the right since.
    async fn yes(&self, row: &store::Gate) -> Result<Yes, StoreFailed> {
        let now = clock::now();
        let age =
            row.decided.map_or(Duration::MAX, |at| Duration::try_from(now.duration_since(at)).unwrap_or_default());
        let Some(rule) = approving::rule(GateKind::Canary, &self.spec).filter(|_| age > FRESH) else {
            return Ok(Yes::Counts);
        };
        match approvals::without_right(&self.hub, &rule, &self.spec.policy.access, row).await {
            Ok(gone) if gone.is_empty() => Ok(Yes::Counts),
            Ok(gone) => {
                self.kept.store.withdraw(row.id, &gone, row.asked.need, now).await?;
                Ok(Yes::Withdrawn)
            }
            Err((actor, problem)) => {
                warn!(problem = %problem.what, "whether an approval still counts is not known, asking again");
                Ok(Yes::Unknown(format!("whether {} still may is not known: {}", actor.login, problem.what)))
            }
        }
    }

    async fn end(&self, row: &store::Gate, state: GateState) -> Result<bool, StoreFailed> {
        self.kept.store.end_gate(row.id, state, clock::now()).await
    }

    /// Where nobody is asked, what was asked before is over: a step was let through elsewhere.
    async fn clear(&self, gate: &Gate) -> Result<(), StoreFailed> {
        let mut put = self.put.lock().await;
        if put.cleared.as_ref() == Some(gate) {
            return Ok(());
        }
        for row in self.kept.store.gates_of(self.kept.id()).await? {
            if row.asked.name.kind() == GateKind::Canary && row.state == GateState::Waiting {
                self.end(&row, GateState::Void).await?;
            }
        }
        put.cleared = Some(gate.clone());
        Ok(())
    }

    /// Shows people the question as it stands, and calls them once more when it is time.
    async fn show(&self, gate: &Gate, row: &store::Gate, held: Option<String>) {
        let rule = approving::rule(GateKind::Canary, &self.spec);
        let remind = rule.and_then(|rule| gate.since.checked_add(rule.remind.duration()).ok());
        let call = if remind.is_some_and(|at| at <= clock::now()) { Call::Due } else { Call::NotYet };
        let news = (Question { gate: row.clone(), held }, call);
        let mut put = self.put.lock().await;
        if put.shown.as_ref() != Some(&news) {
            self.reporter.asks(gate, news.0.clone(), call);
            put.shown = Some(news);
        }
    }

    /// The question in the store, put if it is not there yet.
    async fn row(&self, gate: &Gate) -> Result<store::Gate, StoreFailed> {
        let about = approvals::about(gate);
        let mut put = self.put.lock().await;
        if let Some((known, id)) = put.question.as_ref()
            && *known == about
            && let Some(row) = self.kept.store.gate(*id).await?
        {
            return Ok(row);
        }
        let row = self.ask(gate, &about).await?;
        put.question = Some((about, row.id));
        Ok(row)
    }

    async fn ask(&self, gate: &Gate, about: &Value) -> Result<store::Gate, StoreFailed> {
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
        let rule = approving::rule(GateKind::Canary, &self.spec);
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
            facts: approvals::facts(gate, self.plan.services.keys(), rule.as_ref()),
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
        // What stands and waits keeps nobody else from beginning.
        let _aside = self.place.aside();
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

    async fn expired(&self, gate: &Gate) -> Decision {
        let never = Cancel::new();
        loop {
            match self.end_in_time(gate).await {
                Ok(decision) => return decision,
                Err(error) => warn!(%error, "whether somebody decided in time is not known, looking again"),
            }
            pause(LOOKS, &never).await;
        }
    }
}

fn approved(row: &store::Gate) -> Decision {
    Decision::Approved { by: row.approvers().map(|actor| actor.login.clone()).collect() }
}

fn rejected(row: &store::Gate) -> Decision {
    let no = row.rejection();
    let by = no.map(|no| no.actor.login.clone()).unwrap_or_default();
    Decision::Rejected { by, said: no.and_then(|no| no.reason.clone()) }
}

/// Whether more traffic follows from it.
fn goes_on(decision: &Decision) -> bool {
    matches!(decision, Decision::Approved { .. } | Decision::Promoted { .. })
}

fn is_promoted(decision: &Decision) -> bool {
    matches!(decision, Decision::Promoted { .. })
}

/// Who would let it go on, and what keeps it.
fn kept_by(decision: &Decision, why: &str) -> String {
    let who = match decision {
        Decision::Approved { by } => format!("{} approved it, but ", by.join(", ")),
        Decision::Promoted { by } => format!("{by} promoted it, but "),
        Decision::Resumed { .. } | Decision::Rejected { .. } | Decision::Paused { .. } | Decision::Expired { .. } => {
            String::new()
        }
    };
    format!("{who}{why}")
}

/// Whether it stands there because a lock or a freeze forbade it, and nobody wants it held.
fn held_by_a_rule(steering: Option<&Steering>, gate: &Gate) -> bool {
    let paused = steering.is_some_and(|said| said.steer == Steer::Pause);
    matches!(gate.waits, Waits::Person { asks: Asks::Held { .. } }) && !paused
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
