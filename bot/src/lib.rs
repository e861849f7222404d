//! `shipline-bot`: deploys, rollbacks and locks from pull-request comments, never lost.
//!
//! The map, in the order a comment takes: [`webhook`] verifies and understands a delivery, [`store`]
//! keeps it, `inbox` hands it to its handler, [`commands`] parses, [`decision`] decides, `rollouts`
//! carries out with the same engine as the action, [`github`] is told.
#![warn(missing_docs)]

pub mod commands;
pub mod decision;
pub mod github;
pub mod store;
pub mod types;
pub mod webhook;
