//! Where one service of a rollout stands.

use serde::{Deserialize, Serialize};

use super::{Cause, Direction, Passed, Pause, Rest, Shift, Touched};

/// Where one service stands. Its state alone says which effect is due for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ServiceState {
    /// Its wave has not come.
    Waiting,
    /// The plan changes nothing here.
    Unchanged,
    /// The change is being asked for. Effect: apply.
    Applying,
    /// The target is carrying it out. Effect: follow.
    Moving {
        /// The change.
        shift: Shift,
        /// The last step that was let through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passed: Option<Passed>,
    },
    /// The platform has stopped before a step of traffic. Effect: follow.
    Paused {
        /// The change.
        shift: Shift,
        /// The stop.
        pause: Pause,
        /// The last step that was let through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passed: Option<Passed>,
    },
    /// The platform is being told to go on. Effect: continue.
    Continuing {
        /// The change.
        shift: Shift,
        /// The stop.
        pause: Pause,
        /// Which step of the wave it is.
        step: u32,
        /// What becomes of the steps after it.
        #[serde(default)]
        rest: Rest,
    },
    /// All traffic is on the new revision, the old one stays for a while. Effect: follow.
    Baking {
        /// The change.
        shift: Shift,
        /// The last step that was let through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passed: Option<Passed>,
    },
    /// The new revision serves, proven.
    Serving {
        /// The change that brought it.
        shift: Shift,
    },
    /// It failed and is left as it is (`on-failure: hold`, or nothing was touched).
    Failed {
        /// Why.
        cause: Box<Cause>,
        /// Whether it may have changed all the same.
        touched: Touched,
    },
    /// The previous revision is being asked for. Effect: revert.
    Reverting {
        /// Why this very service failed; absent when it goes back because another one did.
        cause: Option<Box<Cause>>,
        /// The change to take back, if one was accepted; or the way back, when it waited behind
        /// something and has to be asked for again.
        shift: Option<Shift>,
    },
    /// The target is going back. Effect: follow.
    Returning {
        /// Why this very service failed.
        cause: Option<Box<Cause>>,
        /// The way back.
        shift: Shift,
        /// The change that is taken back, if one was accepted.
        #[serde(default)]
        undone: Option<Shift>,
    },
    /// The previous revision serves again, proven.
    Restored {
        /// Why this very service failed.
        cause: Option<Box<Cause>>,
        /// The change that was taken back, if one was accepted.
        #[serde(default)]
        undone: Option<Shift>,
    },
    /// Somebody else's deployment took it over; it is left alone.
    Superseded {
        /// The other deployment.
        by: String,
    },
    /// Going back failed.
    Stuck {
        /// Why this very service failed in the first place.
        cause: Option<Box<Cause>>,
        /// Why it could not go back.
        stuck: Box<Cause>,
        /// The change that should have been taken back, if one was accepted.
        #[serde(default)]
        undone: Option<Shift>,
    },
}

impl ServiceState {
    /// The word for it in tables and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Unchanged => "unchanged",
            Self::Applying => "starting",
            Self::Moving { .. } | Self::Continuing { .. } => "moving",
            Self::Paused { .. } => "waiting at a step",
            Self::Baking { .. } => "baking",
            Self::Serving { .. } => "serving",
            Self::Failed { .. } => "failed",
            Self::Reverting { .. } | Self::Returning { .. } => "going back",
            Self::Restored { .. } => "restored",
            Self::Superseded { .. } => "superseded",
            Self::Stuck { .. } => "stuck",
        }
    }

    /// The first cause of this service's own failure.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Failed { cause, .. } => Some(cause),
            Self::Reverting { cause, .. }
            | Self::Returning { cause, .. }
            | Self::Restored { cause, .. }
            | Self::Stuck { cause, .. } => cause.as_deref(),
            Self::Waiting
            | Self::Unchanged
            | Self::Applying
            | Self::Moving { .. }
            | Self::Paused { .. }
            | Self::Continuing { .. }
            | Self::Baking { .. }
            | Self::Serving { .. }
            | Self::Superseded { .. } => None,
        }
    }

    /// The change this deployment made or tried here, whatever became of it.
    pub fn attempt(&self) -> Option<&Shift> {
        match self {
            Self::Moving { shift, .. }
            | Self::Paused { shift, .. }
            | Self::Continuing { shift, .. }
            | Self::Baking { shift, .. }
            | Self::Serving { shift } => Some(shift),
            Self::Reverting { shift, .. } => shift.as_ref().filter(|shift| shift.direction == Direction::Forward),
            Self::Returning { undone, .. } | Self::Restored { undone, .. } | Self::Stuck { undone, .. } => {
                undone.as_ref()
            }
            Self::Waiting | Self::Unchanged | Self::Applying | Self::Failed { .. } | Self::Superseded { .. } => None,
        }
    }

    /// Whether it is on its way; one that waits at a step is not.
    pub fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Applying
                | Self::Moving { .. }
                | Self::Continuing { .. }
                | Self::Baking { .. }
                | Self::Reverting { .. }
                | Self::Returning { .. }
        )
    }

    /// The last step that was let through.
    pub fn passed(&self) -> Option<&Passed> {
        match self {
            Self::Moving { passed, .. } | Self::Paused { passed, .. } | Self::Baking { passed, .. } => passed.as_ref(),
            Self::Waiting
            | Self::Unchanged
            | Self::Applying
            | Self::Continuing { .. }
            | Self::Serving { .. }
            | Self::Failed { .. }
            | Self::Reverting { .. }
            | Self::Returning { .. }
            | Self::Restored { .. }
            | Self::Superseded { .. }
            | Self::Stuck { .. } => None,
        }
    }
}
