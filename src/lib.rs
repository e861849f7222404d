//! Shipline takes a commit to running containers and always knows what runs where.
//!
//! The map, from the inside out; a module only ever imports those above it:
//!
//! - [`types`], [`problem`], [`redact`]: names that cannot be wrong, the one user-facing error, secrets.
//! - [`rollout`], [`config`], [`report`]: pure. The plan and phase machine, the configuration, what people read.
//! - [`engine`]: drives a rollout through the traits `Target`, `Journal`, `Reporter`.
//! - [`aws`], [`process`]: sessions and programs.
//! - [`targets`], [`metrics`], [`image`], [`github`], [`notify`]: adapters; they never import each other.
//! - [`action`], [`cli`]: the two ways in.
//!
//! Start reading at [`rollout::Phase`], then [`engine::drive`].
#![warn(missing_docs)]

pub mod action;
pub mod aws;
pub mod cli;
pub mod config;
pub mod engine;
pub mod github;
pub mod image;
pub mod metrics;
pub mod notify;
pub mod problem;
pub mod process;
pub mod redact;
pub mod report;
pub mod rollout;
pub mod targets;
pub mod types;
