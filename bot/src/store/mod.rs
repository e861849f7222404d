//! What the bot must not forget: deliveries, learnt heads, deployments with their journals, leases,
//! locks, the audit chain.
//!
//! One [`Store`] over SQLite (embedded default) or PostgreSQL (several replicas); the same contract
//! suite runs on both. Invariants: a delivery is durable when [`Store::accept`] returns; whatever
//! changes a deployment is guarded by its lease's fence; every method is one transaction; time is an
//! argument.

mod deployment;
mod lease;
mod shapes;

pub use deployment::{
    Asked, Closed, Deployment, DeploymentKind, Enqueued, Good, NewDeployment, QueueRule, Stage, State,
};
pub use lease::EnvironmentLease;
pub use shapes::{
    Accepted, AuditEntry, Backlog, Claimed, DeliveryEnd, Head, Lock, LockAnswer, NewAudit, StoreFailed, Taken,
};

use shipline::rollout::Entry;
use shipline::types::Timestamp;

use crate::types::{Actor, DeploymentId, EnvironmentKey, IssueNumber, RepositoryId, RunId, WorkerId};
use crate::webhook::Delivery;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {}

#[expect(unused_variables, clippy::unused_async, clippy::unimplemented, reason = "the shape; filled in next")]
impl Store {
    /// Opens `sqlite://<file>` (created when missing) or `postgres://…` and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self, StoreFailed> {
        unimplemented!()
    }

    /// Whether it answers; for `/readyz`.
    pub async fn ping(&self) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    // Inbox

    /// Stores deliveries, all in one transaction, and the heads they teach. Returns, in the same
    /// order, which were new: neither the id nor the semantic key was known.
    pub async fn accept(&self, deliveries: &[Delivery], now: Timestamp) -> Result<Vec<Accepted>, StoreFailed> {
        unimplemented!()
    }

    /// Takes at most `most` deliveries to work on until `until`: oldest first, due ones, at most one of
    /// a lane, none of a lane that somebody is working on. A claim that has run out is free again.
    pub async fn claim_deliveries(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreFailed> {
        unimplemented!()
    }

    /// Says how work on a claimed delivery ended. Nothing happens if the claim was lost.
    pub async fn finish_delivery(
        &self,
        claimed: &Claimed,
        end: &DeliveryEnd,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// How much waits.
    pub async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreFailed> {
        unimplemented!()
    }

    /// Which of these delivery ids are stored; for recovery.
    pub async fn known_deliveries(&self, ids: &[String]) -> Result<Vec<String>, StoreFailed> {
        unimplemented!()
    }

    /// Deletes deliveries that are done and older than that (parked ones stay). Returns how many.
    pub async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, StoreFailed> {
        unimplemented!()
    }

    /// The newest head of a pull request learnt from a delivery that was stored before `sequence`.
    pub async fn head_before(
        &self,
        repository: RepositoryId,
        pull: IssueNumber,
        sequence: u64,
    ) -> Result<Option<Head>, StoreFailed> {
        unimplemented!()
    }

    // Locks

    /// Locks an environment, unless somebody else holds it. Whoever holds it may change reason and end.
    pub async fn lock(&self, lock: &Lock, now: Timestamp) -> Result<LockAnswer, StoreFailed> {
        unimplemented!()
    }

    /// Removes the lock, whoever holds it; returns it.
    pub async fn unlock(&self, key: &EnvironmentKey, now: Timestamp) -> Result<Option<Lock>, StoreFailed> {
        unimplemented!()
    }

    /// The lock that holds now.
    pub async fn lock_of(&self, key: &EnvironmentKey, now: Timestamp) -> Result<Option<Lock>, StoreFailed> {
        unimplemented!()
    }

    // Deployments

    /// Adds a deployment, or finds that it is known, on its way already, or must be refused. Two
    /// callers in the same moment get different answers.
    pub async fn enqueue(&self, new: &NewDeployment, rule: QueueRule, now: Timestamp) -> Result<Enqueued, StoreFailed> {
        unimplemented!()
    }

    /// Takes the oldest open deployment of an environment that nobody works on, if it is due: with a
    /// lease until `until` and a fence higher than any before.
    pub async fn claim_deployment(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(Deployment, EnvironmentLease)>, StoreFailed> {
        unimplemented!()
    }

    /// Keeps a lease until `until`. [`StoreFailed::LeaseLost`] when it has run out or another has it.
    pub async fn renew(&self, lease: &EnvironmentLease, now: Timestamp, until: Timestamp) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// Writes the state of a deployment, if the lease still holds.
    pub async fn save(&self, lease: &EnvironmentLease, state: &State, now: Timestamp) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// Writes the state and gives the lease back; the deployment is due again at `wake`.
    pub async fn release(
        &self,
        lease: &EnvironmentLease,
        state: &State,
        wake: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// Ends a deployment: state, outcome, what serves since, an optional lock and the audit entry in
    /// one transaction; gives the lease back.
    pub async fn close(
        &self,
        lease: &EnvironmentLease,
        state: &State,
        closed: &Closed,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// Notes that a deployment shall be cancelled and makes it due. False when it is over.
    pub async fn request_cancel(&self, id: DeploymentId, by: &Actor, now: Timestamp) -> Result<bool, StoreFailed> {
        unimplemented!()
    }

    /// Makes the deployments that wait for this workflow run due.
    pub async fn wake_run(&self, run: RunId, now: Timestamp) -> Result<u64, StoreFailed> {
        unimplemented!()
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>, StoreFailed> {
        unimplemented!()
    }

    /// The open deployments of an environment, oldest first: the first runs or runs next.
    pub async fn open_deployments(&self, key: &EnvironmentKey) -> Result<Vec<Deployment>, StoreFailed> {
        unimplemented!()
    }

    /// The newest deployments of an environment, open or over.
    pub async fn history(&self, key: &EnvironmentKey, most: u32) -> Result<Vec<Deployment>, StoreFailed> {
        unimplemented!()
    }

    /// Releases that were good on an environment, newest first: the bot's own ledger.
    pub async fn good(&self, key: &EnvironmentKey, most: u32) -> Result<Vec<Good>, StoreFailed> {
        unimplemented!()
    }

    /// Every environment of a repository that a deployment or a lock is known of.
    pub async fn environments(&self, repository: RepositoryId) -> Result<Vec<EnvironmentKey>, StoreFailed> {
        unimplemented!()
    }

    /// Claims places that services run in (`ecs/us-east-1/<account>/<cluster>/<service>`) for a
    /// repository. Returns those that belong to another one; then nothing was claimed.
    pub async fn claim_places(
        &self,
        repository: RepositoryId,
        places: &[String],
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreFailed> {
        unimplemented!()
    }

    // Journal

    /// Adds an entry to a rollout's journal, if the lease still holds and the number is the next one.
    pub async fn append_entry(&self, lease: &EnvironmentLease, entry: &Entry) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// The whole journal of a deployment, oldest first.
    pub async fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreFailed> {
        unimplemented!()
    }

    /// The last entry.
    pub async fn last_entry(&self, id: DeploymentId) -> Result<Option<Entry>, StoreFailed> {
        unimplemented!()
    }

    // Audit

    /// Adds an audit entry to the chain. One with a key that is known already is not added again.
    pub async fn audit(&self, entry: &NewAudit, now: Timestamp) -> Result<(), StoreFailed> {
        unimplemented!()
    }

    /// Audit entries after that number, oldest first.
    pub async fn audit_after(&self, sequence: u64, most: u32) -> Result<Vec<AuditEntry>, StoreFailed> {
        unimplemented!()
    }
}
