//! Asking for the new revision. Looks first: it may be under way, done, or behind somebody's
//! deployment.

use super::operations::Operation;
use super::record::Record;
use super::service::Configuration;
use super::{AppRunnerTarget, Ask, Facts, Follow, Wanted, facts, raw, refused_call, shift, stranger, untouched};
use crate::engine::{NotApplied, ProviderFailure, clock};
use crate::rollout::{Cause, CauseCode, Direction, ServicePlan, Shift, Touched};

/// What a look before asking shows.
enum Found {
    /// Follow this operation; nothing is to be asked.
    Join(Shift),
    /// Ask.
    Free,
}

/// Why a change was not sent.
pub(super) enum Unsent {
    /// Asking again may help.
    Passing(ProviderFailure),
    /// It cannot be.
    No(Box<NotApplied>),
}

/// How often a change is asked for when the provider does not answer. Every try begins with two
/// reads, which the SDK repeats with pauses of its own.
pub(super) const TRIES: usize = 3;

impl AppRunnerTarget {
    pub(super) async fn ask(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Shift, NotApplied> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.look_and_send(plan, wanted).await {
                Ok(shift) => return Ok(shift),
                Err(Unsent::No(refused)) if last.is_some() => {
                    return Err(NotApplied { touched: Touched::Perhaps, ..*refused });
                }
                Err(Unsent::No(refused)) => return Err(*refused),
                // It may have arrived all the same: the next try looks before it asks.
                Err(Unsent::Passing(failure)) => last = Some(failure),
            }
        }
        let cause = last.as_ref().map_or_else(|| changed("no answer"), refused_call);
        Err(NotApplied { cause, touched: Touched::Perhaps })
    }

    async fn look_and_send(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Shift, Unsent> {
        let refused = |refused| Unsent::No(Box::new(refused));
        if let Found::Join(shift) = self.find(plan, wanted).await.map_err(refused)? {
            self.remember_joined(plan, wanted, &shift).await;
            return Ok(shift);
        }
        match self.send(wanted).await {
            Ok(operation) => Ok(self.accepted(plan, wanted, operation).await),
            Err(failure) if failure.is_passing() => Err(Unsent::Passing(failure)),
            // Somebody may have been quicker.
            Err(failure) => match self.find(plan, wanted).await.map_err(refused)? {
                Found::Join(shift) => Ok(shift),
                Found::Free => Err(refused(untouched(refused_call(&failure)))),
            },
        }
    }

    async fn find(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Found, NotApplied> {
        let baseline = wanted.baseline.as_deref();
        let (service, operations) = self.look(baseline).await.map_err(|failure| untouched(refused_call(&failure)))?;
        let live = service.configuration();
        let at = |operation: &Operation| operation.started.unwrap_or_else(clock::now);
        let follow = |operation: &Operation, follow| {
            // Time spent behind somebody else's deployment is not this change's.
            let since = if follow == Follow::Behind { clock::now() } else { at(operation) };
            Found::Join(shift(operation.id.clone(), follow, &wanted.revision, Direction::Forward, since))
        };
        let id = live.id();
        let expected = id == wanted.revision.id || id == plan.previous.id;
        let newer = operations.after(baseline);
        if let Some(running) = operations.running() {
            let newer = newer.iter().any(|known| known.id == running.id);
            return match wanted.ask {
                Ask::Update if newer && running.is_update() && expected => Ok(follow(running, Follow::Perhaps)),
                Ask::Redeploy if newer && running.is_deployment() && expected => Ok(follow(running, Follow::Perhaps)),
                _ if running.is_deployment() && expected => Ok(follow(running, Follow::Behind)),
                _ => Err(untouched(in_the_way(running))),
            };
        }
        if service.status() != "RUNNING" || !expected {
            return Err(untouched(changed(&stranger(&live, &operations))));
        }
        let done = newer.iter().find(|known| match wanted.ask {
            Ask::Update => known.is_update(),
            Ask::Redeploy => known.is_deployment(),
        });
        Ok(match done {
            Some(done) if id == wanted.revision.id => follow(done, Follow::Perhaps),
            _ => Found::Free,
        })
    }

    async fn send(&self, wanted: &Wanted) -> Result<String, ProviderFailure> {
        let arn = self.arn().await?;
        match wanted.ask {
            Ask::Update => raw::update(&self.client, arn, wanted.configuration().input()).await,
            Ask::Redeploy => raw::deploy(&self.client, arn).await,
        }
    }

    /// The shift of an accepted change, recorded on the service for `past`.
    async fn accepted(&self, plan: &ServicePlan, wanted: &Wanted, operation: String) -> Shift {
        let recorded = self.record(plan, wanted, &operation).await;
        let notices = recorded.err().map(|failure| {
            format!(
                "what served before is not recorded on the service, so a later `rollback` will not find it: {failure}"
            )
        });
        let mut shift = shift(operation, Follow::Ours, &wanted.revision, Direction::Forward, clock::now());
        shift.facts = serde_json::json!(Facts { follow: Follow::Ours, notices: notices.into_iter().collect() });
        shift
    }

    /// Writes what a crash or a lost answer kept from being written. A failure costs only memory.
    async fn remember_joined(&self, plan: &ServicePlan, wanted: &Wanted, shift: &Shift) {
        let Some(operation) = shift.id.as_deref() else { return };
        if facts(shift).is_ok_and(|(_, facts)| facts.follow == Follow::Perhaps)
            && let Err(failure) = self.record(plan, wanted, operation).await
        {
            tracing::debug!(%failure, "what served before is not recorded on the service");
        }
    }

    async fn record(&self, plan: &ServicePlan, wanted: &Wanted, operation: &str) -> Result<(), ProviderFailure> {
        if wanted.ask == Ask::Redeploy {
            return Ok(());
        }
        let arn = self.arn().await?;
        // Reading may be denied where writing is not; then only the older entries are lost.
        let record = Record::read(&self.client, arn).await.unwrap_or_default();
        if record.last().is_some_and(|(known, _)| known == operation) {
            return Ok(());
        }
        record.next(operation, &wanted.revision, &plan.previous).write(&self.client, arn).await
    }
}

pub(super) fn in_the_way(running: &Operation) -> Cause {
    Cause {
        facts: vec![running.words()],
        ..Cause::new(
            CauseCode::CallRefused,
            "somebody else's change of the service is under way; App Runner takes one at a time",
            "Wait until it has ended, then run again.",
        )
    }
}

pub(super) fn changed(to: &str) -> Cause {
    Cause {
        facts: vec![format!("now: {to}")],
        ..Cause::new(
            CauseCode::CallRefused,
            "the service was changed after this deployment was planned",
            "Look at what runs now (`shipline status`); then run again to plan anew.",
        )
    }
}

impl AppRunnerTarget {
    /// Asks for a recorded configuration; for the way back.
    pub(super) async fn send_back(&self, previous: &Configuration) -> Result<String, ProviderFailure> {
        raw::update(&self.client, self.arn().await?, previous.input()).await
    }
}
