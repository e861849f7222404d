//! One look at a build: the operation decides, and the branch tells what was built.

use super::super::observe::{broke, moving};
use super::super::operations::{Operation, Operations, Status};
use super::super::service::Configuration;
use super::super::{AppRunnerTarget, Follow, facts, raw};
use super::Wanted;
use super::apply::builds_anew;
use super::served::push_during;
use crate::engine::{Sight, TargetError};
use crate::rollout::{ServicePlan, Shift};

impl AppRunnerTarget {
    pub(in super::super) async fn see_source(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        shift: &Shift,
    ) -> Result<Sight, TargetError> {
        let (id, facts) = facts(shift)?;
        let operations = self.operations(id).await?;
        let Some(operation) = operations.find(id) else {
            return Ok(moving("waiting for App Runner to list the operation", facts.notices));
        };
        if facts.follow == Follow::Behind {
            let doing = format!("waiting for {}", operation.words());
            return Ok(if operation.is_running() { moving(&doing, facts.notices) } else { Sight::AskAgain });
        }
        match operation.status {
            Status::Running => Ok(moving(doing(operation), facts.notices)),
            Status::Failed | Status::RollingBack | Status::RolledBack | Status::RollbackFailed => {
                Ok(Sight::Broke(Box::new(broke(operation, plan, shift))))
            }
            Status::Succeeded => self.see_built(plan, wanted, operation, &operations).await,
        }
    }

    /// Whether a good operation brought this commit, and nothing came after it.
    async fn see_built(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        operation: &Operation,
        operations: &Operations,
    ) -> Result<Sight, TargetError> {
        let newer = operations.after(Some(&operation.id));
        let overtook = |other: &&Operation| match other.status {
            Status::Succeeded => other.is_deploying(),
            Status::Running | Status::RollingBack => other.is_update() || other.kind == "DELETE_SERVICE",
            Status::Failed | Status::RolledBack | Status::RollbackFailed => false,
        };
        if let Some(other) = newer.iter().find(overtook) {
            return Ok(Sight::Superseded { by: other.words() });
        }
        let live = raw::describe(&self.client, self.arn().await?).await?.configuration();
        let new = Configuration::of(&wanted.revision);
        if live.source() != new.source() {
            let by = format!("a change to {} of {}", live.source().branch, live.source().repository);
            return Ok(Sight::Superseded { by });
        }
        if operation.is_update() && !builds_anew(&Configuration::of(&plan.previous), &new) {
            // The settings are there; now the commit is built with them.
            return Ok(Sight::AskAgain);
        }
        let pushes = self.pushes(&new.source()).await;
        // Where the branch stood was looked at right before the build was asked for.
        Ok(match push_during(operation, &pushes).filter(|push| push.commit != wanted.commit) {
            None => Sight::Serving,
            Some(push) => Sight::Superseded {
                by: format!(
                    "a push of {} to {} while App Runner built: which of the two it took, it does not tell",
                    push.commit.short(),
                    new.source().branch
                ),
            },
        })
    }

    pub(in super::super) async fn see_source_back(
        &self,
        plan: &ServicePlan,
        shift: &Shift,
    ) -> Result<Sight, TargetError> {
        let (id, facts) = facts(shift)?;
        let operations = self.operations(id).await?;
        let Some(operation) = operations.find(id) else {
            return Ok(moving("waiting for App Runner to list the operation", facts.notices));
        };
        if operation.is_running() {
            let doing = match operation.status {
                Status::RollingBack => "App Runner rolls back".to_owned(),
                _ if facts.follow == Follow::Ours => "App Runner builds the previous commit".to_owned(),
                _ => format!("waiting for {}, then going back", operation.words()),
            };
            return Ok(moving(&doing, facts.notices));
        }
        Ok(match (facts.follow, operation.status) {
            (Follow::Ours, Status::Succeeded) => Sight::Serving,
            (Follow::Ours, _) => Sight::Broke(Box::new(broke(operation, plan, shift))),
            // What stood in the way is over; `revert` looks at what it left.
            (Follow::Perhaps | Follow::Behind, _) => Sight::AskAgain,
        })
    }
}

fn doing(operation: &Operation) -> &'static str {
    match operation.word.as_str() {
        "PENDING" => "App Runner has queued it",
        _ => "App Runner builds the source code and starts new instances",
    }
}
