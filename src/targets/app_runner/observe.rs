//! One look at a change: the operation decides, and the configuration says whose it is.

use super::operations::{Operation, Operations, Status};
use super::{AppRunnerTarget, Follow, facts, stranger};
use crate::engine::{Progress, Sight, TargetError};
use crate::rollout::{Cause, CauseCode, ServicePlan, Shift};

impl AppRunnerTarget {
    pub(super) async fn see_forward(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
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
            Status::Succeeded => self.see_done(shift, facts.follow, &operations, id).await,
        }
    }

    /// Whether what a good operation brought is still there.
    async fn see_done(
        &self,
        shift: &Shift,
        follow: Follow,
        operations: &Operations,
        id: &str,
    ) -> Result<Sight, TargetError> {
        let newer = operations.after(Some(id));
        // While another update runs, the configuration may read either way: it takes over at any moment.
        if let Some(other) = newer.iter().find(|other| takes_over(other)) {
            return Ok(Sight::Superseded { by: other.words() });
        }
        let live = super::raw::describe(&self.client, self.arn().await?).await?.configuration();
        let same = live.id() == shift.revision.id;
        // Nobody came after our own operation: what differs but the image is App Runner's way of
        // writing what we sent.
        let ours = follow == Follow::Ours && newer.is_empty() && live.image() == shift.revision.image_text;
        if same || ours { Ok(Sight::Serving) } else { Ok(Sight::Superseded { by: stranger(&live, operations) }) }
    }

    pub(super) async fn see_back(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        let (id, facts) = facts(shift)?;
        let operations = self.operations(id).await?;
        let Some(operation) = operations.find(id) else {
            return Ok(moving("waiting for App Runner to list the operation", facts.notices));
        };
        if operation.is_running() {
            let doing = match operation.status {
                Status::RollingBack => "App Runner rolls back".to_owned(),
                _ if facts.follow == Follow::Ours => "App Runner brings the previous revision back".to_owned(),
                _ => format!("waiting for {}, then going back", operation.words()),
            };
            return Ok(moving(&doing, facts.notices));
        }
        if facts.follow == Follow::Ours {
            return match operation.status {
                Status::Succeeded => self.see_done(shift, facts.follow, &operations, id).await,
                _ => Ok(Sight::Broke(Box::new(broke(operation, plan, shift)))),
            };
        }
        // The operation that stood in the way is over. Where it left the previous revision serving
        // there is nothing to ask for; everything else is for `revert` to look at.
        if operation.status == Status::RollbackFailed || !operations.after(Some(id)).is_empty() {
            return Ok(Sight::AskAgain);
        }
        let live = super::raw::describe(&self.client, self.arn().await?).await?;
        let back = live.status() == "RUNNING" && live.configuration().id() == plan.previous.id;
        Ok(if back { Sight::Serving } else { Sight::AskAgain })
    }

    pub(super) async fn operations(&self, until: &str) -> Result<Operations, TargetError> {
        Ok(super::operations::list(&self.client, self.arn().await?, Some(until)).await?)
    }
}

fn takes_over(other: &Operation) -> bool {
    match other.kind.as_str() {
        "START_DEPLOYMENT" | "RESUME_SERVICE" | "CREATE_SERVICE" => false,
        "UPDATE_SERVICE" => other.is_running(),
        _ => true,
    }
}

pub(super) fn moving(doing: &str, notices: Vec<String>) -> Sight {
    Sight::Moving(Progress { doing: doing.to_owned(), notices, wanted: 0, healthy: 0, traffic: None })
}

fn doing(operation: &Operation) -> &'static str {
    match operation.word.as_str() {
        "PENDING" => "App Runner has queued it",
        _ => "App Runner starts new instances",
    }
}

/// What the operation alone tells; `explain` finds out the rest.
pub(super) fn broke(operation: &Operation, plan: &ServicePlan, shift: &Shift) -> Cause {
    let name = &plan.place.name;
    let summary = match operation.status {
        Status::RollingBack => format!("App Runner is rolling {name} back: the new revision did not become healthy"),
        Status::RolledBack => format!("App Runner rolled {name} back: the new revision did not become healthy"),
        Status::RollbackFailed => format!("the new revision of {name} failed, and App Runner could not roll back"),
        Status::Failed | Status::Running | Status::Succeeded => format!("the operation on {name} failed"),
    };
    Cause {
        revision: Some(shift.revision.name.clone()),
        facts: vec![operation.words()],
        ..Cause::new(
            CauseCode::ProviderGaveUp,
            summary,
            "Look at the log lines of the new revision, mend what they name, and deploy again.",
        )
    }
}
