//! `shipline-bot`: deploys, rollbacks and locks from pull-request comments, never lost.
//!
//! The map, in the order a comment takes: [`webhook`] verifies and understands a delivery, [`store`]
//! keeps it, [`inbox`] hands it to its handler, [`commands`] parses, [`decision`] decides, `rollouts`
//! carries out with the same engine as the action, [`messages`] finds the words, [`github`] is told.
#![warn(missing_docs)]

pub mod allow;
pub mod api;
pub mod approvals;
pub mod audit;
pub mod commands;
pub mod context;
pub mod decision;
pub mod doctor;
#[cfg(test)]
mod documents;
pub mod github;
pub mod handlers;
pub mod inbox;
pub mod messages;
pub mod metrics;
pub mod policy;
pub mod recovery;
pub mod requirements;
pub mod rollouts;
pub mod routes;
pub mod serve;
pub mod settings;
pub mod setup;
pub mod store;
pub mod telemetry;
pub mod types;
pub mod verbs;
pub mod webhook;
pub mod wiring;
