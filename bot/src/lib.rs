//! `shipline-bot`: deploys, rollbacks and locks from pull-request comments, never lost.
//!
//! The map, in the order a comment takes: [`webhook`] verifies and understands a delivery, [`store`]
//! keeps it, `inbox` hands it to its handler, [`commands`] parses, [`decision`] decides, `rollouts`
//! carries out with the same engine as the action, [`messages`] finds the words, [`github`] is told.
#![warn(missing_docs)]

pub mod allow;
pub mod commands;
pub mod context;
pub mod decision;
pub mod github;
pub mod handlers;
pub mod messages;
pub mod metrics;
pub mod policy;
pub mod rollouts;
pub mod store;
pub mod types;
pub mod webhook;
