//! Gates of a rollout under way: watched, listened at, and passed.

use std::time::Duration;

use async_trait::async_trait;

use super::effects::{REFUSALS, Shell, remaining};
use super::target::NotApplied;
use super::wait::{self, Backoff, Seen, Waited};
use super::{Cancel, clock};
use crate::rollout::{Awaited, CauseCode, Decision, Event, Gate, Judged, Pause, Shift, Touched};
use crate::types::ServiceName;

/// Where people decide.
#[async_trait]
pub trait Gates: Send + Sync {
    /// What forbids to go on now, one sentence: a lock, a freeze.
    async fn forbids(&self, gate: &Gate) -> Option<String>;

    /// Is done when somebody has decided something that fits what the gate waits for. May be dropped
    /// at any time; asked again, it gives the same answer.
    async fn decision(&self, gate: &Gate) -> Decision;
}

/// How long a step is tried to be passed while the provider cannot be reached: longer would be a
/// deployment that nobody holds.
const PATIENCE: Duration = Duration::from_mins(3);

impl Shell<'_> {
    /// Watches a bake to its end.
    pub(super) async fn bake(&self, gate: &Gate, stop: Cancel) -> Option<Event> {
        let steering = self.plan.steering.unwrap_or_default();
        let left = remaining(gate.since, steering.strategy.step().duration(), clock::now());
        wait::pause(left, &stop).await;
        if stop.is_cancelled() {
            return None;
        }
        let judged = match self.forbidden(gate).await {
            Some(by) => Judged::Held { by },
            None => Judged::Pass,
        };
        Some(Event::Judged { step: gate.step, at: clock::now(), judged })
    }

    async fn forbidden(&self, gate: &Gate) -> Option<String> {
        match self.parts.gates {
            Some(gates) => gates.forbids(gate).await,
            None => None,
        }
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
            match gate.awaited() {
                Awaited::Nothing => std::future::pending().await,
                Awaited::Word => {
                    let patience = self.plan.steering.unwrap_or_default().patience.duration();
                    wait::pause(remaining(gate.since, patience, clock::now()), &stop).await;
                }
            }
        };
        let decision = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            decision = decided => decision,
            () = expired => Decision::Expired,
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
