//! Where a rollout stands, and what must happen next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Outcome, Plan, Reason, ServiceState};
use crate::types::ServiceName;

/// Where every service of a rollout stands.
pub type Services = BTreeMap<ServiceName, ServiceState>;

/// Where a rollout stands. The phase implies the effects that are due; events change the phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// Services of a wave are being moved.
    Shifting {
        /// Which wave, from 0.
        wave: usize,
        /// Every service of the plan.
        services: Services,
    },
    /// Everything serves; the checks run one after another.
    Verifying {
        /// Which check, from 0.
        check: usize,
        /// Every service of the plan.
        services: Services,
    },
    /// What this deployment changed is taken back.
    RollingBack {
        /// Why.
        why: Reason,
        /// Every service of the plan.
        services: Services,
    },
    /// The end; absorbs every further event.
    Done {
        /// How it ended.
        outcome: Outcome,
        /// Every service of the plan.
        services: Services,
    },
}

/// One thing to do now. Every effect may be run twice: it looks before it acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Ask the target for the new revision. Changes the target.
    Apply(ServiceName),
    /// Watch a change until the truth is known. Changes nothing.
    Follow(ServiceName),
    /// Ask the target for the previous revision. Changes the target.
    Revert(ServiceName),
    /// Run a check, by its index. Changes nothing.
    Check(usize),
}

impl Effect {
    /// Whether running it may change a target; such an effect is never dropped halfway.
    pub fn mutates(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Revert(_))
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
        Self::begin_wave(0, services, plan)
    }

    /// Starts that wave, or the next one that has something to do, or what follows the last.
    pub(super) fn begin_wave(from: usize, mut services: Services, plan: &Plan) -> Self {
        for (wave, names) in plan.waves.iter().enumerate().skip(from) {
            let mut started = false;
            for name in names {
                if let Some(state @ ServiceState::Waiting) = services.get_mut(name) {
                    *state = ServiceState::Applying;
                    started = true;
                }
            }
            if started {
                return Self::Shifting { wave, services };
            }
        }
        Self::begin_check(0, services, plan)
    }

    /// Starts that check, or ends well when there is none.
    pub(super) fn begin_check(check: usize, services: Services, plan: &Plan) -> Self {
        if check < plan.checks.len() && !plan.changes_nothing() {
            Self::Verifying { check, services }
        } else {
            Self::Done { outcome: Outcome::Succeeded, services }
        }
    }

    /// What must happen now. Pure: the same phase always implies the same effects.
    pub fn effects(&self) -> Vec<Effect> {
        match self {
            Self::Shifting { services, .. } | Self::RollingBack { services, .. } => {
                services.iter().filter_map(|(name, state)| due(name, state)).collect()
            }
            Self::Verifying { check, .. } => vec![Effect::Check(*check)],
            Self::Done { .. } => Vec::new(),
        }
    }

    /// Every service's state.
    pub fn services(&self) -> &Services {
        match self {
            Self::Shifting { services, .. }
            | Self::Verifying { services, .. }
            | Self::RollingBack { services, .. }
            | Self::Done { services, .. } => services,
        }
    }

    /// The outcome, at the end.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Done { outcome, .. } => Some(outcome),
            Self::Shifting { .. } | Self::Verifying { .. } | Self::RollingBack { .. } => None,
        }
    }

    /// The word for it in logs and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Shifting { .. } => "shifting",
            Self::Verifying { .. } => "verifying",
            Self::RollingBack { .. } => "rolling-back",
            Self::Done { .. } => "done",
        }
    }
}

fn due(name: &ServiceName, state: &ServiceState) -> Option<Effect> {
    match state {
        ServiceState::Applying => Some(Effect::Apply(name.clone())),
        ServiceState::Moving { .. } | ServiceState::Returning { .. } => Some(Effect::Follow(name.clone())),
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
