//! How hooks move a rollout: the phases before the shift, after it, and behind the way back.
//!
//! Rules: hooks run one at a time; a rollout never goes on, forward or back, nor ends, while a hook's
//! task or that of its undo may run; what hooks did is taken back only when none of the new revisions serves any more, because
//! the new revision may need it; a failed undo needs a person.

use super::event::Touched;
use super::phase::Services;
use super::settling::go_back;
use super::transition::unexpected;
use super::{Cause, Event, HookState, Hooks, Outcome, Phase, Plan, Reason, ServiceState, Unexpected};
use crate::config::spec::OnFailure;

/// What became of an event that is about a hook.
enum Step {
    /// It goes on where it is.
    Stay,
    /// The hook is done: the next one, or what follows the last.
    Next,
    /// The rollout goes back.
    Leave(Reason),
}

impl Phase {
    /// Starts the next hook before the shift, or the first wave.
    pub(super) fn prepare(services: Services, mut hooks: Hooks, plan: &Plan) -> Self {
        if start_next(&mut hooks, 0, plan.before.len()) {
            Self::Preparing { services, hooks }
        } else {
            Self::begin_wave(0, services, hooks, plan)
        }
    }

    /// Starts the next hook after the shift, or ends well.
    pub(super) fn finish(services: Services, mut hooks: Hooks, plan: &Plan) -> Self {
        let all = hooks.len();
        if start_next(&mut hooks, plan.before.len(), all) {
            Self::Finishing { services, hooks }
        } else {
            Self::Done { outcome: Outcome::Succeeded, services, hooks }
        }
    }
}

/// Starts the first hook of these that waits.
fn start_next(hooks: &mut Hooks, from: usize, to: usize) -> bool {
    let next = hooks.iter_mut().take(to).skip(from).find(|state| **state == HookState::Waiting);
    next.is_some_and(|state| {
        *state = HookState::Starting;
        true
    })
}

pub(super) fn preparing(services: Services, mut hooks: Hooks, event: Event, plan: &Plan) -> Result<Phase, Unexpected> {
    match step(&mut hooks, &event) {
        Some(Step::Stay) => Ok(Phase::Preparing { services, hooks }),
        Some(Step::Next) => Ok(Phase::prepare(services, hooks, plan)),
        Some(Step::Leave(why)) => Ok(leave(why, services, hooks, plan)),
        None => unexpected(Phase::Preparing { services, hooks }, event),
    }
}

pub(super) fn finishing(services: Services, mut hooks: Hooks, event: Event, plan: &Plan) -> Result<Phase, Unexpected> {
    if let Event::AlarmFired { cause } = event {
        stop(&mut hooks, &Reason::AlarmFired { cause });
        return Ok(Phase::Finishing { services, hooks });
    }
    match step(&mut hooks, &event) {
        Some(Step::Stay) => Ok(Phase::Finishing { services, hooks }),
        Some(Step::Next) => Ok(Phase::finish(services, hooks, plan)),
        Some(Step::Leave(why)) => Ok(leave(why, services, hooks, plan)),
        None => unexpected(Phase::Finishing { services, hooks }, event),
    }
}

pub(super) fn undoing(
    why: Reason,
    services: Services,
    mut hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    // The way back is finished, whoever wants to stop it.
    if event == Event::CancelRequested {
        return Ok(Phase::Undoing { why, services, hooks });
    }
    let next = numbered(&event).and_then(|number| hooks.get(number).cloned().map(|state| (number, state)));
    let next = next.and_then(|(number, state)| Some((number, undone(state, &event)?)));
    match next {
        Some((number, state)) => {
            let goes_on = state.is_undoing();
            hooks[number] = state;
            Ok(if goes_on { Phase::Undoing { why, services, hooks } } else { undo(why, services, hooks, plan) })
        }
        None => unexpected(Phase::Undoing { why, services, hooks }, event),
    }
}

/// One hook's next state while what hooks did is taken back; `None` when the event does not fit.
fn undone(state: HookState, event: &Event) -> Option<HookState> {
    match (state, event) {
        (HookState::UndoStarting, Event::HookStarted { task, .. }) => Some(HookState::Undoing { task: task.clone() }),
        (HookState::Undoing { .. }, Event::HookEnded { .. }) => Some(HookState::Undone),
        (HookState::UndoStarting, Event::HookNotStarted { cause, touched: Touched::Perhaps, .. }) => {
            Some(HookState::UndoStopping { task: None, cause: cause.clone() })
        }
        (HookState::UndoStarting, Event::HookNotStarted { cause, touched: Touched::No, .. })
        | (HookState::Undoing { .. }, Event::HookFailed { cause, .. }) => {
            Some(HookState::UndoFailed { cause: cause.clone() })
        }
        (HookState::Undoing { task }, Event::HookOverdue { cause, .. }) => {
            Some(HookState::UndoStopping { task: Some(task), cause: cause.clone() })
        }
        (HookState::UndoStopping { cause, .. }, Event::HookStopped { .. }) => Some(HookState::UndoFailed { cause }),
        _ => None,
    }
}

/// Moves the hook that an event is about, or that runs; `None` when the event does not fit.
fn step(hooks: &mut Hooks, event: &Event) -> Option<Step> {
    if *event == Event::CancelRequested {
        stop(hooks, &Reason::Cancelled);
        return Some(Step::Stay);
    }
    let hook = numbered(event)?;
    let state = hooks.get_mut(hook)?;
    let (next, step) = match (state.clone(), event) {
        (HookState::Starting, Event::HookStarted { task, .. }) => {
            (HookState::Running { task: task.clone() }, Step::Stay)
        }
        // The answer of a start that was on its way when the rollout was stopped.
        (HookState::Stopping { task: None, then }, Event::HookStarted { task, .. }) => {
            (HookState::Stopping { task: Some(task.clone()), then }, Step::Stay)
        }
        (HookState::Starting, Event::HookNotStarted { cause, touched, .. }) => match touched {
            Touched::No => failed(hook, cause),
            Touched::Perhaps => {
                let then = Box::new(Reason::HookFailed { hook, cause: cause.clone() });
                (HookState::Stopping { task: None, then }, Step::Stay)
            }
        },
        (HookState::Running { .. }, Event::HookEnded { log, .. }) => {
            (HookState::Ended { log: log.clone() }, Step::Next)
        }
        (HookState::Running { .. }, Event::HookFailed { cause, .. }) => failed(hook, cause),
        (HookState::Running { task }, Event::HookOverdue { cause, .. }) => {
            let then = Box::new(Reason::HookFailed { hook, cause: cause.clone() });
            (HookState::Stopping { task: Some(task), then }, Step::Stay)
        }
        (HookState::Stopping { then, .. }, Event::HookStopped { .. }) => {
            let state = match &*then {
                Reason::HookFailed { cause, .. } => HookState::Failed { cause: cause.clone() },
                _ => HookState::Stopped,
            };
            (state, Step::Leave(*then))
        }
        // Its own failure came first: nothing is left to stop.
        (HookState::Stopping { task: None, then }, Event::HookNotStarted { touched: Touched::No, .. }) => {
            (HookState::Stopped, Step::Leave(*then))
        }
        _ => return None,
    };
    *state = next;
    Some(step)
}

fn failed(hook: usize, cause: &Cause) -> (HookState, Step) {
    let cause = Box::new(cause.clone());
    (HookState::Failed { cause: cause.clone() }, Step::Leave(Reason::HookFailed { hook, cause }))
}

/// Stops the hook that runs or is being started; one that is being stopped keeps its first reason.
fn stop(hooks: &mut Hooks, why: &Reason) {
    for state in hooks {
        match state.clone() {
            HookState::Starting => *state = HookState::Stopping { task: None, then: Box::new(why.clone()) },
            HookState::Running { task } => {
                *state = HookState::Stopping { task: Some(task), then: Box::new(why.clone()) };
            }
            HookState::Waiting
            | HookState::Stopping { .. }
            | HookState::Ended { .. }
            | HookState::Failed { .. }
            | HookState::Stopped
            | HookState::UndoStarting
            | HookState::Undoing { .. }
            | HookState::UndoStopping { .. }
            | HookState::Undone
            | HookState::UndoFailed { .. } => {}
        }
    }
}

fn numbered(event: &Event) -> Option<usize> {
    match event {
        Event::HookStarted { hook, .. }
        | Event::HookNotStarted { hook, .. }
        | Event::HookEnded { hook, .. }
        | Event::HookFailed { hook, .. }
        | Event::HookOverdue { hook, .. }
        | Event::HookStopped { hook } => Some(*hook),
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
        | Event::AlarmFired { .. }
        | Event::CancelRequested => None,
    }
}

/// After a hook failed, or was stopped.
fn leave(why: Reason, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    // A cancel takes everything back, whatever `on-failure` says: it was nobody's failure.
    if plan.on_failure == OnFailure::Hold && why != Reason::Cancelled {
        return Phase::Done { outcome: Outcome::Held { why }, services, hooks };
    }
    go_back(why, services, hooks, plan)
}

/// Takes back what hooks did, the last one first, and ends when nothing is left.
pub(super) fn undo(why: Reason, services: Services, mut hooks: Hooks, plan: &Plan) -> Phase {
    let any = |test: fn(&ServiceState) -> bool| services.values().any(test);
    let new_serves = any(|state| {
        matches!(state, ServiceState::Serving { .. } | ServiceState::Stuck { .. } | ServiceState::Superseded { .. })
    });
    let stuck = any(|state| matches!(state, ServiceState::Stuck { .. }));
    let not_undone = hooks.iter().any(|state| matches!(state, HookState::UndoFailed { .. }));
    if !new_serves && !not_undone {
        let has_undo = |number: usize| plan.hook(number).is_some_and(|hook| !hook.undo.is_empty());
        let ended = hooks
            .iter()
            .enumerate()
            .rev()
            .find(|(number, state)| matches!(state, HookState::Ended { .. }) && has_undo(*number));
        if let Some(number) = ended.map(|(number, _)| number) {
            hooks[number] = HookState::UndoStarting;
            return Phase::Undoing { why, services, hooks };
        }
    }
    let outcome = if stuck || not_undone {
        Outcome::NeedsAttention { why }
    } else if why == Reason::Cancelled {
        Outcome::Cancelled
    } else if any(|s| matches!(s, ServiceState::Superseded { .. })) {
        Outcome::Superseded { why }
    } else if any(|s| matches!(s, ServiceState::Restored { .. } | ServiceState::Serving { .. })) {
        Outcome::RolledBack { why }
    } else if matches!(why, Reason::HookFailed { .. }) {
        Outcome::NotShifted { why }
    } else {
        Outcome::NothingChanged { why }
    };
    Phase::Done { outcome, services, hooks }
}
