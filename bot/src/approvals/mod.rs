//! A person's answer to a gate, whichever way it came in: comment, button or the bot's own interface.
//!
//! One way through for all of them: the policy of the default branch and the person's rights are read
//! now, [`crate::decision::approving`] says whether it may be, the store says what becomes of it.
//! Not here: what follows from it; that is done by whoever waits for the gate.

mod answer;
mod button;
mod job;
mod lasting;
mod rule;
mod step;

pub use answer::{Answered, Word, answer, rights};
pub use button::{buttons, pressed};
pub use job::start;
pub use lasting::without_right;
pub use rule::asked;
pub use step::{about, facts};
