//! How events move a rollout: [`Phase::apply`], total over every phase and every event.
//!
//! Three rules carry it. A failure turns every service that this deployment may have changed into
//! `Reverting` (as far as `on-failure` asks), and the revert looks before it acts, so "may have" is
//! enough. Somebody else's change is never taken back. An event that does not fit where its service
//! stands is handed back as [`Unexpected`] with the phase untouched: repeats and stragglers are free.

use super::phase::Services;
use super::returning::{not_applied, rolling_back};
use super::settling::{fail, failed_as_a_whole, go_back, settle_wave};
use super::{Event, Hooks, Passed, Phase, Plan, Reason, Rest, ServiceState, gating, hooking};

/// An event that does not fit; the phase is as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{event:?} does not fit the phase {}", phase.word())]
pub struct Unexpected {
    /// The phase, untouched.
    pub phase: Box<Phase>,
    /// The event that did not fit.
    pub event: Box<Event>,
}

impl Phase {
    /// The phase after an event. Pure and total; `Done` absorbs.
    pub fn apply(self, event: Event, plan: &Plan) -> Result<Self, Unexpected> {
        match self {
            Self::Preparing { services, hooks } => hooking::preparing(services, hooks, event, plan),
            Self::Shifting { wave, services, hooks } => shifting(wave, services, hooks, event, plan),
            Self::Gating { wave, gate, services, hooks } => gating::gating(wave, gate, services, hooks, event, plan),
            Self::Verifying { check, services, hooks } => verifying(check, services, hooks, event, plan),
            Self::Finishing { services, hooks } => hooking::finishing(services, hooks, event, plan),
            Self::RollingBack { why, services, hooks } => rolling_back(why, services, hooks, event, plan),
            Self::Undoing { why, services, hooks } => hooking::undoing(why, services, hooks, event, plan),
            done @ Self::Done { .. } => Ok(done),
        }
    }
}

pub(super) fn unexpected(phase: Phase, event: Event) -> Result<Phase, Unexpected> {
    Err(Unexpected { phase: Box::new(phase), event: Box::new(event) })
}

fn shifting(wave: usize, mut services: Services, hooks: Hooks, event: Event, plan: &Plan) -> Result<Phase, Unexpected> {
    match event {
        Event::Applied { service, shift } => match services.get_mut(&service) {
            Some(state @ ServiceState::Applying) => {
                *state = ServiceState::Moving { shift, passed: None };
                Ok(Phase::Shifting { wave, services, hooks })
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Applied { service, shift }),
        },
        Event::Served { service } => match services.get_mut(&service) {
            Some(state @ (ServiceState::Moving { .. } | ServiceState::Paused { .. } | ServiceState::Baking { .. })) => {
                if let Some(shift) = state.attempt().cloned() {
                    *state = ServiceState::Serving { shift };
                }
                Ok(settle_wave(wave, services, hooks, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Served { service }),
        },
        Event::ApplyFailed { service, cause, touched } => match services.get_mut(&service) {
            Some(state @ ServiceState::Applying) => {
                *state = not_applied(cause.clone(), touched);
                let why = Reason::ServiceFailed { service, cause };
                Ok(fail(wave, services, hooks, why, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::ApplyFailed { service, cause, touched }),
        },
        Event::Broke { service, cause } => match services.get_mut(&service) {
            Some(state @ (ServiceState::Moving { .. } | ServiceState::Paused { .. } | ServiceState::Baking { .. })) => {
                let shift = state.attempt().cloned();
                *state = ServiceState::Reverting { cause: Some(cause.clone()), shift };
                let why = Reason::ServiceFailed { service, cause };
                Ok(fail(wave, services, hooks, why, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Broke { service, cause }),
        },
        Event::Superseded { service, by } => match services.get_mut(&service) {
            Some(state) if state.is_busy() || matches!(state, ServiceState::Paused { .. }) => {
                *state = ServiceState::Superseded { by: by.clone() };
                let why = Reason::Superseded { service, by };
                Ok(fail(wave, services, hooks, why, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Superseded { service, by }),
        },
        Event::AskAgain { service } => match services.get_mut(&service) {
            Some(state @ ServiceState::Moving { .. }) => {
                *state = ServiceState::Applying;
                Ok(Phase::Shifting { wave, services, hooks })
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::AskAgain { service }),
        },
        event
        @ (Event::Paused { .. } | Event::Continued { .. } | Event::NotContinued { .. } | Event::Baking { .. }) => {
            stepping(wave, services, hooks, event, plan)
        }
        Event::AnalysisFailed { cause } => {
            Ok(failed_as_a_whole(Reason::AnalysisFailed { cause }, services, hooks, plan))
        }
        // A cancel takes back everything, whatever `on-failure` says: it was nobody's failure.
        Event::CancelRequested => Ok(go_back(Reason::Cancelled, services, hooks, plan)),
        Event::AlarmFired { cause } => Ok(failed_as_a_whole(Reason::AlarmFired { cause }, services, hooks, plan)),
        other @ (Event::Reverted { .. }
        | Event::RevertFailed { .. }
        | Event::Judged { .. }
        | Event::Decided { .. }
        | Event::CheckPassed { .. }
        | Event::CheckFailed { .. }
        | Event::HookStarted { .. }
        | Event::HookNotStarted { .. }
        | Event::HookEnded { .. }
        | Event::HookFailed { .. }
        | Event::HookOverdue { .. }
        | Event::HookStopped { .. }) => unexpected(Phase::Shifting { wave, services, hooks }, other),
    }
}

/// A service comes to a step of traffic, passes it, or has passed the last.
fn stepping(wave: usize, mut services: Services, hooks: Hooks, event: Event, plan: &Plan) -> Result<Phase, Unexpected> {
    match event {
        Event::Paused { service, pause } => match services.get_mut(&service) {
            Some(state @ ServiceState::Moving { .. }) if !was_let_through(state, &pause.id) => {
                if let ServiceState::Moving { shift, passed } = state.clone() {
                    *state = ServiceState::Paused { shift, pause, passed };
                }
                Ok(settle_wave(wave, services, hooks, plan))
            }
            // Somebody else let it through while others of the wave were on their way to the step.
            Some(ServiceState::Paused { pause: old, passed, .. }) if old.id != pause.id => {
                let step = 1 + passed.as_ref().map_or(0, |passed| passed.step);
                *passed = Some(Passed { pause: old.id.clone(), step, at: pause.at, rest: Rest::Stops });
                *old = pause;
                Ok(Phase::Shifting { wave, services, hooks })
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Paused { service, pause }),
        },
        Event::Continued { service, at } => match services.get_mut(&service) {
            Some(state @ ServiceState::Continuing { .. }) => {
                if let ServiceState::Continuing { shift, pause, step, rest } = state.clone() {
                    *state = ServiceState::Moving { shift, passed: Some(Passed { pause: pause.id, step, at, rest }) };
                }
                Ok(settle_wave(wave, services, hooks, plan))
            }
            // Somebody else let it through while others of the wave were on their way to the step.
            Some(state @ ServiceState::Paused { .. }) => {
                if let ServiceState::Paused { shift, pause, passed } = state.clone() {
                    let step = 1 + passed.map_or(0, |passed| passed.step);
                    let passed = Some(Passed { pause: pause.id, step, at, rest: Rest::Stops });
                    *state = ServiceState::Moving { shift, passed };
                }
                Ok(settle_wave(wave, services, hooks, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Continued { service, at }),
        },
        Event::NotContinued { service, cause } => match services.get_mut(&service) {
            Some(state @ ServiceState::Continuing { .. }) => {
                let shift = state.attempt().cloned();
                *state = ServiceState::Reverting { cause: Some(cause.clone()), shift };
                let why = Reason::ServiceFailed { service, cause };
                Ok(fail(wave, services, hooks, why, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::NotContinued { service, cause }),
        },
        Event::Baking { service } => match services.get_mut(&service) {
            Some(state @ (ServiceState::Moving { .. } | ServiceState::Paused { .. })) => {
                if let ServiceState::Moving { shift, passed } | ServiceState::Paused { shift, passed, .. } =
                    state.clone()
                {
                    *state = ServiceState::Baking { shift, passed };
                }
                Ok(settle_wave(wave, services, hooks, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Baking { service }),
        },
        other => unexpected(Phase::Shifting { wave, services, hooks }, other),
    }
}

fn verifying(check: usize, services: Services, hooks: Hooks, event: Event, plan: &Plan) -> Result<Phase, Unexpected> {
    match event {
        Event::CheckPassed { check: passed } if passed == check => {
            Ok(Phase::begin_check(check + 1, services, hooks, plan))
        }
        Event::CheckFailed { check: failed, cause } if failed == check => {
            Ok(failed_as_a_whole(Reason::CheckFailed { check, cause }, services, hooks, plan))
        }
        Event::CancelRequested => Ok(go_back(Reason::Cancelled, services, hooks, plan)),
        Event::AlarmFired { cause } => Ok(failed_as_a_whole(Reason::AlarmFired { cause }, services, hooks, plan)),
        other @ (Event::CheckPassed { .. }
        | Event::CheckFailed { .. }
        | Event::Applied { .. }
        | Event::ApplyFailed { .. }
        | Event::Served { .. }
        | Event::Broke { .. }
        | Event::Superseded { .. }
        | Event::AskAgain { .. }
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::NotContinued { .. }
        | Event::Baking { .. }
        | Event::Judged { .. }
        | Event::Decided { .. }
        | Event::AnalysisFailed { .. }
        | Event::Reverted { .. }
        | Event::RevertFailed { .. }
        | Event::HookStarted { .. }
        | Event::HookNotStarted { .. }
        | Event::HookEnded { .. }
        | Event::HookFailed { .. }
        | Event::HookOverdue { .. }
        | Event::HookStopped { .. }) => unexpected(Phase::Verifying { check, services, hooks }, other),
    }
}

/// Whether a stop is one that was let through: a late answer still shows it.
fn was_let_through(state: &ServiceState, pause: &str) -> bool {
    state.passed().is_some_and(|passed| passed.pause == pause)
}
