//! The rollout, as pure data and total functions.
//!
//! What it is: a [`Plan`] says what a deployment will do; a [`Phase`] says where it stands and, by
//! itself, what must happen next ([`Phase::effects`]); an [`Event`] moves it on ([`Phase::apply`]).
//! What it is not: no clock, no network, no SDK, no async. Crash recovery is "load the phase, run
//! its effects": there is no second path.

pub mod analysis;
mod cause;
mod event;
mod freeze;
mod gate;
mod gating;
mod hook;
mod hooking;
mod order;
mod outcome;
mod phase;
mod plan;
mod record;
mod returning;
mod revision;
mod service;
mod settling;
mod transition;

pub use cause::{Cause, CauseCode, Exit, Link, LogLines};
pub use event::{Event, Touched};
pub use freeze::{Frozen, frozen};
pub use gate::{Asks, Awaited, Decision, Gate, Judged, Passed, Pause, Rest, Waits};
pub use hook::{Hook, HookRole, HookState, Hooks, Task};
pub use order::{Brought, held_since};
pub use outcome::{Outcome, Reason};
pub use phase::{Effect, Phase, Services};
pub use plan::{Change, FieldChange, Plan, PlanHash, PlanRefused, Release, ServicePlan};
pub use record::{Entry, Record, SCHEMA_VERSION, UnreadableRecord};
pub use revision::{Direction, Revision, Shift, TargetKind, TargetPlace};
pub use service::ServiceState;
pub use transition::Unexpected;

#[cfg(test)]
mod tests;
