//! GitHub: Deployments and their statuses, comparisons, the OIDC token.
//!
//! Not here: who decides what a failure of GitHub means. Everything returns a `Result`; telling
//! GitHub about a deployment must never fail the deployment, and the caller sees to that.
//!
//! Invariants: the token is only sent to the API address it was given for; nothing that changes
//! something is repeated unless GitHub said that it did not do it.

mod branches;
mod client;
mod compare;
mod connection;
mod content;
mod deployments;
pub mod oidc;
mod pause;
mod principal;
mod refused;
mod request;

pub use branches::Branches;
pub use client::{Client, InvalidRepository, Repository, encoded_path, query};
pub use compare::{ComparedCommit, Comparison};
pub use connection::{API_VERSION, Connection, PATIENCE, Pages};
pub use content::file_text;
pub use deployments::{
    AutoInactive, Deployment, DeploymentId, DeploymentState, DeploymentStatus, Lifetime, NewDeployment, NewStatus,
    Stage,
};
pub use pause::sleep_before;
pub use principal::{Principal, Refusal, Renewal, Seen, Token, Turn};
pub use refused::{limited, retry_after};
pub use request::{Answer, Effect, Method, Repeat, Request, read};
