//! Where services run: one module a platform, each an implementation of [`crate::engine::Target`].
//!
//! Beside them what several platforms keep in the same place: log lines in CloudWatch Logs, and
//! secrets in Secrets Manager and Parameter Store.

pub mod app_runner;
pub mod compose;
pub mod ecs;
mod log_events;
mod secrets;
