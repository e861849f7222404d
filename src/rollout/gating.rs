//! How gates move a rollout: where the platform stops before a step of traffic.
//!
//! Rules: a wave's services pass a step together, and only when every one of them stands at it; a stop
//! is let through once; what nobody decides goes back; a bake that says neither good nor bad asks a
//! person, never passes.

use std::collections::BTreeMap;

use super::phase::{Services, due as due_of};
use super::settling::{fail, failed_as_a_whole, first_failure, go_back, settle_wave};
use super::transition::unexpected;
use super::{
    Asks, Awaited, Decision, Effect, Event, Gate, Hooks, Judged, Passed, Pause, Phase, Plan, Reason, Rest,
    ServiceState, Unexpected, Waits,
};
use crate::config::spec::Approval;
use crate::types::{Percent, ServiceName, Timestamp};

/// What is due at a gate.
pub(super) fn due(gate: &Gate, services: &Services, plan: &Plan) -> Vec<Effect> {
    let mut due: Vec<Effect> = services.iter().filter_map(|(name, state)| due_of(name, state)).collect();
    if gate.needs() == Awaited::Nothing {
        due.push(Effect::Bake(gate.step));
    }
    due.push(Effect::Listen(gate.step, gate.needs()));
    if gate.needs() == Awaited::Word && gate.is_shared() && !plan.analysis.is_empty() {
        due.extend(measured(services, |state| matches!(state, ServiceState::Paused { .. })));
    }
    due
}

/// Measuring the services that stand so, if there are any.
pub(super) fn measured(services: &Services, stands: impl Fn(&ServiceState) -> bool) -> Option<Effect> {
    let names: Vec<ServiceName> =
        services.iter().filter(|(_, state)| stands(state)).map(|(name, _)| name.clone()).collect();
    (!names.is_empty()).then_some(Effect::Measure(names))
}

/// The services of a wave have all come to a step, or further.
pub(super) fn open(wave: usize, services: Services, hooks: Hooks, plan: &Plan) -> Phase {
    let stops: BTreeMap<&ServiceName, (&Pause, Option<&Passed>)> = services
        .iter()
        .filter_map(|(name, state)| match state {
            ServiceState::Paused { pause, passed, .. } => Some((name, (pause, passed.as_ref()))),
            _ => None,
        })
        .collect();
    let step = 1 + stops.values().filter_map(|(_, passed)| passed.map(|passed| passed.step)).max().unwrap_or(0);
    let traffic = stops.values().map(|(pause, _)| pause.traffic).max().unwrap_or(Percent::ZERO);
    let since = stops.values().map(|(pause, _)| pause.at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let promoted = stops.values().any(|(_, passed)| passed.is_some_and(|passed| passed.rest == Rest::Promoted));
    let waits = match plan.steering.filter(|_| plan.is_steered()) {
        // A stop that this rollout did not ask for is nobody's to let through but a person's.
        None => person(Asks::Undecided { said: "the platform stops at a step that this plan does not have".into() }),
        Some(_) if first_failure(&services).is_some() => {
            person(Asks::Undecided { said: "another service of the wave failed".into() })
        }
        Some(_) if promoted || traffic == Percent::ALL => {
            let rest = if promoted { Rest::Promoted } else { Rest::Stops };
            return let_through(wave, step, rest, services, hooks);
        }
        // An old number: what is let through now would be a step that nobody has watched.
        Some(_) if traffic == Percent::ZERO && step > 1 => person(Asks::Undecided {
            said: "after a step was let through the platform still says that the new revision has no traffic".into(),
        }),
        Some(steering) if traffic == Percent::ZERO => match steering.strategy.asks_at(traffic) {
            Approval::Asked => person(Asks::Approval),
            Approval::NotAsked => return let_through(wave, step, Rest::Stops, services, hooks),
        },
        Some(_) => Waits::Bake,
    };
    Phase::Gating { wave, gate: Gate { step, traffic, since, waits }, services, hooks }
}

fn person(asks: Asks) -> Waits {
    Waits::Person { asks }
}

fn let_through(wave: usize, step: u32, rest: Rest, mut services: Services, hooks: Hooks) -> Phase {
    for state in services.values_mut() {
        if let ServiceState::Paused { shift, pause, .. } = state.clone() {
            *state = ServiceState::Continuing { shift, pause, step, rest };
        }
    }
    Phase::Shifting { wave, services, hooks }
}

pub(super) fn gating(
    wave: usize,
    gate: Gate,
    services: Services,
    hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    match event {
        Event::Judged { step, at, judged } if step == gate.step && gate.waits == Waits::Bake => {
            Ok(judge(wave, &gate, services, hooks, (at, judged), plan))
        }
        Event::Decided { step, at, decision } if step == gate.step => {
            if let Some(next) = meant(&decision, &gate) {
                Ok(decide(wave, &gate, services, hooks, (at, next), plan))
            } else {
                let event = Event::Decided { step, at, decision };
                unexpected(Phase::Gating { wave, gate, services, hooks }, event)
            }
        }
        Event::AnalysisFailed { cause } => Ok(go_back(Reason::AnalysisFailed { cause }, services, hooks, plan)),
        Event::CancelRequested => Ok(go_back(Reason::Cancelled, services, hooks, plan)),
        Event::AlarmFired { cause } => Ok(failed_as_a_whole(Reason::AlarmFired { cause }, services, hooks, plan)),
        Event::Paused { .. }
        | Event::Continued { .. }
        | Event::Served { .. }
        | Event::Baking { .. }
        | Event::Broke { .. }
        | Event::Superseded { .. } => of_a_service(wave, gate, services, hooks, event, plan),
        other @ (Event::Judged { .. }
        | Event::Decided { .. }
        | Event::Applied { .. }
        | Event::ApplyFailed { .. }
        | Event::NotContinued { .. }
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
        | Event::HookStopped { .. }) => unexpected(Phase::Gating { wave, gate, services, hooks }, other),
    }
}

/// After a bake.
fn judge(
    wave: usize,
    gate: &Gate,
    services: Services,
    hooks: Hooks,
    (at, judged): (Timestamp, Judged),
    plan: &Plan,
) -> Phase {
    let asks = match judged {
        Judged::Pass => {
            let asked = plan.steering.map_or(Approval::Asked, |steering| steering.strategy.asks_at(gate.traffic));
            match asked {
                Approval::NotAsked => return let_through(wave, gate.step, Rest::Stops, services, hooks),
                Approval::Asked => Asks::Approval,
            }
        }
        Judged::Fail { cause } => return go_back(Reason::AnalysisFailed { cause }, services, hooks, plan),
        Judged::Undecided { said } => Asks::Undecided { said },
        Judged::Held { by } => Asks::Held { by },
    };
    Phase::Gating { wave, gate: Gate { since: at, waits: person(asks), ..gate.clone() }, services, hooks }
}

/// What a decision brings about.
enum Next {
    /// The step is passed.
    Pass(Rest),
    /// Everything goes back.
    Back(Reason),
    /// It waits for something else.
    Wait(Waits),
    /// What the gate waits for is found anew.
    Again,
}

/// What a decision means at a gate; `None` when it does not fit what the gate waits for.
fn meant(decision: &Decision, gate: &Gate) -> Option<Next> {
    Some(match (decision, &gate.waits) {
        (Decision::Approved { .. }, Waits::Person { .. }) => Next::Pass(Rest::Stops),
        (Decision::Promoted { .. }, _) => Next::Pass(Rest::Promoted),
        (Decision::Rejected { by, said }, _) => Next::Back(Reason::Rejected { by: by.clone(), said: said.clone() }),
        (Decision::Expired { said }, Waits::Person { .. }) => Next::Back(Reason::GateExpired { said: said.clone() }),
        (Decision::Paused { by }, Waits::Bake) => Next::Wait(person(Asks::Held { by: by.clone() })),
        // Watched from now on: what was measured before has said what it could.
        (Decision::Resumed { .. }, Waits::Person { asks: Asks::Held { .. } | Asks::Undecided { .. } })
            if gate.is_shared() =>
        {
            Next::Wait(Waits::Bake)
        }
        (Decision::Resumed { .. }, Waits::Person { asks: Asks::Held { .. } }) => Next::Again,
        (Decision::Approved { .. } | Decision::Expired { .. }, Waits::Bake)
        | (Decision::Paused { .. }, Waits::Person { .. })
        | (Decision::Resumed { .. }, Waits::Bake | Waits::Person { .. }) => return None,
    })
}

/// After somebody decided, or nobody did in time.
fn decide(
    wave: usize,
    gate: &Gate,
    mut services: Services,
    hooks: Hooks,
    (at, next): (Timestamp, Next),
    plan: &Plan,
) -> Phase {
    match next {
        Next::Pass(rest) => let_through(wave, gate.step, rest, services, hooks),
        Next::Back(why) => go_back(why, services, hooks, plan),
        Next::Wait(waits) => Phase::Gating { wave, gate: Gate { since: at, waits, ..gate.clone() }, services, hooks },
        Next::Again => {
            for state in services.values_mut() {
                if let ServiceState::Paused { pause, .. } = state {
                    pause.at = at;
                }
            }
            open(wave, services, hooks, plan)
        }
    }
}

/// Something happened to a service that stands at the gate.
fn of_a_service(
    wave: usize,
    gate: Gate,
    mut services: Services,
    hooks: Hooks,
    event: Event,
    plan: &Plan,
) -> Result<Phase, Unexpected> {
    let Some(name) = event.service().cloned() else {
        return unexpected(Phase::Gating { wave, gate, services, hooks }, event);
    };
    let Some(ServiceState::Paused { shift, pause, passed }) = services.get(&name).cloned() else {
        return unexpected(Phase::Gating { wave, gate, services, hooks }, event);
    };
    let let_go = |at: Timestamp| Some(Passed { pause: pause.id.clone(), step: gate.step, at, rest: Rest::Stops });
    match event {
        // Somebody has let it through elsewhere, and it stands at the next step already.
        Event::Paused { pause: next, .. } if next.id != pause.id => {
            let passed = let_go(next.at);
            services.insert(name, ServiceState::Paused { shift, pause: next, passed });
            Ok(open(wave, services, hooks, plan))
        }
        Event::Continued { at, .. } => {
            let passed = let_go(at);
            services.insert(name, ServiceState::Moving { shift, passed });
            Ok(settle_wave(wave, services, hooks, plan))
        }
        Event::Baking { .. } => {
            services.insert(name, ServiceState::Baking { shift, passed });
            Ok(settle_wave(wave, services, hooks, plan))
        }
        Event::Served { .. } => {
            services.insert(name, ServiceState::Serving { shift });
            Ok(settle_wave(wave, services, hooks, plan))
        }
        Event::Broke { cause, .. } => {
            let state = ServiceState::Reverting { cause: Some(cause.clone()), shift: Some(shift) };
            services.insert(name.clone(), state);
            Ok(fail(wave, services, hooks, Reason::ServiceFailed { service: name, cause }, plan))
        }
        Event::Superseded { by, .. } => {
            services.insert(name.clone(), ServiceState::Superseded { by: by.clone() });
            Ok(fail(wave, services, hooks, Reason::Superseded { service: name, by }, plan))
        }
        other => unexpected(Phase::Gating { wave, gate, services, hooks }, other),
    }
}
