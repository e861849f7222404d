//! Going back to the commit that served before: built once more, from a branch that stands at it.

use super::super::operations::Status;
use super::super::record::Record;
use super::super::service::Configuration;
use super::super::{AppRunnerTarget, Follow, facts, raw, refused_call, shift};
use super::record::Asked;
use super::{Wanted, caused};
use crate::engine::{Back, ProviderFailure, SourceBranch, clock};
use crate::rollout::{Cause, CauseCode, Direction, ServicePlan, Shift};
use crate::types::{CommitSha, Timestamp};

impl AppRunnerTarget {
    pub(in super::super) async fn take_source_back(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        taken: Option<&Shift>,
    ) -> Result<Back, Cause> {
        if let Some(found) = self.find_source_back(plan, wanted, taken).await? {
            return Ok(found);
        }
        let Some(commit) = plan.previous.commit else { return Err(unknown(plan)) };
        let target = self.way_back(plan, wanted, commit).await?;
        // A branch that App Runner follows may have begun a deployment by having moved.
        if let Some(found) = self.find_source_back(plan, wanted, taken).await? {
            return Ok(found);
        }
        match self.send_source_back(&target).await {
            Ok(operation) => {
                self.note_back(plan, wanted, commit, &target, &operation).await;
                let revision = target.built(Some(commit));
                let back =
                    shift(operation, Follow::Ours, &revision, Direction::Back, since(taken).unwrap_or_else(clock::now));
                Ok(Back::Began(Box::new(back)))
            }
            // Somebody was quicker, or the answer was lost: only a look can tell.
            Err(refusal) => match self.find_source_back(plan, wanted, taken).await? {
                Some(found) => Ok(found),
                None => Err(refused_call(&refusal)),
            },
        }
    }

    /// What there is to follow or to leave alone; nothing when the previous commit is to be built.
    async fn find_source_back(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        taken: Option<&Shift>,
    ) -> Result<Option<Back>, Cause> {
        let baseline = wanted.baseline.as_deref();
        let (service, operations) = self.look(baseline).await.map_err(|failure| refused_call(&failure))?;
        let live = service.configuration().source();
        let before = Configuration::of(&plan.previous).source();
        let ours = Configuration::of(&wanted.revision).source();
        let back = self.spec.rollback_branch.as_ref().is_some_and(|branch| *branch == live.branch);
        if live != before && live != ours && !back {
            let by = format!("{} from {}", live.repository, live.branch);
            return Ok(Some(Back::Superseded { by }));
        }
        if let Some(running) = operations.running() {
            return Ok(Some(if running.is_update() || running.is_deployment() {
                let since = since(taken).unwrap_or_else(clock::now);
                let back = shift(running.id.clone(), Follow::Behind, &plan.previous, Direction::Back, since);
                Back::Began(Box::new(back))
            } else {
                Back::Superseded { by: running.words() }
            }));
        }
        if service.status() != "RUNNING" {
            return Ok(Some(Back::Superseded { by: format!("the service is {}", service.status()) }));
        }
        let record = Record::read(&self.client, self.arn().await.map_err(|failure| refused_call(&failure))?).await;
        let record = record.unwrap_or_default();
        let newer = operations.after(baseline).iter().filter(|known| known.is_deploying());
        let mut decided = newer.filter(|known| matches!(known.status, Status::Succeeded | Status::RollbackFailed));
        // What failed has left the old instances serving; only what came through has changed anything.
        let Some(last) = decided.next() else { return Ok(Some(Back::Already)) };
        let is_back = plan.previous.commit.is_some_and(|commit| record.asked() == Some((last.id.as_str(), commit)));
        let settings = last.is_update() && service.configuration().id() == Configuration::of(&wanted.revision).id();
        let asked = record.asked().is_some_and(|(operation, _)| operation == last.id);
        Ok(match last.status {
            Status::Succeeded if is_back => Some(Back::Already),
            Status::Succeeded if !(asked || settings || followed(taken) == Some(last.id.as_str())) => {
                Some(Back::Superseded { by: last.words() })
            }
            _ => None,
        })
    }

    /// The configuration that builds the commit once more, with its branch where it has to stand.
    async fn way_back(&self, plan: &ServicePlan, wanted: &Wanted, commit: CommitSha) -> Result<Configuration, Cause> {
        let before = Configuration::of(&plan.previous);
        if let Some(kept) = wanted.point.as_ref().filter(|point| point.commit == commit) {
            // It was pointed there before the first change, so GitHub need not be asked.
            return Ok(before.with_branch(&kept.branch));
        }
        let host = self.host().map_err(caused)?;
        let (_, target, point) = self.bring(commit, &before, host).await.map_err(caused)?;
        if let Some(point) = point {
            let branch = SourceBranch { branch: point.branch, ..before.source() };
            host.point(&branch, point.commit).await.map_err(caused)?;
        }
        Ok(target)
    }

    async fn send_source_back(&self, target: &Configuration) -> Result<String, ProviderFailure> {
        let arn = self.arn().await?;
        let live = raw::describe(&self.client, arn).await?.configuration();
        if live.id() == target.id() {
            return raw::deploy(&self.client, arn).await;
        }
        raw::update(&self.client, arn, target.input()).await
    }

    async fn note_back(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
        commit: CommitSha,
        target: &Configuration,
        operation: &str,
    ) {
        let noted = async {
            let arn = self.arn().await?;
            let record = Record::read(&self.client, arn).await.unwrap_or_default();
            let (branch, before) = (target.source().branch, Configuration::of(&wanted.revision).source().branch);
            let asked = Asked { commit, branch: &branch, previous_branch: &before };
            record.gone_back(operation, asked).write(&self.client, arn).await
        };
        if let Err(failure) = noted.await {
            tracing::debug!(%failure, place = plan.place.name, "the way back is not recorded on the service");
        }
    }
}

/// The time given for going back counts on when `revert` is asked again.
fn since(taken: Option<&Shift>) -> Option<Timestamp> {
    taken.filter(|shift| shift.direction == Direction::Back).map(|shift| shift.started)
}

/// The operation that this deployment followed as its own.
fn followed(taken: Option<&Shift>) -> Option<&str> {
    let forward = taken.filter(|shift| shift.direction == Direction::Forward)?;
    let own = facts(forward).is_ok_and(|(_, facts)| facts.follow != Follow::Behind);
    forward.id.as_deref().filter(|_| own)
}

fn unknown(plan: &ServicePlan) -> Cause {
    Cause::new(
        CauseCode::CallRefused,
        format!("which commit {} served before is not known, and App Runner does not tell", plan.place.name),
        "Put the commit that should serve on the branch (`git revert`), and deploy it.",
    )
}
