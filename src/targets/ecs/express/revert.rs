//! The way back to the recorded configuration.
//!
//! The quickest way first: the service deployment that is still under way takes itself back.
//! Otherwise the recorded configuration is asked for again. Invariants: looks first and may be
//! repeated; somebody else's deployment is left alone.

use super::ExpressTarget;
use super::apply::Now;
use super::facts;
use crate::engine::{Back, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, Direction, Revision, ServicePlan, Shift};
use crate::targets::ecs::facts::{self as ecs_facts, Found, RevisionFacts, ShiftFacts, Way};
use crate::targets::ecs::judge::named;
use crate::targets::ecs::looks::Tries;
use crate::targets::ecs::truth::{Deployment, State};
use crate::targets::ecs::{said, same};

impl ExpressTarget {
    pub(super) async fn revert_plan(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Cause> {
        let previous = ecs_facts::of_revision(&plan.previous).map_err(said::of_problem)?;
        let settings = facts::recorded(&previous).map_err(said::of_problem)?;
        let now = self.now().await.map_err(|failure| said::of_failure(&failure))?;
        let is_back = now.current.revision == plan.previous.id || same::same(&now.current.settings, settings);
        let ours = ours(plan, shift, &now).map_err(said::of_problem)?;
        let own = ours.as_deref().or_else(|| shift.map(|shift| shift.revision.id.as_str()));
        let deployment = self.deployment(shift, own).await;
        let goes = deployment.as_ref().filter(|known| known.state == State::Going && ours.is_some());
        match deployment.as_ref().map(|known| known.state) {
            Some(State::RollingBack) => return Ok(began(by_stop(plan, &now, shift, deployment.as_ref()))),
            Some(State::RolledBack) if !is_back && ours.is_some() => {
                return Ok(began(by_stop(plan, &now, shift, deployment.as_ref())));
            }
            // ECS gave its own way back up: nothing finishes it, and asking for what is there already
            // begins nothing. Whoever follows reads why.
            Some(State::RollbackFailed) if is_back => {
                return Ok(began(by_stop(plan, &now, shift, deployment.as_ref())));
            }
            _ => {}
        }
        if let Some(known) = goes.filter(|_| previous.found == Found::AtRest) {
            // Too late, not allowed: the other way is always there.
            if self.ecs.stop(&known.arn).await.is_ok() {
                return Ok(began(by_stop(plan, &now, shift, Some(known))));
            }
        }
        if is_back && goes.is_none() {
            return Ok(self.already_back(plan, &previous, &now).await);
        }
        if ours.is_none() {
            return Ok(Back::Superseded { by: now.live.primary().map_or_else(|| now.current.revision.clone(), named) });
        }
        let to = self.change(&now, settings).await.map_err(|not| not.cause)?;
        Ok(began(self.follow(&to, Direction::Back, now.live.primary()).await))
    }

    /// The previous configuration is the primary: proven, or on its way.
    async fn already_back(&self, plan: &ServicePlan, previous: &RevisionFacts, now: &Now) -> Back {
        let Some(primary) = now.live.primary() else { return Back::Already };
        if primary.is_complete() && primary.desired == now.live.desired {
            return Back::Already;
        }
        let same_revision = now.current.revision == plan.previous.id && previous.task_definition == primary.definition;
        let back = self.follow(&now.current, Direction::Back, None).await;
        began(if same_revision { Shift { revision: plan.previous.clone(), ..back } } else { back })
    }

    /// The service deployment to take back, where it can be had.
    async fn deployment(&self, shift: Option<&Shift>, revision: Option<&str>) -> Option<Deployment> {
        if self.ecs.asking.without().is_some() {
            return None;
        }
        let arn = if let Some(arn) = shift.and_then(|shift| shift.id.clone()) {
            arn
        } else {
            let revision = Some(revision?.to_owned());
            let facts = ShiftFacts { way: Way::Update, primary: None, created: None, left: None, revision };
            self.ecs.find(&facts, "").await?
        };
        self.ecs.lookout.deployment(Tries::Many, &arn).await.ok().flatten()
    }
}

/// The service revision of this plan that is there, if it is the newest or the primary.
fn ours(plan: &ServicePlan, shift: Option<&Shift>, now: &Now) -> Result<Option<String>, Problem> {
    let newest = now.newer().unwrap_or(&now.current);
    if let Some(shift) = shift.filter(|shift| shift.direction == Direction::Forward) {
        let own = shift.revision.id.as_str();
        let there = now.current.revision == own || newest.revision == own;
        return Ok(there.then(|| own.to_owned()));
    }
    // The answer was lost: what is there is ours if it is what the plan wished for, and new.
    let wish = facts::wish(plan)?;
    let Some(wish) = wish.filter(|_| newest.revision != plan.previous.id) else { return Ok(None) };
    let moved = now.primary_id() != wish.seen.as_deref() || newest.revision != now.current.revision;
    Ok((moved && same::same(&newest.settings, &wish.express)).then(|| newest.revision.clone()))
}

fn began(shift: Shift) -> Back {
    Back::Began(Box::new(shift))
}

/// The service deployment takes itself back to the recorded revision.
fn by_stop(plan: &ServicePlan, now: &Now, shift: Option<&Shift>, deployment: Option<&Deployment>) -> Shift {
    let failed = shift.map(|shift| definition(&shift.revision));
    let failed = failed.or_else(|| now.newer().map(|newer| newer.definition.clone()));
    let facts = ShiftFacts {
        way: Way::Stop,
        primary: None,
        created: None,
        left: Some(failed.unwrap_or_else(|| now.current.definition.clone())),
        revision: None,
    };
    Shift {
        id: deployment.map(|known| known.arn.clone()),
        revision: plan.previous.clone(),
        direction: Direction::Back,
        started: clock::now(),
        facts: ecs_facts::write(&facts),
    }
}

fn definition(revision: &Revision) -> String {
    ecs_facts::of_revision(revision).map_or_else(|_| revision.id.clone(), |facts| facts.task_definition)
}
