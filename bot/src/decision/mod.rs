//! Whether a command may run: facts are gathered elsewhere, the decision is pure and total, every
//! answer has a [`ReasonCode`].

mod denied;
mod facts;
mod reason;

pub use denied::Denied;
pub use facts::{
    Approval, Check, CheckState, CommitFacts, Learned, Pull, PullState, RequiredCheck, ReviewState, Rights,
    SeenDeployment, Situation,
};
pub use reason::ReasonCode;
