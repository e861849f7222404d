//! From an HTTP request to a stored delivery: signature over the raw bytes, size, the few fields we
//! need, nothing else. Interpretation happens in [`crate::inbox`].

pub mod body;
pub mod event;
pub mod group_commit;
pub mod payload;
pub mod receive;
pub mod signature;

pub use event::{ButtonPressed, Delivery, Event, NewComment, PullChanged, RuleAsked, RunEnded};
