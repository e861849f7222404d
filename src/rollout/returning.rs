//! How events move a rollout that goes back: every service to what served before.

use super::event::Touched;
use super::phase::Services;
use super::settling::{go_back, settle_back};
use super::transition::unexpected;
use super::{Cause, Direction, Event, Hooks, Phase, Plan, Reason, ServiceState, Shift, Unexpected};

pub(super) fn rolling_back(
    why: Reason,
    mut services: Services,
    hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    if event == Event::CancelRequested {
        // Already on the way back; what still moves forward turns round as well.
        return Ok(go_back(why, services, hooks, plan));
    }
    let Some(name) = event.service().cloned() else {
        return unexpected(Phase::RollingBack { why, services, hooks }, event);
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
            | ServiceState::Baking { .. }
            | ServiceState::Applying,
            Event::Superseded { by, .. },
        ) => Some(ServiceState::Superseded { by: by.clone() }),
        // The way back that waited is asked for again, with what is known of it.
        (ServiceState::Returning { cause, shift, .. }, Event::AskAgain { .. }) => {
            Some(ServiceState::Reverting { cause, shift: Some(shift) })
        }
        (ServiceState::Moving { .. }, Event::AskAgain { .. }) => Some(ServiceState::Applying),
        // With `roll-back-failed` the other services of the wave go on.
        (ServiceState::Applying, Event::Applied { shift, .. }) => {
            Some(ServiceState::Moving { shift: shift.clone(), passed: None })
        }
        (ServiceState::Applying, Event::ApplyFailed { cause, touched, .. }) => {
            Some(not_applied(cause.clone(), *touched))
        }
        (ServiceState::Moving { shift, .. } | ServiceState::Baking { shift, .. }, Event::Served { .. }) => {
            Some(ServiceState::Serving { shift })
        }
        (ServiceState::Moving { shift, .. } | ServiceState::Baking { shift, .. }, Event::Broke { cause, .. }) => {
            Some(ServiceState::Reverting { cause: Some(cause.clone()), shift: Some(shift) })
        }
        (ServiceState::Moving { shift, passed }, Event::Baking { .. }) => Some(ServiceState::Baking { shift, passed }),
        // Nobody decides about a step while others go back.
        (ServiceState::Moving { shift, .. }, Event::Paused { .. }) => {
            Some(ServiceState::Reverting { cause: None, shift: Some(shift) })
        }
        (
            ServiceState::Waiting
            | ServiceState::Unchanged
            | ServiceState::Applying
            | ServiceState::Moving { .. }
            | ServiceState::Paused { .. }
            | ServiceState::Continuing { .. }
            | ServiceState::Baking { .. }
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
            | Event::Paused { .. }
            | Event::Continued { .. }
            | Event::NotContinued { .. }
            | Event::Baking { .. }
            | Event::Judged { .. }
            | Event::Decided { .. }
            | Event::AnalysisFailed { .. }
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
pub(super) fn not_applied(cause: Box<Cause>, touched: Touched) -> ServiceState {
    match touched {
        Touched::No => ServiceState::Failed { cause, touched },
        Touched::Perhaps => ServiceState::Reverting { cause: Some(cause), shift: None },
    }
}
