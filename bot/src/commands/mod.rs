//! Commands in comments: one usage table for parser, help and permissions; a parser without I/O; one
//! file per verb that carries it out.

pub mod command;
pub mod desk;
mod lines;
pub mod parse;
pub mod run;
mod text;
pub mod usage;
mod written;

pub use command::{AfterRollback, Command, NotACommand, NotACommandCode, Parsed};
pub use parse::commands;
pub use usage::{Argument, Place, Right, USAGES, Usage, Verb};
