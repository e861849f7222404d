//! Gates of a rollout under way: watched, listened at, and passed.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::analysis::analyse;
use super::effects::{REFUSALS, Shell, remaining};
use super::target::{NotApplied, TargetError};
use super::wait::{self, Backoff, Seen, Waited};
use super::{Cancel, News, Sides, clock};
use crate::rollout::analysis::{self, Verdict};
use crate::rollout::{Awaited, Cause, CauseCode, Decision, Event, Gate, Judged, Pause, Shift, Touched};
use crate::types::{ServiceName, Timestamp};

/// Where people decide.
#[async_trait]
pub trait Gates: Send + Sync {
    /// What forbids to go on now, one sentence: a lock, a freeze.
    async fn forbids(&self, gate: &Gate) -> Option<String>;

    /// Is done when somebody has decided something that fits what the gate waits for. May be dropped
    /// at any time; asked again, it gives the same answer.
    async fn decision(&self, gate: &Gate) -> Decision;

    /// Ends a gate whose time is over: nobody decides at it any more. Answers what counts: that, or what
    /// somebody decided in that moment.
    async fn expired(&self, _gate: &Gate) -> Decision {
        Decision::Expired { said: None }
    }
}

/// How long a step is tried to be passed while the provider cannot be reached: longer would be a
/// deployment that nobody holds.
const PATIENCE: Duration = Duration::from_mins(3);

impl Shell<'_> {
    /// Watches a bake to its end.
    pub(super) async fn bake(&self, gate: &Gate, changes: &[(ServiceName, Shift)], stop: Cancel) -> Option<Event> {
        let takes = self.plan.steering.unwrap_or_default().strategy.step().duration();
        let judged = if self.plan.analysis.is_empty() {
            wait::pause(remaining(gate.since, takes, clock::now()), &stop).await;
            Judged::Pass
        } else {
            let until = gate.since.checked_add(takes).unwrap_or(gate.since);
            self.judged(changes, gate.since, Some(until), &stop).await?
        };
        if stop.is_cancelled() {
            return None;
        }
        let judged = match (judged, self.parts.gates) {
            (Judged::Pass, Some(gates)) => match gates.forbids(gate).await {
                Some(by) => Judged::Held { by },
                None => Judged::Pass,
            },
            (judged, _) => judged,
        };
        Some(Event::Judged { step: gate.step, at: clock::now(), judged })
    }

    /// Measures until something is too bad.
    pub(super) async fn measure(
        &self,
        changes: &[(ServiceName, Shift)],
        since: Timestamp,
        stop: Cancel,
    ) -> Option<Event> {
        match self.judged(changes, since, None, &stop).await? {
            Judged::Fail { cause } => Some(Event::AnalysisFailed { cause }),
            // Nobody waits for it here: what cannot be measured takes nothing back.
            Judged::Pass | Judged::Undecided { .. } | Judged::Held { .. } => {
                stop.cancelled().await;
                None
            }
        }
    }

    async fn judged(
        &self,
        changes: &[(ServiceName, Shift)],
        since: Timestamp,
        until: Option<Timestamp>,
        stop: &Cancel,
    ) -> Option<Judged> {
        let Some(source) = self.parts.metrics else {
            return Some(Judged::Undecided { said: "there is nothing here that measures".to_owned() });
        };
        let mut sides = BTreeMap::new();
        for (service, answer) in join_all(changes.iter().map(|(name, shift)| self.sides(name, shift, stop))).await {
            sides.insert(service, answer?);
        }
        let tell = |judged: &analysis::Judged| self.reporter.tell(&News::Measured { judged });
        let judged = analyse(&self.plan.analysis, &sides, source, since, until, stop, tell).await?;
        Some(match judged.verdict {
            Verdict::Pass => Judged::Pass,
            Verdict::Fail => {
                let next = "Look at what the new revision does differently, then deploy again.";
                Judged::Fail { cause: Box::new(Cause::new(CauseCode::AnalysisFailed, judged.why, next)) }
            }
            Verdict::Inconclusive | Verdict::NoData => Judged::Undecided { said: judged.why },
        })
    }

    /// What measurements call both revisions; nothing when it was stopped.
    async fn sides(&self, name: &ServiceName, shift: &Shift, stop: &Cancel) -> (ServiceName, Option<Sides>) {
        let Ok((target, plan)) = self.part(name) else { return (name.clone(), Some(Sides::default())) };
        let mut refusals = 0_u32;
        let waited = wait::until(None, Backoff::DEPLOYMENT, stop, async || match target.sides(plan, shift).await {
            Ok(sides) => Seen::Ready(sides.unwrap_or_default()),
            Err(TargetError::Provider(failure)) if failure.is_passing() => Seen::Throttled,
            Err(_) => {
                refusals += 1;
                // Without names there are no values, and that is never a yes.
                if refusals < REFUSALS { Seen::Throttled } else { Seen::Ready(Sides::default()) }
            }
        });
        let sides = match waited.await {
            Waited::Ready(sides) => Some(sides),
            Waited::TimedOut | Waited::Cancelled => None,
        };
        (name.clone(), sides)
    }

    /// Listens for a word, as long as a person may take.
    pub(super) async fn listen(&self, gate: &Gate, stop: Cancel) -> Option<Event> {
        let decided = async {
            match self.parts.gates {
                Some(gates) => gates.decision(gate).await,
                None => std::future::pending().await,
            }
        };
        let expired = async {
            match gate.needs() {
                Awaited::Nothing => std::future::pending().await,
                Awaited::Word => {
                    let patience = self.plan.steering.unwrap_or_default().patience.duration();
                    wait::pause(remaining(gate.since, patience, clock::now()), &stop).await;
                }
            }
            match self.parts.gates {
                Some(gates) => gates.expired(gate).await,
                None => Decision::Expired { said: None },
            }
        };
        let decision = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            decision = decided => decision,
            decision = expired => decision,
        };
        if stop.is_cancelled() {
            return None;
        }
        Some(Event::Decided { step: gate.step, at: clock::now(), decision })
    }

    /// Tells the platform to go on.
    pub(super) async fn go_on(&self, service: ServiceName, shift: &Shift, pause: &Pause) -> Event {
        let (target, plan) = match self.part(&service) {
            Ok(part) => part,
            Err(cause) => return Event::NotContinued { service, cause },
        };
        let mut refusals = 0_u32;
        let deadline = Some(clock::instant() + PATIENCE);
        let mut last = None;
        let waited = wait::until(deadline, Backoff::DEPLOYMENT, &Cancel::new(), async || {
            match target.go_on(plan, shift, pause).await {
                Ok(()) => Seen::Ready(Ok(())),
                // Nobody knows whether it arrived: the next try looks first.
                Err(NotApplied { cause, touched: Touched::Perhaps }) => {
                    last = Some(cause);
                    Seen::Throttled
                }
                Err(NotApplied { cause, .. }) if cause.code == CauseCode::Unreachable => {
                    last = Some(cause);
                    Seen::Throttled
                }
                Err(NotApplied { cause, .. }) => {
                    refusals += 1;
                    if refusals < REFUSALS { Seen::Throttled } else { Seen::Ready(Err(cause)) }
                }
            }
        })
        .await;
        match (waited, last) {
            (Waited::Ready(Ok(())), _) => Event::Continued { service, at: clock::now() },
            (Waited::Ready(Err(cause)), _) | (_, Some(cause)) => {
                Event::NotContinued { service, cause: Box::new(cause) }
            }
            (Waited::TimedOut | Waited::Cancelled, None) => {
                let cause = super::effects::timed_out(&service, PATIENCE, None);
                Event::NotContinued { service, cause: Box::new(cause) }
            }
        }
    }
}
