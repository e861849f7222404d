//! Commands in comments: one usage table for parser, help and permissions; a parser without I/O; one
//! file per verb that carries it out.

pub mod command;
pub mod desk;

pub use command::{AfterRollback, Command, NotACommand, NotACommandCode, Parsed};
