//! What becomes of a rollout as a whole when one of its services has moved: [`Phase`] from all states.

use super::event::Touched;
use super::phase::Services;
use super::{Hooks, Outcome, Phase, Plan, Reason, ServiceState, gating, hooking};
use crate::config::spec::OnFailure;

/// After a service of this wave failed or was taken over.
pub(super) fn fail(wave: usize, mut services: Services, hooks: Hooks, why: Reason, plan: &Plan) -> Phase {
    match plan.on_failure {
        OnFailure::RollBackAll => go_back(why, services, hooks, plan),
        // The services of a wave pass its steps together: without one of them there is no next step.
        OnFailure::RollBackFailed if plan.is_steered() || services.values().any(is_at_a_step) => {
            go_back(why, services, hooks, plan)
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

/// After something that speaks for the environment as a whole: a check, an alarm, a measurement.
pub(super) fn failed_as_a_whole(why: Reason, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    match plan.on_failure {
        OnFailure::RollBackAll | OnFailure::RollBackFailed => go_back(why, services, hooks, plan),
        OnFailure::Hold => Phase::Done { outcome: Outcome::Held { why }, services, hooks },
    }
}

/// Takes back everything this deployment may have changed.
pub(super) fn go_back(why: Reason, mut services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    take_back_all(&mut services);
    settle_back(why, services, hooks, plan)
}

/// Turns everything this deployment may have changed round.
fn take_back_all(services: &mut Services) {
    for state in services.values_mut() {
        match state.clone() {
            ServiceState::Applying => *state = ServiceState::Reverting { cause: None, shift: None },
            ServiceState::Moving { shift, .. }
            | ServiceState::Paused { shift, .. }
            | ServiceState::Continuing { shift, .. }
            | ServiceState::Baking { shift, .. }
            | ServiceState::Serving { shift } => {
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
pub(super) fn settle_wave(wave: usize, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    if services.values().any(ServiceState::is_busy) {
        return Phase::Shifting { wave, services, hooks };
    }
    if stands_still(&services) {
        return gating::open(wave, services, hooks, plan);
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

/// Whether a service stands before a step, or is being let through.
fn is_at_a_step(state: &ServiceState) -> bool {
    matches!(state, ServiceState::Paused { .. } | ServiceState::Continuing { .. })
}

/// Whether a service stands before a step.
fn stands_still(services: &Services) -> bool {
    services.values().any(|state| matches!(state, ServiceState::Paused { .. }))
}

/// Whether this deployment changed, or may have changed, something here.
fn was_touched(state: &ServiceState) -> bool {
    match state {
        ServiceState::Waiting | ServiceState::Unchanged | ServiceState::Failed { touched: Touched::No, .. } => false,
        ServiceState::Applying
        | ServiceState::Moving { .. }
        | ServiceState::Paused { .. }
        | ServiceState::Continuing { .. }
        | ServiceState::Baking { .. }
        | ServiceState::Serving { .. }
        | ServiceState::Failed { touched: Touched::Perhaps, .. }
        | ServiceState::Reverting { .. }
        | ServiceState::Returning { .. }
        | ServiceState::Restored { .. }
        | ServiceState::Superseded { .. }
        | ServiceState::Stuck { .. } => true,
    }
}

pub(super) fn first_failure(services: &Services) -> Option<Reason> {
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
