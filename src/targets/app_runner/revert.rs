//! Going back to the recorded revision. App Runner takes one operation at a time, so whatever
//! runs is followed to its end before anything is asked for.

use super::operations::{Operation, Operations, Status};
use super::service::Configuration;
use super::{AppRunnerTarget, Follow, Wanted, facts, refused_call, shift, stranger};
use crate::engine::{Back, clock};
use crate::rollout::{Cause, Direction, ServicePlan, Shift};
use crate::types::Timestamp;

impl AppRunnerTarget {
    pub(super) async fn go_back(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        taken: Option<&Shift>,
    ) -> Result<Back, Cause> {
        // The time given for going back counts on when `revert` is asked again behind an operation.
        let since = taken.filter(|shift| shift.direction == Direction::Back).map(|shift| shift.started);
        let was_behind = taken.is_some_and(|shift| {
            shift.direction == Direction::Forward && facts(shift).is_ok_and(|(_, facts)| facts.follow == Follow::Behind)
        });
        if let Some(found) = self.find_back(plan, wanted, since).await? {
            // Nothing was asked for yet, and the deployment we waited behind keeps the configuration.
            let untouched = was_behind
                && matches!(&found, Back::Began(back) if back.id == taken.and_then(|shift| shift.id.clone()));
            return Ok(if untouched { Back::Already } else { found });
        }
        match self.send_back(&Configuration::of(&plan.previous)).await {
            Ok(operation) => Ok(began(operation, Follow::Ours, plan, since.unwrap_or_else(clock::now))),
            // Somebody was quicker, or the answer was lost: only a look can tell.
            Err(refusal) => match self.find_back(plan, wanted, since).await? {
                Some(found) => Ok(found),
                None => Err(refused_call(&refusal)),
            },
        }
    }

    /// What there is to follow or to leave alone; nothing when the previous revision is to be
    /// asked for.
    async fn find_back(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        since: Option<Timestamp>,
    ) -> Result<Option<Back>, Cause> {
        let baseline = wanted.baseline.as_deref();
        let (service, operations) = self.look(baseline).await.map_err(|failure| refused_call(&failure))?;
        let live = service.configuration();
        let id = live.id();
        let superseded = || Some(Back::Superseded { by: stranger(&live, &operations) });
        if id != plan.previous.id && id != wanted.revision.id {
            return Ok(superseded());
        }
        if let Some(running) = operations.running() {
            // An update of somebody else reads like ours until it has ended; then the
            // configuration tells, and it is left alone.
            return Ok(if running.is_update() || running.is_deployment() {
                Some(began(running.id.clone(), Follow::Behind, plan, since.unwrap_or_else(clock::now)))
            } else {
                superseded()
            });
        }
        if service.status() != "RUNNING" {
            return Ok(superseded());
        }
        Ok((id == plan.previous.id && serves(&operations, baseline)).then_some(Back::Already))
    }
}

fn began(operation: String, follow: Follow, plan: &ServicePlan, started: Timestamp) -> Back {
    Back::Began(Box::new(shift(operation, follow, &plan.previous, Direction::Back, started)))
}

/// Whether the previous configuration, live by its text, also serves. App Runner moves traffic
/// only to healthy instances, so a failed operation leaves the old ones serving; after a failed
/// *rollback* nothing is certain.
fn serves(operations: &Operations, baseline: Option<&str>) -> bool {
    let deploying = |known: &&Operation| known.is_update() || known.is_deployment();
    operations.after(baseline).iter().find(deploying).is_none_or(|newest| newest.status != Status::RollbackFailed)
}
