//! How long things take, and how much minutes are compressed.

use serde::{Deserialize, Serialize};

/// How long things take where no rule says it, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Multiplies every duration, those of rules included; 0 is "instant":
    /// whatever was asked is done when the next request arrives.
    pub scale: f64,
    /// A service deployment or operation in PENDING.
    pub pending_ms: u64,
    /// A task from PENDING to RUNNING (or to its failure before that).
    pub start_ms: u64,
    /// From RUNNING to healthy, or to the failure.
    pub settle_ms: u64,
    /// Deregistration delay of replaced tasks.
    pub drain_ms: u64,
    /// `STOP_REQUESTED` and `ROLLBACK_REQUESTED`.
    pub stop_ms: u64,
    /// `ROLLBACK_IN_PROGRESS`.
    pub rollback_ms: u64,
    /// From one failed task to the next.
    pub every_ms: u64,
    /// An App Runner operation in `IN_PROGRESS`.
    pub operation_ms: u64,
    /// From `StopTask` to the end of a one-off task's containers.
    pub end_ms: u64,
    /// How long ECS knows a one-off task that has stopped; never scaled.
    pub known_ms: u64,
    /// A lifecycle stage of an ECS deployment in which nothing is waited for.
    pub stage_ms: u64,
    /// One minute of bake and step times, and of hooks' time-outs.
    pub minute_ms: u64,
    /// One minute of hooks' time-outs where they should not be compressed as much; never scaled.
    pub hook_minute_ms: Option<u64>,
    /// From a push to the automatic deployment that App Runner begins for it.
    pub automatic_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            scale: 1.0,
            pending_ms: 20,
            start_ms: 50,
            settle_ms: 100,
            drain_ms: 50,
            stop_ms: 30,
            rollback_ms: 150,
            every_ms: 60,
            operation_ms: 250,
            end_ms: 60,
            known_ms: 3_600_000,
            stage_ms: 10,
            minute_ms: 60,
            hook_minute_ms: None,
            automatic_ms: 1_200,
        }
    }
}

impl Timing {
    /// Everything is done when the next request arrives.
    #[must_use]
    pub fn instant() -> Self {
        Self { scale: 0.0, ..Self::default() }
    }

    /// So many minutes of a bake, after compression.
    pub(crate) fn minutes(&self, minutes: u64) -> u64 {
        self.scaled(minutes.saturating_mul(self.minute_ms))
    }

    /// So many minutes of a hook's time-out. A time-out that is instant would leave no hook to
    /// anybody: it is not scaled.
    pub(crate) fn hook_minutes(&self, minutes: u64) -> u64 {
        minutes.saturating_mul(self.hook_minute_ms.unwrap_or(self.minute_ms))
    }

    /// A duration after scaling.
    pub(crate) fn scaled(&self, milliseconds: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "test durations are small and the scale is not negative"
        )]
        let scaled = (milliseconds as f64 * self.scale.max(0.0)) as u64;
        scaled
    }
}
