//! GitHub: Deployments and their statuses, comparisons, the OIDC token.
//!
//! Not here: who decides what a failure of GitHub means. Everything returns a `Result`; telling
//! GitHub about a deployment must never fail the deployment, and the caller sees to that.
//!
//! Invariants: the token is only sent to the API address it was given for; nothing that changes
//! something is repeated unless GitHub said that it did not do it.

mod client;
mod compare;
mod deployments;
pub mod oidc;
mod pause;

pub use client::{Client, InvalidRepository, Repository};
pub use compare::{ComparedCommit, Comparison};
pub use deployments::{
    AutoInactive, Deployment, DeploymentId, DeploymentState, DeploymentStatus, Lifetime, NewDeployment, NewStatus,
    Stage,
};
