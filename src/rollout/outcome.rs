//! How a rollout ends.

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::types::ServiceName;

/// Why a rollout goes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Reason {
    /// A service did not make it.
    ServiceFailed {
        /// Which.
        service: ServiceName,
        /// Why.
        cause: Box<Cause>,
    },
    /// Somebody else's deployment took a service over.
    Superseded {
        /// Which.
        service: ServiceName,
        /// The other deployment, in the provider's words.
        by: String,
    },
    /// A check after the shift failed.
    CheckFailed {
        /// Which, from 0.
        check: usize,
        /// Why.
        cause: Box<Cause>,
    },
    /// A hook failed.
    HookFailed {
        /// Which, from 0: those before the shift, then those after it.
        hook: usize,
        /// Why.
        cause: Box<Cause>,
    },
    /// An alarm fired while traffic moved.
    AlarmFired {
        /// Which, and what it says.
        cause: Box<Cause>,
    },
    /// What was measured broke a limit.
    AnalysisFailed {
        /// What, against which limit.
        cause: Box<Cause>,
    },
    /// Somebody said no.
    Rejected {
        /// Who.
        by: String,
        /// Why, in their words.
        said: Option<String>,
    },
    /// Its time at a step was over.
    GateExpired {
        /// What kept it, one sentence, where somebody had said yes; absent when nobody decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// A person or the workflow cancelled it.
    Cancelled,
}

/// How a rollout ended. The services' own ends are in the phase beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The release serves everywhere it was asked to.
    Succeeded,
    /// The provider said no before anything changed.
    NothingChanged {
        /// Why.
        why: Reason,
    },
    /// A hook failed before any traffic moved; what served before still serves.
    NotShifted {
        /// Why.
        why: Reason,
    },
    /// It failed, and what served before serves again, proven.
    RolledBack {
        /// Why.
        why: Reason,
    },
    /// It failed and was left as it is, because `on-failure` says so.
    Held {
        /// Why.
        why: Reason,
    },
    /// Somebody else's deployment replaced it.
    Superseded {
        /// Why.
        why: Reason,
    },
    /// Cancelled, and what served before serves again.
    Cancelled,
    /// Going back failed, or the state is unknown: a person must look.
    NeedsAttention {
        /// Why it went back at all.
        why: Reason,
    },
}

impl Outcome {
    /// The process exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::NotShifted { .. } | Self::RolledBack { .. } | Self::Superseded { .. } => 1,
            Self::NothingChanged { .. } => 4,
            Self::Held { .. } | Self::NeedsAttention { .. } => 5,
            Self::Cancelled => 130,
        }
    }

    /// The word for it in outputs and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::NothingChanged { .. } => "nothing-changed",
            Self::NotShifted { .. } => "not-shifted",
            Self::RolledBack { .. } => "rolled-back",
            Self::Held { .. } => "held",
            Self::Superseded { .. } => "superseded",
            Self::Cancelled => "cancelled",
            Self::NeedsAttention { .. } => "needs-attention",
        }
    }

    /// Why it did not succeed.
    pub fn why(&self) -> Option<&Reason> {
        match self {
            Self::Succeeded => None,
            Self::Cancelled => Some(&Reason::Cancelled),
            Self::NothingChanged { why }
            | Self::NotShifted { why }
            | Self::RolledBack { why }
            | Self::Held { why }
            | Self::Superseded { why }
            | Self::NeedsAttention { why } => Some(why),
        }
    }
}
