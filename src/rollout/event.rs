//! What can happen to a rollout.

use serde::{Deserialize, Serialize};

use super::{Cause, Decision, Judged, LogLines, Pause, Shift, Task};
use crate::types::{ServiceName, Timestamp};

/// Whether a failed request may have changed the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touched {
    /// Certainly not: the provider refused it.
    No,
    /// It may have: the answer was lost, or a part was done.
    Perhaps,
}

/// What can happen. Late and repeated events are answered with `Unexpected`, never with harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A target accepted the change.
    Applied {
        /// Which service.
        service: ServiceName,
        /// The change.
        shift: Shift,
    },
    /// A target did not accept the change.
    ApplyFailed {
        /// Which service.
        service: ServiceName,
        /// Why.
        cause: Box<Cause>,
        /// Whether something may have changed all the same.
        touched: Touched,
    },
    /// What was asked for serves: the new revision, or the previous one on the way back.
    Served {
        /// Which service.
        service: ServiceName,
    },
    /// A change failed on its way.
    Broke {
        /// Which service.
        service: ServiceName,
        /// Why.
        cause: Box<Cause>,
    },
    /// The platform stopped before a step of traffic.
    Paused {
        /// Which service.
        service: ServiceName,
        /// The stop.
        pause: Pause,
    },
    /// The platform goes on after a stop.
    Continued {
        /// Which service.
        service: ServiceName,
        /// When.
        at: Timestamp,
    },
    /// The platform could not be told to go on.
    NotContinued {
        /// Which service.
        service: ServiceName,
        /// Why.
        cause: Box<Cause>,
    },
    /// All traffic is on the new revision; the old one stays for a while.
    Baking {
        /// Which service.
        service: ServiceName,
    },
    /// The bake of a gate is over, or what was measured in it is enough.
    Judged {
        /// Which step of the wave.
        step: u32,
        /// When.
        at: Timestamp,
        /// What it has shown.
        judged: Judged,
    },
    /// A gate was decided.
    Decided {
        /// Which step of the wave.
        step: u32,
        /// When.
        at: Timestamp,
        /// What was decided.
        decision: Decision,
    },
    /// What is measured broke a limit while nothing was being decided.
    AnalysisFailed {
        /// What, against which limit.
        cause: Box<Cause>,
    },
    /// Somebody else's deployment took the service over.
    Superseded {
        /// Which service.
        service: ServiceName,
        /// The other deployment.
        by: String,
    },
    /// What a change waited behind has ended: it has to be asked for again.
    AskAgain {
        /// Which service.
        service: ServiceName,
    },
    /// The way back has begun.
    Reverted {
        /// Which service.
        service: ServiceName,
        /// The way back.
        shift: Shift,
    },
    /// The way back could not begin.
    RevertFailed {
        /// Which service.
        service: ServiceName,
        /// Why.
        cause: Box<Cause>,
    },
    /// A check passed.
    CheckPassed {
        /// Which, from 0.
        check: usize,
    },
    /// A check failed.
    CheckFailed {
        /// Which, from 0.
        check: usize,
        /// Why.
        cause: Box<Cause>,
    },
    /// A hook's task, or that of its undo, was started.
    HookStarted {
        /// Which hook, from 0: those before the shift, then those after it.
        hook: usize,
        /// The task.
        task: Task,
    },
    /// It could not be started.
    HookNotStarted {
        /// Which hook.
        hook: usize,
        /// Why.
        cause: Box<Cause>,
        /// Whether a task may run all the same.
        touched: Touched,
    },
    /// A hook's task ended well.
    HookEnded {
        /// Which hook.
        hook: usize,
        /// Its last lines.
        log: Option<LogLines>,
    },
    /// A hook's task failed; it does not run any more.
    HookFailed {
        /// Which hook.
        hook: usize,
        /// Why.
        cause: Box<Cause>,
    },
    /// A hook's task takes too long, and still runs.
    HookOverdue {
        /// Which hook.
        hook: usize,
        /// What is known of it.
        cause: Box<Cause>,
    },
    /// A hook's task does not run any more, because it was to be stopped; or could not be stopped.
    HookStopped {
        /// Which hook.
        hook: usize,
    },
    /// An alarm fired.
    AlarmFired {
        /// Which, and what it says.
        cause: Box<Cause>,
    },
    /// A person or the workflow wants to stop.
    CancelRequested,
}

impl Event {
    /// The service it is about, if it is about one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Applied { service, .. }
            | Self::ApplyFailed { service, .. }
            | Self::Served { service }
            | Self::Broke { service, .. }
            | Self::Paused { service, .. }
            | Self::Continued { service, .. }
            | Self::NotContinued { service, .. }
            | Self::Baking { service }
            | Self::Superseded { service, .. }
            | Self::AskAgain { service }
            | Self::Reverted { service, .. }
            | Self::RevertFailed { service, .. } => Some(service),
            Self::Judged { .. }
            | Self::Decided { .. }
            | Self::AnalysisFailed { .. }
            | Self::CheckPassed { .. }
            | Self::CheckFailed { .. }
            | Self::HookStarted { .. }
            | Self::HookNotStarted { .. }
            | Self::HookEnded { .. }
            | Self::HookFailed { .. }
            | Self::HookOverdue { .. }
            | Self::HookStopped { .. }
            | Self::AlarmFired { .. }
            | Self::CancelRequested => None,
        }
    }
}
