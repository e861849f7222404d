//! From an HTTP request to a stored delivery: signature over the raw bytes, size, the few fields we
//! need, nothing else. Interpretation happens in [`crate::inbox`].

pub mod event;

pub use event::{Delivery, Event, NewComment, PullChanged, RunEnded};
