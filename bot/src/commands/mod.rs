//! Commands in comments: one usage table for parser, help and permissions; a parser without I/O; one
//! file per verb that carries it out.
//!
//! Reading order: `command`, `usage`, `parse`; then `run`, which takes a comment from the inbox, and
//! the verbs, each given an `ask::Ask` and giving an `ask::Answer`.

mod ask;
mod cancel;
pub mod command;
mod deploy;
pub mod desk;
mod gates;
mod hand_in;
mod help;
mod history;
mod lines;
mod lock;
pub mod parse;
mod plan;
mod rollback;
pub mod run;
mod status;
mod steer;
mod text;
mod unlock;
pub mod usage;
mod written;

pub use command::{AfterRollback, Command, NotACommand, NotACommandCode, Parsed};
pub use parse::commands;
pub use usage::{Argument, Place, Right, USAGES, Usage, Verb};
