//! What the bot must not forget: deliveries, learnt heads, deployments with their journals, leases,
//! locks, gates with their approvals, the audit chain.
//!
//! One [`Store`] over SQLite (embedded default) or PostgreSQL (several replicas); the same contract
//! suite runs on both. Invariants: a delivery is durable when [`Store::accept`] returns; whatever
//! changes a deployment is guarded by its lease's fence; every method is one transaction; time is an
//! argument.
//!
//! Reading order: `inbox`, `queue`, `lease`, `ledger`, `gates`, then `locks`, `places`, `journal`, `audit` with
//! [`chain`]; `database` and `open` are what they stand on.

mod audit;
mod batch;
pub mod chain;
mod claims;
mod database;
mod deployment;
mod gate;
mod gates;
mod gates_found;
mod heads;
mod inbox;
mod jobs;
mod journal;
mod lease;
mod ledger;
mod locks;
mod open;
mod places;
mod queue;
mod recovered;
mod rows;
mod shapes;
mod steer;
#[cfg(test)]
mod tests;

pub use claims::Renewed;
pub use deployment::{
    Asked, Closed, Deployment, DeploymentKind, Enqueued, Good, NewDeployment, QueueRule, Stage, State,
};
pub use gate::{
    Approval, Decided, Decision, Gate, GateKind, GateName, GateState, NewApproval, NewGate, Via, Voice, WaitingGate,
};
pub use gates_found::GatesOf;
pub use lease::EnvironmentLease;
pub use shapes::{
    Accepted, AuditEntry, Backlog, Claimed, DeliveryEnd, Head, Lock, LockAnswer, NewAudit, StoreFailed, Taken,
};
pub use steer::{Steer, Steering};

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    database: database::Database,
}
