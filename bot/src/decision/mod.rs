//! Whether a command may run: every answer has a [`ReasonCode`].
//!
//! [`decide`] is pure and total; so is everything here except `gather`, which asks GitHub and the
//! store for the facts a policy calls for, and [`recheck`], which asks and decides once more before
//! something is done.

pub mod access;
pub mod approving;
mod binding;
mod checks;
mod decide;
mod denied;
mod facts;
pub mod freeze;
pub mod gather;
pub mod job;
pub mod lock;
mod order;
pub mod policy;
mod pull;
mod reason;
pub mod recheck;
mod running;
mod words;

pub use binding::{Bound, Origin};
pub use decide::{Allowed, Question, Wanted, decide, weigh};
pub use denied::Denied;
pub use facts::{
    Ancestry, Approval, Check, CheckState, CommitFacts, Facts, Learned, Pull, PullState, RequiredCheck, ReviewState,
    Rights, SeenDeployment, Situation,
};
pub use job::{JobFacts, Verdict};
pub use reason::ReasonCode;
pub use recheck::{is_old, still_allowed};
pub use running::busy;

#[cfg(test)]
mod tests;
