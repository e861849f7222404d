//! The way back to the recorded revision.
//!
//! The quickest way first: the service deployment that is still under way takes itself back, which
//! works even where the service's own rollback is off. Otherwise the recorded task definition is
//! deployed. Invariants: looks first and may be repeated; somebody else's deployment is left alone.

use super::EcsTarget;
use super::apply::Update;
use super::facts::{self, Found, Fresh, RevisionFacts, ShiftFacts, Wanted, Way};
use super::judge::named;
use super::live::{Live, Rollout, RolloutState};
use super::looks::Tries;
use super::raw;
use super::steps::Steps;
use super::truth::{Deployment, State};
use super::{render, said, same};
use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{Back, ProviderFailure, clock};
use crate::rollout::{Cause, Direction, Revision, ServicePlan, Shift};

impl EcsTarget {
    pub(super) async fn revert_plan(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Cause> {
        let previous = facts::of_revision(&plan.previous).map_err(said::of_problem)?;
        let live = self.must_live().await.map_err(|failure| said::of_failure(&failure))?;
        let Some(primary) = live.primary() else {
            return self.back_by_update(plan, &previous, &live, None).await;
        };
        let ours = self.is_ours(plan, shift, primary).await?;
        let restart = ours && primary.definition == previous.task_definition;
        let deployment = self.deployment_of(shift, ours.then_some(primary)).await;
        let state = deployment.as_ref().map(|known| known.state);
        if primary.definition == previous.task_definition && !restart {
            return self.already_back(plan, shift, &previous, &live, primary, deployment).await;
        }
        if !ours {
            return Ok(Back::Superseded { by: named(primary) });
        }
        match (state, deployment) {
            (Some(State::RollingBack | State::RolledBack), Some(known)) if previous.desired_count.is_none() => {
                Ok(Back::Began(Box::new(by_stop(plan, &live, primary, &known))))
            }
            (Some(State::Going), Some(known)) if stop_goes_there(&previous) => match self.take_back(&known).await {
                Ok(()) => Ok(Back::Began(Box::new(by_stop(plan, &live, primary, &known)))),
                // Too late, not allowed, not known here: the other way is always there.
                Err(_) => self.back_by_update(plan, &previous, &live, Some(primary)).await,
            },
            _ => self.back_by_update(plan, &previous, &live, Some(primary)).await,
        }
    }

    /// The previous task definition is the primary: proven, or on its way.
    async fn already_back(
        &self,
        plan: &ServicePlan,
        shift: Option<&Shift>,
        previous: &RevisionFacts,
        live: &Live,
        primary: &Rollout,
        deployment: Option<Deployment>,
    ) -> Result<Back, Cause> {
        let count_is_back = previous.desired_count.is_none_or(|count| count == live.desired);
        if !count_is_back || primary.state == RolloutState::Failed {
            return self.back_by_update(plan, previous, live, Some(primary)).await;
        }
        // One that ECS gave up is finished by nobody: whoever follows reads why.
        let back = |known: &Deployment| matches!(known.state, State::RollingBack | State::RollbackFailed);
        if let Some(known) = deployment.filter(back) {
            let left = shift.map(|shift| shift.revision.id.clone());
            let mut back = by_stop(plan, live, primary, &known);
            set_left(&mut back, left);
            return Ok(Back::Began(Box::new(back)));
        }
        if primary.is_complete() && primary.desired == live.desired {
            return Ok(Back::Already);
        }
        let mut back = self.shift(live, plan.previous.clone(), Way::Update, Direction::Back).await;
        set_left(&mut back, shift.map(|shift| shift.revision.id.clone()));
        Ok(Back::Began(Box::new(back)))
    }

    /// Whether the primary deployment runs what this plan brought.
    async fn is_ours(&self, plan: &ServicePlan, shift: Option<&Shift>, primary: &Rollout) -> Result<bool, Cause> {
        let own = shift.and_then(|shift| facts::of_shift(shift).ok()).and_then(|facts| facts.primary);
        if own.as_ref() == Some(&primary.id) {
            return Ok(true);
        }
        if let Some(shift) = shift {
            // Our task definition under another deployment id: ECS made a new one for it.
            return Ok(shift.revision.id == primary.definition && shift.revision.id != plan.previous.id);
        }
        // The answer was lost: what is there is ours if it is what the plan wished for.
        let wish = facts::wish(plan).map_err(said::of_problem)?;
        let Some(wish) = wish.filter(|wish| wish.seen.as_ref() != Some(&primary.id)) else { return Ok(false) };
        match wish.wanted {
            Wanted::Existing { arn } => Ok(arn == primary.definition),
            Wanted::New { content } => {
                let found = raw::describe(&self.patient, &primary.definition).await;
                let found = found.map_err(|failure| said::of_failure(&failure))?;
                Ok(same::same(&render::content(&found), &content))
            }
        }
    }

    /// The service deployment to take back, where it can be had.
    async fn deployment_of(&self, shift: Option<&Shift>, ours: Option<&Rollout>) -> Option<Deployment> {
        if self.asking.without().is_some() {
            return None;
        }
        let arn = if let Some(arn) = shift.and_then(|shift| shift.id.clone()) {
            arn
        } else {
            let primary = ours?;
            let (id, created) = (Some(primary.id.clone()), Some(primary.created));
            let facts = ShiftFacts { way: Way::Update, primary: id, created, left: None, revision: None };
            self.find(&facts, &primary.definition).await?
        };
        self.lookout.deployment(Tries::Many, &arn).await.ok().flatten()
    }

    pub(super) async fn stop(&self, arn: &str) -> Result<(), ProviderFailure> {
        let asked = self
            .patient
            .stop_service_deployment()
            .service_deployment_arn(arn)
            .stop_type(aws_sdk_ecs::types::StopServiceDeploymentStopType::Rollback);
        asked.send().await.map(|_| ()).map_err(|error| failure("ecs:StopServiceDeployment", &error))
    }

    /// Deploys the recorded task definition.
    async fn back_by_update(
        &self,
        plan: &ServicePlan,
        previous: &RevisionFacts,
        live: &Live,
        leaving: Option<&Rollout>,
    ) -> Result<Back, Cause> {
        let known = self.previous_definition(previous).await.map_err(|failure| said::of_failure(&failure))?;
        let desired = previous.desired_count.filter(|count| *count != live.desired);
        let stays = leaving.is_some_and(|leaving| leaving.definition == known.id);
        let only_count = stays && leaving.is_some_and(|leaving| leaving.state != RolloutState::Failed);
        let update = Update {
            definition: (!only_count).then(|| known.id.clone()),
            desired,
            // ECS sees no difference in a task definition that it has just given up.
            fresh: if stays && !only_count { Fresh::Yes } else { Fresh::No },
            told: Steps::back(&self.steering, &live.routing)
                .filter(|_| !only_count)
                .and_then(|steps| steps.configuration(&live.routing)),
        };
        let way = if only_count { Way::Scale } else { Way::Update };
        let live = if only_count && desired.is_none() {
            live.clone()
        } else {
            let updated = self.update(&update, leaving.map(|leaving| leaving.id.as_str())).await;
            updated.map_err(|not| not.cause)?
        };
        let revision = if known.id == plan.previous.id { plan.previous.clone() } else { known };
        let mut back = self.shift(&live, revision, way, Direction::Back).await;
        set_left(&mut back, leaving.map(|leaving| leaving.definition.clone()));
        Ok(Back::Began(Box::new(back)))
    }

    /// The recorded task definition; a deregistered one is registered again.
    async fn previous_definition(&self, previous: &RevisionFacts) -> Result<Revision, ProviderFailure> {
        let found = match raw::describe(&self.patient, &previous.task_definition).await {
            Ok(known) if known.is_inactive() => self.registered(&render::content(&known)).await?,
            Ok(known) => known,
            Err(failure) => match &previous.content {
                Some(content) if matches!(failure.kind, FailureKind::Missing | FailureKind::Rejected) => {
                    self.registered(content).await?
                }
                _ => return Err(failure),
            },
        };
        Ok(facts::revision(&found, previous.container.as_deref(), Found::AtRest))
    }
}

/// Whether ECS, left to itself, goes back to the very revision that is recorded.
fn stop_goes_there(previous: &RevisionFacts) -> bool {
    previous.found == Found::AtRest && previous.desired_count.is_none() && previous.content.is_none()
}

fn by_stop(plan: &ServicePlan, live: &Live, leaving: &Rollout, deployment: &Deployment) -> Shift {
    let primary = live.rollouts.iter().find(|rollout| rollout.definition == plan.previous.id);
    let facts = ShiftFacts {
        way: Way::Stop,
        primary: primary.map(|primary| primary.id.clone()),
        created: None,
        left: Some(leaving.definition.clone()),
        revision: None,
    };
    Shift {
        id: Some(deployment.arn.clone()),
        revision: plan.previous.clone(),
        direction: Direction::Back,
        started: clock::now(),
        facts: facts::write(&facts),
    }
}

fn set_left(shift: &mut Shift, left: Option<String>) {
    if let (Ok(mut facts), Some(left)) = (facts::of_shift(shift), left) {
        facts.left = Some(left);
        shift.facts = facts::write(&facts);
    }
}
