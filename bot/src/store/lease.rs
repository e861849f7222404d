//! The fenced, expiring right to change one environment. Only the store makes one.
//!
//! One row an environment that is never deleted, so its fence only grows. Every write under a lease
//! looks at that row in its own transaction: same deployment, worker and fence, not run out.

use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{Guarded, Tx, column, json, millis, number};
use super::rows::{columns, deployment};
use super::{Deployment, Stage, State, Store, StoreFailed};
use crate::types::{DeploymentId, EnvironmentKey, WorkerId};

/// How many environments one claim tries before it leaves them to those who were quicker.
const TRIES: i64 = 8;

/// The right of one deployment, in the hands of one worker, to change one environment. Everything
/// that changes something takes it; the store checks its fence at every write.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvironmentLease {
    pub(super) key: EnvironmentKey,
    pub(super) deployment: DeploymentId,
    pub(super) worker: WorkerId,
    pub(super) fence: u64,
}

impl EnvironmentLease {
    /// What may be changed.
    pub fn key(&self) -> &EnvironmentKey {
        &self.key
    }

    /// For which deployment.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// Higher than that of every earlier lease of this environment.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    fn lost(&self) -> StoreFailed {
        StoreFailed::LeaseLost(self.key.clone())
    }
}

impl Store {
    /// Takes the oldest open deployment of an environment that nobody works on, if it is due: with a
    /// lease until `until` and a fence higher than any before. Of several environments the one goes
    /// first whose deployment has been due for longest.
    pub async fn claim_deployment(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(Deployment, EnvironmentLease)>, StoreFailed> {
        let free = sqlx::query(
            "SELECT id FROM deployments LEFT JOIN leases
                ON leases.repository = deployments.repository AND leases.environment = deployments.environment
             WHERE turn = 1 AND due <= $1 AND (leases.expires IS NULL OR leases.expires <= $1)
             ORDER BY due, id LIMIT $2",
        )
        .bind(millis(now))
        .bind(TRIES)
        .fetch_all(self.reader())
        .await?;
        let mut damaged = None;
        for row in free {
            match self.claim(row.try_get("id")?, worker, now, until).await {
                Ok(None) => {}
                // One that cannot be read must not hold up the other environments.
                Err(why @ StoreFailed::Unreadable { .. }) => damaged = Some(why),
                done => return done,
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    async fn claim(
        &self,
        id: i64,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(Deployment, EnvironmentLease)>, StoreFailed> {
        let Some(candidate) = self.row(id).await? else { return Ok(None) };
        let key = deployment(&candidate)?.asked.key;
        let mut tx = self.begin_alone(Guarded::Environment(&key)).await?;
        let lease = sqlx::query(
            "INSERT INTO leases (repository, environment, fence, deployment, worker, expires)
             SELECT repository, environment, 1, id, $2, $3 FROM deployments WHERE id = $1 AND turn = 1 AND due <= $4
             ON CONFLICT (repository, environment) DO UPDATE SET fence = leases.fence + 1,
                deployment = excluded.deployment, worker = excluded.worker, expires = excluded.expires
                WHERE leases.expires <= $4
             RETURNING fence",
        )
        .bind(id)
        .bind(worker.as_str())
        .bind(millis(until))
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(lease) = lease else { return Ok(None) };
        let fence = number(lease.try_get("fence")?)?;
        let taken = sqlx::query(concat!("UPDATE deployments SET woken = 0 WHERE id = $1 RETURNING ", columns!()))
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        let deployment = deployment(&taken)?;
        tx.commit().await?;
        let lease = EnvironmentLease { key, deployment: deployment.id, worker: worker.clone(), fence };
        Ok(Some((deployment, lease)))
    }

    /// Keeps a lease until `until`. [`StoreFailed::LeaseLost`] when it has run out or another has it.
    pub async fn renew(&self, lease: &EnvironmentLease, now: Timestamp, until: Timestamp) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        self.guard(&mut tx, lease, now).await?;
        expire(&mut tx, lease, millis(until)).await?;
        Ok(tx.commit().await?)
    }

    /// Writes the state of a deployment, if the lease still holds.
    pub async fn save(&self, lease: &EnvironmentLease, state: &State, now: Timestamp) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        self.guard(&mut tx, lease, now).await?;
        write(&mut tx, lease, state).await?;
        Ok(tx.commit().await?)
    }

    /// Writes the state and gives the lease back; the deployment is due again at `wake`, or at once
    /// when it was woken while it was worked on.
    pub async fn release(
        &self,
        lease: &EnvironmentLease,
        state: &State,
        wake: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        self.guard(&mut tx, lease, now).await?;
        write(&mut tx, lease, state).await?;
        sqlx::query("UPDATE deployments SET due = CASE WHEN woken = 1 THEN $2 ELSE $3 END WHERE id = $1")
            .bind(column(lease.deployment.get())?)
            .bind(millis(now))
            .bind(millis(wake))
            .execute(&mut *tx)
            .await?;
        expire(&mut tx, lease, FREE).await?;
        Ok(tx.commit().await?)
    }

    /// Fails unless the lease holds. It cannot be taken by another before the transaction has ended.
    pub(super) async fn guard(&self, tx: &mut Tx, lease: &EnvironmentLease, now: Timestamp) -> Result<(), StoreFailed> {
        let statement = self.kind().sql(
            "SELECT fence FROM leases WHERE repository = $1 AND environment = $2 AND fence = $3
                AND deployment = $4 AND worker = $5 AND expires > $6",
            "SELECT fence FROM leases WHERE repository = $1 AND environment = $2 AND fence = $3
                AND deployment = $4 AND worker = $5 AND expires > $6 FOR UPDATE",
        );
        let held = sqlx::query(statement)
            .bind(column(lease.key.repository.get())?)
            .bind(lease.key.environment.as_str())
            .bind(column(lease.fence)?)
            .bind(column(lease.deployment.get())?)
            .bind(lease.worker.as_str())
            .bind(millis(now))
            .fetch_optional(&mut **tx)
            .await?;
        held.map(|_| ()).ok_or_else(|| lease.lost())
    }
}

/// The expiry of a lease that nobody holds.
pub(super) const FREE: i64 = i64::MIN;

/// Sets when a lease that was looked at in this transaction ends.
pub(super) async fn expire(tx: &mut Tx, lease: &EnvironmentLease, at: i64) -> Result<(), StoreFailed> {
    sqlx::query("UPDATE leases SET expires = $3 WHERE repository = $1 AND environment = $2")
        .bind(column(lease.key.repository.get())?)
        .bind(lease.key.environment.as_str())
        .bind(at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes the state of a deployment whose lease was looked at in this transaction.
pub(super) async fn write(tx: &mut Tx, lease: &EnvironmentLease, state: &State) -> Result<(), StoreFailed> {
    let run = match &state.stage {
        Stage::Building { run: Some(run), .. } => Some(column(run.get())?),
        _ => None,
    };
    let written = sqlx::query("UPDATE deployments SET state = $2, run = $3 WHERE id = $1 AND ended IS NULL")
        .bind(column(lease.deployment.get())?)
        .bind(json("deployment", state)?)
        .bind(run)
        .execute(&mut **tx)
        .await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(lease.lost()) }
}
