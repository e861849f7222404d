//! Where a rollout stands, and what must happen next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gating;
use super::{Awaited, Change, Gate, HookState, Hooks, Outcome, Plan, Reason, ServiceState};
use crate::types::ServiceName;

/// Where every service of a rollout stands.
pub type Services = BTreeMap<ServiceName, ServiceState>;

/// Where a rollout stands. The phase implies the effects that are due; events change the phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// Commands run before anything changes, one after another.
    Preparing {
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        hooks: Hooks,
    },
    /// Services of a wave are being moved.
    Shifting {
        /// Which wave, from 0.
        wave: usize,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hooks: Hooks,
    },
    /// Every service of a wave that is under way waits at a step of traffic.
    Gating {
        /// Which wave, from 0.
        wave: usize,
        /// What it waits for.
        gate: Gate,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hooks: Hooks,
    },
    /// Everything serves; the checks run one after another.
    Verifying {
        /// Which check, from 0.
        check: usize,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hooks: Hooks,
    },
    /// Commands run after everything serves, one after another.
    Finishing {
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        hooks: Hooks,
    },
    /// What this deployment changed is taken back.
    RollingBack {
        /// Why.
        why: Reason,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hooks: Hooks,
    },
    /// The traffic is back; what hooks did is taken back, the last one first.
    Undoing {
        /// Why.
        why: Reason,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        hooks: Hooks,
    },
    /// The end; absorbs every further event.
    Done {
        /// How it ended.
        outcome: Outcome,
        /// Every service of the plan.
        services: Services,
        /// Every hook of the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hooks: Hooks,
    },
}

/// One thing to do now. Every effect may be run twice: it looks before it acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Ask the target for the new revision. Changes the target.
    Apply(ServiceName),
    /// Watch a change until the truth is known. Changes nothing.
    Follow(ServiceName),
    /// Tell the target to go on after a stop. Changes the target.
    Continue(ServiceName),
    /// Ask the target for the previous revision. Changes the target.
    Revert(ServiceName),
    /// Watch a bake of that step until it is over or says enough. Changes nothing.
    Bake(u32),
    /// Measure these services until what is measured is too bad. Changes nothing.
    Measure(Vec<ServiceName>),
    /// Listen for what is decided at that step. Changes nothing.
    Listen(u32, Awaited),
    /// Run a check, by its index. Changes nothing.
    Check(usize),
    /// Start a hook's task, by its number, or that of its undo. Changes what the command changes.
    StartHook(usize),
    /// Watch a hook's task until it ends. Changes nothing.
    FollowHook(usize),
    /// End a hook's task, or that of its undo. Changes what ending it changes.
    StopHook(usize),
    /// Watch the plan's alarms. Changes nothing.
    WatchAlarms,
}

impl Effect {
    /// Whether running it may change a target; such an effect is never dropped halfway.
    pub fn mutates(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Continue(_) | Self::Revert(_) | Self::StartHook(_) | Self::StopHook(_))
    }
}

impl Phase {
    /// The first phase of a plan.
    pub fn first(plan: &Plan) -> Self {
        let services = plan
            .services
            .iter()
            .map(|(name, service)| {
                let state = match service.change {
                    Change::Nothing => ServiceState::Unchanged,
                    Change::Move { .. } => ServiceState::Waiting,
                };
                (name.clone(), state)
            })
            .collect();
        if plan.changes_nothing() {
            return Self::Done { outcome: Outcome::Succeeded, services, hooks: Hooks::new() };
        }
        let hooks = plan.before.iter().chain(&plan.after).map(|_| HookState::Waiting).collect();
        Self::prepare(services, hooks, plan)
    }

    /// Starts that wave, or the next one that has something to do, or what follows the last.
    pub(super) fn begin_wave(from: usize, mut services: Services, hooks: Hooks, plan: &Plan) -> Self {
        for (wave, names) in plan.waves.iter().enumerate().skip(from) {
            let mut started = false;
            for name in names {
                if let Some(state @ ServiceState::Waiting) = services.get_mut(name) {
                    *state = ServiceState::Applying;
                    started = true;
                }
            }
            if started {
                return Self::Shifting { wave, services, hooks };
            }
        }
        Self::begin_check(0, services, hooks, plan)
    }

    /// Starts that check, or what follows the last.
    pub(super) fn begin_check(check: usize, services: Services, hooks: Hooks, plan: &Plan) -> Self {
        if check < plan.checks.len() {
            Self::Verifying { check, services, hooks }
        } else {
            Self::finish(services, hooks, plan)
        }
    }

    /// What must happen now. Pure: the same phase of the same plan always implies the same effects.
    pub fn effects(&self, plan: &Plan) -> Vec<Effect> {
        let mut due: Vec<Effect> = match self {
            Self::Shifting { services, .. } | Self::RollingBack { services, .. } => {
                services.iter().filter_map(|(name, state)| due(name, state)).collect()
            }
            Self::Gating { gate, services, .. } => gating::due(gate, services, plan),
            Self::Preparing { hooks, .. } | Self::Finishing { hooks, .. } | Self::Undoing { hooks, .. } => {
                hooks.iter().enumerate().filter_map(|(number, state)| due_for_hook(number, state)).collect()
            }
            Self::Verifying { check, .. } => vec![Effect::Check(*check)],
            Self::Done { .. } => Vec::new(),
        };
        if let Self::Shifting { services, .. } = self
            && !plan.analysis.is_empty()
        {
            due.extend(gating::measured(services, |state| matches!(state, ServiceState::Baking { .. })));
        }
        if self.watches() && !plan.alarms.is_empty() {
            due.push(Effect::WatchAlarms);
        }
        due
    }

    /// Whether an alarm would mean this deployment.
    fn watches(&self) -> bool {
        match self {
            Self::Shifting { .. } | Self::Gating { .. } | Self::Verifying { .. } | Self::Finishing { .. } => true,
            Self::Preparing { .. } | Self::RollingBack { .. } | Self::Undoing { .. } | Self::Done { .. } => false,
        }
    }

    /// Every service's state.
    pub fn services(&self) -> &Services {
        match self {
            Self::Preparing { services, .. }
            | Self::Shifting { services, .. }
            | Self::Gating { services, .. }
            | Self::Verifying { services, .. }
            | Self::Finishing { services, .. }
            | Self::RollingBack { services, .. }
            | Self::Undoing { services, .. }
            | Self::Done { services, .. } => services,
        }
    }

    /// Every hook's state: those before the shift, then those after it.
    pub fn hooks(&self) -> &[HookState] {
        match self {
            Self::Preparing { hooks, .. }
            | Self::Shifting { hooks, .. }
            | Self::Gating { hooks, .. }
            | Self::Verifying { hooks, .. }
            | Self::Finishing { hooks, .. }
            | Self::RollingBack { hooks, .. }
            | Self::Undoing { hooks, .. }
            | Self::Done { hooks, .. } => hooks,
        }
    }

    /// The outcome, at the end.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Done { outcome, .. } => Some(outcome),
            Self::Preparing { .. }
            | Self::Shifting { .. }
            | Self::Gating { .. }
            | Self::Verifying { .. }
            | Self::Finishing { .. }
            | Self::RollingBack { .. }
            | Self::Undoing { .. } => None,
        }
    }

    /// Why what was changed is taken back, or was.
    pub fn why(&self) -> Option<&Reason> {
        match self {
            Self::RollingBack { why, .. } | Self::Undoing { why, .. } => Some(why),
            Self::Done { outcome, .. } => outcome.why(),
            Self::Preparing { .. }
            | Self::Shifting { .. }
            | Self::Gating { .. }
            | Self::Verifying { .. }
            | Self::Finishing { .. } => None,
        }
    }

    /// The word for it in logs and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Preparing { .. } => "preparing",
            Self::Shifting { .. } => "shifting",
            Self::Gating { .. } => "gating",
            Self::Verifying { .. } => "verifying",
            Self::Finishing { .. } => "finishing",
            Self::RollingBack { .. } => "rolling-back",
            Self::Undoing { .. } => "undoing",
            Self::Done { .. } => "done",
        }
    }
}

pub(super) fn due(name: &ServiceName, state: &ServiceState) -> Option<Effect> {
    match state {
        ServiceState::Applying => Some(Effect::Apply(name.clone())),
        ServiceState::Moving { .. }
        | ServiceState::Paused { .. }
        | ServiceState::Baking { .. }
        | ServiceState::Returning { .. } => Some(Effect::Follow(name.clone())),
        ServiceState::Continuing { .. } => Some(Effect::Continue(name.clone())),
        ServiceState::Reverting { .. } => Some(Effect::Revert(name.clone())),
        ServiceState::Waiting
        | ServiceState::Unchanged
        | ServiceState::Serving { .. }
        | ServiceState::Failed { .. }
        | ServiceState::Restored { .. }
        | ServiceState::Superseded { .. }
        | ServiceState::Stuck { .. } => None,
    }
}

fn due_for_hook(number: usize, state: &HookState) -> Option<Effect> {
    match state {
        HookState::Starting | HookState::UndoStarting => Some(Effect::StartHook(number)),
        HookState::Running { .. } | HookState::Undoing { .. } => Some(Effect::FollowHook(number)),
        HookState::Stopping { .. } | HookState::UndoStopping { .. } => Some(Effect::StopHook(number)),
        HookState::Waiting
        | HookState::Ended { .. }
        | HookState::Failed { .. }
        | HookState::Stopped
        | HookState::Undone
        | HookState::UndoFailed { .. } => None,
    }
}
