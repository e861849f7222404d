//! Asks ECS for the plan's change.
//!
//! Invariants: looks first, so that it may be called again after a crash anywhere; a request whose
//! answer was lost is never sent again before looking whether it arrived; a deployment that
//! somebody else made since the plan is not overwritten.

use aws_sdk_ecs::types::DeploymentConfiguration;
use serde_json::{Map, Value};

use super::EcsTarget;
use super::calls::{Left, Pauses};
use super::facts::{self, Found, Fresh, ShiftFacts, Wanted, Way};
use super::judge::named;
use super::live::{self, Live, RolloutState};
use super::looks::Tries;
use super::raw::Definition;
use super::truth::{self, Search, Without};
use super::{registered, said};
use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{NotApplied, ProviderFailure, clock};
use crate::rollout::{Cause, CauseCode, Direction, Revision, ServicePlan, Shift, Touched};

/// How often a request whose answer was lost is sent again.
pub(super) const AGAIN: usize = 3;

/// What `UpdateService` is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Update {
    pub(super) definition: Option<String>,
    pub(super) desired: Option<u32>,
    pub(super) fresh: Fresh,
    /// How traffic moves, where the service is told otherwise.
    pub(super) told: Option<DeploymentConfiguration>,
}

impl EcsTarget {
    pub(super) async fn apply_plan(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        let wish = facts::wish(plan).map_err(|problem| untouched(said::of_problem(problem)))?;
        let wish = wish.ok_or_else(|| {
            let text = "the plan changes nothing here, so there is nothing to apply";
            untouched(said::of_problem(crate::problem::Problem::defect("nothing-to-apply", text)))
        })?;
        let live = self.must_live().await.map_err(|failure| untouched(said::of_failure(&failure)))?;
        let definition =
            self.definition(&wish.wanted).await.map_err(|failure| untouched(said::of_failure(&failure)))?;
        let revision = facts::revision(&definition, wish.container.as_deref(), Found::AtRest);
        let on_it = live.primary().filter(|primary| primary.definition == definition.arn);
        let is_new = live.primary().map(|primary| &primary.id) != wish.seen.as_ref();
        let joined = on_it.is_some() && (wish.fresh == Fresh::No || is_new);
        let desired = wish.desired_count.filter(|count| *count != live.desired);
        if joined && desired.is_none() {
            return Ok(self.shift(&live, revision, Way::Update, Direction::Forward).await);
        }
        if let Some(other) = live.primary().filter(|_| is_new && on_it.is_none())
            && other.definition != Self::definition_of(&plan.previous)
        {
            let text = format!("somebody else deployed {} since this plan was made", named(other));
            return Err(untouched(Cause::new(
                CauseCode::Stopped,
                text,
                "Look at what they deployed, then plan again.",
            )));
        }
        let way = match on_it.map(|primary| primary.state) {
            Some(RolloutState::Completed | RolloutState::Unknown) if joined => Way::Scale,
            _ => Way::Update,
        };
        let update = Update {
            definition: (!joined).then(|| definition.arn.clone()),
            desired,
            fresh: if joined { Fresh::No } else { wish.fresh },
            told: wish.steps.filter(|_| !joined).and_then(|steps| steps.configuration(&live.routing)),
        };
        let seen = live.primary().map(|primary| primary.id.clone());
        let live = self.update(&update, seen.as_deref()).await?;
        Ok(self.shift(&live, revision, way, Direction::Forward).await)
    }

    pub(super) async fn must_live(&self) -> Result<Live, ProviderFailure> {
        self.lookout.must(Tries::Many, &self.spec.cluster, &self.spec.service).await
    }

    /// The task definition that is wanted: the existing one, or one with this content.
    async fn definition(&self, wanted: &Wanted) -> Result<Definition, ProviderFailure> {
        registered::definition(&self.patient, &self.once, wanted).await
    }

    /// The newest one of the family if it has this very content, else a new registration.
    pub(super) async fn registered(&self, content: &Map<String, Value>) -> Result<Definition, ProviderFailure> {
        registered::registered(&self.patient, &self.once, content).await
    }

    /// Sends `UpdateService`; `seen` is the primary deployment before it. The answer is the service after it.
    pub(super) async fn update(&self, update: &Update, seen: Option<&str>) -> Result<Live, NotApplied> {
        let mut touched = Touched::No;
        let mut last = None;
        for _ in 0..=AGAIN {
            match self.send_update(update).await {
                Ok(live) => return Ok(live),
                Err(failure) if failure.kind == FailureKind::Unavailable => {
                    touched = Touched::Perhaps;
                    match self.must_live().await {
                        Ok(live) if arrived(update, seen, &live) => return Ok(live),
                        Ok(_) | Err(_) => last = Some(failure),
                    }
                }
                Err(failure) => return Err(NotApplied { cause: said::of_failure(&failure), touched }),
            }
        }
        let failure = last.expect("the loop ends only after a lost answer");
        Err(NotApplied { cause: said::of_failure(&failure), touched })
    }

    /// Sent once, and again only while ECS asks to slow down.
    async fn send_update(&self, update: &Update) -> Result<Live, ProviderFailure> {
        let mut pauses = Pauses::unhurried();
        loop {
            match self.send_update_once(update).await {
                Err(failure) if pauses.again(&failure).await == Left::Try => {}
                other => return other,
            }
        }
    }

    async fn send_update_once(&self, update: &Update) -> Result<Live, ProviderFailure> {
        let operation = "ecs:UpdateService";
        let desired = update.desired.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        let asked = self
            .once
            .update_service()
            .cluster(&self.spec.cluster)
            .service(&self.spec.service)
            .set_task_definition(update.definition.clone())
            .set_desired_count(desired)
            .set_deployment_configuration(update.told.clone())
            .set_force_new_deployment((update.fresh == Fresh::Yes).then_some(true));
        let answer = asked.send().await.map_err(|error| failure(operation, &error))?;
        match answer.service() {
            Some(service) if !service.deployments().is_empty() => Ok(live::read(service)),
            _ => self.must_live().await,
        }
    }

    /// The change that the primary deployment is, with its service deployment if it can be found now.
    pub(super) async fn shift(&self, live: &Live, revision: Revision, way: Way, direction: Direction) -> Shift {
        let primary = live.primary();
        let facts = ShiftFacts {
            way,
            primary: primary.map(|primary| primary.id.clone()),
            created: primary.map(|primary| primary.created),
            left: None,
            revision: None,
        };
        let id = match way {
            Way::Update => self.find(&facts, &revision.id).await,
            Way::Scale | Way::Stop => None,
        };
        Shift { id, revision, direction, started: clock::now(), facts: facts::write(&facts) }
    }

    /// The service deployment behind a primary deployment; looked for once a call, remembered when found.
    pub(super) async fn find(&self, facts: &ShiftFacts, definition: &str) -> Option<String> {
        let key = facts.revision.as_ref().or(facts.primary.as_ref())?;
        if let Some(known) = self.memory.deployment(key) {
            return Some(known);
        }
        if self.asking.without().is_some() {
            return None;
        }
        let (cluster, service) = (&self.spec.cluster, &self.spec.service);
        let found = match &facts.revision {
            Some(revision) => truth::search_revision(&self.once, cluster, service, revision).await,
            None => truth::search(&self.once, cluster, service, facts.created?, definition).await,
        };
        let missed = |after: u32| {
            if self.memory.missed() >= after {
                self.asking.give_up(Without::Empty);
            }
            None
        };
        match found {
            Ok(Search::Found(arn)) => {
                self.memory.remember(key, &arn);
                Some(arn)
            }
            // ECS may list a deployment a moment after it made it.
            Ok(Search::NotYet) => missed(10),
            Ok(Search::Nothing) => missed(3),
            Err(failure) => {
                // What passes is tried again at the next look; what does not is remembered.
                let _passing = self.asking.sort(failure);
                None
            }
        }
    }
}

/// Whether the service shows what was asked for.
fn arrived(update: &Update, seen: Option<&str>, live: &Live) -> bool {
    let Some(primary) = live.primary() else { return false };
    let definition = update.definition.as_ref().is_none_or(|wanted| *wanted == primary.definition);
    let desired = update.desired.is_none_or(|wanted| wanted == live.desired);
    let fresh = update.fresh == Fresh::No || Some(primary.id.as_str()) != seen;
    definition && desired && fresh
}

pub(super) fn untouched(cause: Cause) -> NotApplied {
    NotApplied { cause, touched: Touched::No }
}
