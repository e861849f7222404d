//! How events move a rollout: [`Phase::apply`], total over every phase and every event.
//!
//! Three rules carry it. A failure turns every service that this deployment may have changed into
//! `Reverting` (as far as `on-failure` asks), and the revert looks before it acts, so "may have" is
//! enough. Somebody else's change is never taken back. An event that does not fit where its service
//! stands is handed back as [`Unexpected`] with the phase untouched: repeats and stragglers are free.

use super::event::Touched;
use super::phase::Services;
use super::{Cause, Direction, Event, Hooks, Outcome, Phase, Plan, Reason, ServiceState, Shift, hooking};
use crate::config::spec::OnFailure;

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
                *state = ServiceState::Moving { shift };
                Ok(Phase::Shifting { wave, services, hooks })
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Applied { service, shift }),
        },
        Event::Served { service } => match services.get_mut(&service) {
            Some(state @ ServiceState::Moving { .. }) => {
                if let ServiceState::Moving { shift } = state.clone() {
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
            Some(state @ ServiceState::Moving { .. }) => {
                if let ServiceState::Moving { shift } = state.clone() {
                    *state = ServiceState::Reverting { cause: Some(cause.clone()), shift: Some(shift) };
                }
                let why = Reason::ServiceFailed { service, cause };
                Ok(fail(wave, services, hooks, why, plan))
            }
            _ => unexpected(Phase::Shifting { wave, services, hooks }, Event::Broke { service, cause }),
        },
        Event::Superseded { service, by } => match services.get_mut(&service) {
            Some(state) if state.is_busy() => {
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
        // A cancel takes back everything, whatever `on-failure` says: it was nobody's failure.
        Event::CancelRequested => {
            take_back_all(&mut services);
            Ok(settle_back(Reason::Cancelled, services, hooks, plan))
        }
        Event::AlarmFired { cause } => Ok(alarmed(services, hooks, cause, plan)),
        other @ (Event::Reverted { .. }
        | Event::RevertFailed { .. }
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

fn verifying(
    check: usize,
    mut services: Services,
    hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    match event {
        Event::CheckPassed { check: passed } if passed == check => {
            Ok(Phase::begin_check(check + 1, services, hooks, plan))
        }
        Event::CheckFailed { check: failed, cause } if failed == check => {
            let why = Reason::CheckFailed { check, cause };
            match plan.on_failure {
                // A check speaks for the environment as a whole, so "what failed" is all of it.
                OnFailure::RollBackAll | OnFailure::RollBackFailed => {
                    take_back_all(&mut services);
                    Ok(settle_back(why, services, hooks, plan))
                }
                OnFailure::Hold => Ok(Phase::Done { outcome: Outcome::Held { why }, services, hooks }),
            }
        }
        Event::CancelRequested => {
            take_back_all(&mut services);
            Ok(settle_back(Reason::Cancelled, services, hooks, plan))
        }
        Event::AlarmFired { cause } => Ok(alarmed(services, hooks, cause, plan)),
        other @ (Event::CheckPassed { .. }
        | Event::CheckFailed { .. }
        | Event::Applied { .. }
        | Event::ApplyFailed { .. }
        | Event::Served { .. }
        | Event::Broke { .. }
        | Event::Superseded { .. }
        | Event::AskAgain { .. }
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

fn rolling_back(
    why: Reason,
    mut services: Services,
    hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    let name = match &event {
        Event::Applied { service, .. }
        | Event::ApplyFailed { service, .. }
        | Event::Served { service }
        | Event::Broke { service, .. }
        | Event::Superseded { service, .. }
        | Event::AskAgain { service }
        | Event::Reverted { service, .. }
        | Event::RevertFailed { service, .. } => service.clone(),
        Event::CancelRequested => {
            // Already on the way back; what still moves forward turns round as well.
            take_back_all(&mut services);
            return Ok(settle_back(why, services, hooks, plan));
        }
        Event::CheckPassed { .. }
        | Event::CheckFailed { .. }
        | Event::AlarmFired { .. }
        | Event::HookStarted { .. }
        | Event::HookNotStarted { .. }
        | Event::HookEnded { .. }
        | Event::HookFailed { .. }
        | Event::HookOverdue { .. }
        | Event::HookStopped { .. } => {
            return unexpected(Phase::RollingBack { why, services, hooks }, event);
        }
    };
    let next = match services.get(&name) {
        Some(state) => going_back(state.clone(), &event),
        None => None,
    };
    match next {
        Some(state) => {
            services.insert(name, state);
            Ok(settle_back(why, services, hooks, plan))
        }
        None => unexpected(Phase::RollingBack { why, services, hooks }, event),
    }
}

/// One service's next state while others go back; `None` when the event does not fit.
fn going_back(state: ServiceState, event: &Event) -> Option<ServiceState> {
    match (state, event) {
        // The answer of a request that was on its way when the rollback began.
        (ServiceState::Reverting { cause, shift: None }, Event::Applied { shift, .. }) => {
            Some(ServiceState::Reverting { cause, shift: Some(shift.clone()) })
        }
        (ServiceState::Reverting { cause, shift: undone }, Event::Reverted { shift, .. }) => {
            Some(ServiceState::Returning { cause, shift: shift.clone(), undone: forward(undone) })
        }
        (ServiceState::Reverting { cause, shift: undone }, Event::Served { .. }) => {
            Some(ServiceState::Restored { cause, undone: forward(undone) })
        }
        (ServiceState::Returning { cause, undone, .. }, Event::Served { .. }) => {
            Some(ServiceState::Restored { cause, undone })
        }
        (
            ServiceState::Reverting { cause, shift: undone },
            Event::RevertFailed { cause: stuck, .. } | Event::Broke { cause: stuck, .. },
        ) => Some(ServiceState::Stuck { cause, stuck: stuck.clone(), undone: forward(undone) }),
        (
            ServiceState::Returning { cause, undone, .. },
            Event::RevertFailed { cause: stuck, .. } | Event::Broke { cause: stuck, .. },
        ) => Some(ServiceState::Stuck { cause, stuck: stuck.clone(), undone }),
        (
            ServiceState::Reverting { .. }
            | ServiceState::Returning { .. }
            | ServiceState::Moving { .. }
            | ServiceState::Applying,
            Event::Superseded { by, .. },
        ) => Some(ServiceState::Superseded { by: by.clone() }),
        // The way back that waited is asked for again, with what is known of it.
        (ServiceState::Returning { cause, shift, .. }, Event::AskAgain { .. }) => {
            Some(ServiceState::Reverting { cause, shift: Some(shift) })
        }
        (ServiceState::Moving { .. }, Event::AskAgain { .. }) => Some(ServiceState::Applying),
        // With `roll-back-failed` the other services of the wave go on.
        (ServiceState::Applying, Event::Applied { shift, .. }) => Some(ServiceState::Moving { shift: shift.clone() }),
        (ServiceState::Applying, Event::ApplyFailed { cause, touched, .. }) => {
            Some(not_applied(cause.clone(), *touched))
        }
        (ServiceState::Moving { shift }, Event::Served { .. }) => Some(ServiceState::Serving { shift }),
        (ServiceState::Moving { shift }, Event::Broke { cause, .. }) => {
            Some(ServiceState::Reverting { cause: Some(cause.clone()), shift: Some(shift) })
        }
        (
            ServiceState::Waiting
            | ServiceState::Unchanged
            | ServiceState::Applying
            | ServiceState::Moving { .. }
            | ServiceState::Serving { .. }
            | ServiceState::Failed { .. }
            | ServiceState::Reverting { .. }
            | ServiceState::Returning { .. }
            | ServiceState::Restored { .. }
            | ServiceState::Superseded { .. }
            | ServiceState::Stuck { .. },
            Event::Applied { .. }
            | Event::ApplyFailed { .. }
            | Event::Served { .. }
            | Event::Broke { .. }
            | Event::Superseded { .. }
            | Event::AskAgain { .. }
            | Event::Reverted { .. }
            | Event::RevertFailed { .. }
            | Event::CheckPassed { .. }
            | Event::CheckFailed { .. }
            | Event::HookStarted { .. }
            | Event::HookNotStarted { .. }
            | Event::HookEnded { .. }
            | Event::HookFailed { .. }
            | Event::HookOverdue { .. }
            | Event::HookStopped { .. }
            | Event::AlarmFired { .. }
            | Event::CancelRequested,
        ) => None,
    }
}

/// The change to take back; a way back that waited is none.
fn forward(shift: Option<Shift>) -> Option<Shift> {
    shift.filter(|shift| shift.direction == Direction::Forward)
}

/// A change that was not accepted: left alone when certainly nothing happened, else looked at again.
fn not_applied(cause: Box<Cause>, touched: Touched) -> ServiceState {
    match touched {
        Touched::No => ServiceState::Failed { cause, touched },
        Touched::Perhaps => ServiceState::Reverting { cause: Some(cause), shift: None },
    }
}

/// After a service of this wave failed or was taken over.
fn fail(wave: usize, mut services: Services, hooks: Hooks, why: Reason, plan: &Plan) -> Phase {
    match plan.on_failure {
        OnFailure::RollBackAll => {
            take_back_all(&mut services);
            settle_back(why, services, hooks, plan)
        }
        OnFailure::RollBackFailed => settle_back(why, services, hooks, plan),
        OnFailure::Hold => {
            for state in services.values_mut() {
                if let ServiceState::Reverting { cause: Some(cause), .. } = state.clone() {
                    *state = ServiceState::Failed { cause, touched: Touched::Perhaps };
                }
            }
            settle_wave(wave, services, hooks, plan)
        }
    }
}

/// After an alarm fired: it speaks for the environment as a whole.
fn alarmed(mut services: Services, hooks: Hooks, cause: Box<Cause>, plan: &Plan) -> Phase {
    let why = Reason::AlarmFired { cause };
    match plan.on_failure {
        OnFailure::RollBackAll | OnFailure::RollBackFailed => {
            take_back_all(&mut services);
            settle_back(why, services, hooks, plan)
        }
        OnFailure::Hold => Phase::Done { outcome: Outcome::Held { why }, services, hooks },
    }
}

/// Turns everything this deployment may have changed round.
pub(super) fn take_back_all(services: &mut Services) {
    for state in services.values_mut() {
        match state.clone() {
            ServiceState::Applying => *state = ServiceState::Reverting { cause: None, shift: None },
            ServiceState::Moving { shift } | ServiceState::Serving { shift } => {
                *state = ServiceState::Reverting { cause: None, shift: Some(shift) };
            }
            // Held or untouched failures, and all that is already on its way, stay as they are.
            ServiceState::Waiting
            | ServiceState::Unchanged
            | ServiceState::Failed { .. }
            | ServiceState::Reverting { .. }
            | ServiceState::Returning { .. }
            | ServiceState::Restored { .. }
            | ServiceState::Superseded { .. }
            | ServiceState::Stuck { .. } => {}
        }
    }
}

/// Goes on when nothing of this wave is under way.
fn settle_wave(wave: usize, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    if services.values().any(ServiceState::is_busy) {
        return Phase::Shifting { wave, services, hooks };
    }
    match first_failure(&services) {
        // Only `hold` comes here with a failure: nothing is taken back, and no further wave starts.
        Some(why) if services.values().any(was_touched) => {
            Phase::Done { outcome: Outcome::Held { why }, services, hooks }
        }
        Some(why) => Phase::Done { outcome: Outcome::NothingChanged { why }, services, hooks },
        None => Phase::begin_wave(wave + 1, services, hooks, plan),
    }
}

/// Whether this deployment changed, or may have changed, something here.
fn was_touched(state: &ServiceState) -> bool {
    match state {
        ServiceState::Waiting | ServiceState::Unchanged | ServiceState::Failed { touched: Touched::No, .. } => false,
        ServiceState::Applying
        | ServiceState::Moving { .. }
        | ServiceState::Serving { .. }
        | ServiceState::Failed { touched: Touched::Perhaps, .. }
        | ServiceState::Reverting { .. }
        | ServiceState::Returning { .. }
        | ServiceState::Restored { .. }
        | ServiceState::Superseded { .. }
        | ServiceState::Stuck { .. } => true,
    }
}

fn first_failure(services: &Services) -> Option<Reason> {
    services.iter().find_map(|(name, state)| match state {
        ServiceState::Failed { cause, .. } => {
            Some(Reason::ServiceFailed { service: name.clone(), cause: cause.clone() })
        }
        ServiceState::Superseded { by } => Some(Reason::Superseded { service: name.clone(), by: by.clone() }),
        _ => None,
    })
}

/// Goes on when no service is on its way any more: with what hooks did.
pub(super) fn settle_back(why: Reason, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    if services.values().any(ServiceState::is_busy) {
        return Phase::RollingBack { why, services, hooks };
    }
    hooking::undo(why, services, hooks, plan)
}
