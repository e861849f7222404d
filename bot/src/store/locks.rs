//! People's locks. At most one an environment; one that has run out is as good as none.

use shipline::types::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::database::{Guarded, Tx, column, json, millis, read};
use super::{EnvironmentLease, Lock, LockAnswer, Store, StoreFailed};
use crate::types::EnvironmentKey;

impl Store {
    /// Locks an environment, unless somebody else holds it. Whoever holds it may change reason and end.
    pub async fn lock(&self, lock: &Lock, now: Timestamp) -> Result<LockAnswer, StoreFailed> {
        let mut tx = self.begin_alone(Guarded::Environment(&lock.key)).await?;
        let answer = keep_or_lock(&mut tx, lock, now).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// The same for whoever works on a deployment of the environment, while the lease holds.
    pub async fn lock_under(
        &self,
        lease: &EnvironmentLease,
        lock: &Lock,
        now: Timestamp,
    ) -> Result<LockAnswer, StoreFailed> {
        let mut tx = self.begin_alone(Guarded::Environment(&lock.key)).await?;
        self.guard(&mut tx, lease, now).await?;
        let answer = keep_or_lock(&mut tx, lock, now).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Removes the lock, whoever holds it; returns it.
    pub async fn unlock(&self, key: &EnvironmentKey, now: Timestamp) -> Result<Option<Lock>, StoreFailed> {
        let mut tx = self.begin_alone(Guarded::Environment(key)).await?;
        let held = held(&mut tx, key, now).await?;
        sqlx::query("DELETE FROM locks WHERE repository = $1 AND environment = $2")
            .bind(column(key.repository.get())?)
            .bind(key.environment.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(held)
    }

    /// The lock that holds now.
    pub async fn lock_of(&self, key: &EnvironmentKey, now: Timestamp) -> Result<Option<Lock>, StoreFailed> {
        let query = sqlx::query(HELD).bind(column(key.repository.get())?).bind(key.environment.as_str());
        query.bind(millis(now)).fetch_optional(self.reader()).await?.as_ref().map(lock).transpose()
    }
}

const HELD: &str = "SELECT lock FROM locks
    WHERE repository = $1 AND environment = $2 AND (until IS NULL OR until > $3)";

fn lock(row: &AnyRow) -> Result<Lock, StoreFailed> {
    read("lock", row.try_get("lock")?)
}

async fn held(tx: &mut Tx, key: &EnvironmentKey, now: Timestamp) -> Result<Option<Lock>, StoreFailed> {
    let query = sqlx::query(HELD).bind(column(key.repository.get())?).bind(key.environment.as_str());
    query.bind(millis(now)).fetch_optional(&mut **tx).await?.as_ref().map(lock).transpose()
}

/// Writes the lock, unless somebody else's holds. The environment's queue is this transaction's own.
async fn keep_or_lock(tx: &mut Tx, lock: &Lock, now: Timestamp) -> Result<LockAnswer, StoreFailed> {
    let mut lock = lock.clone();
    let answer = match held(tx, &lock.key, now).await? {
        Some(other) if other.holder.id != lock.holder.id => return Ok(LockAnswer::HeldBy(other)),
        Some(own) => {
            lock.since = own.since;
            LockAnswer::Renewed
        }
        None => LockAnswer::Locked,
    };
    sqlx::query(
        "INSERT INTO locks (repository, environment, holder, until, lock) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository, environment) DO UPDATE SET
            holder = excluded.holder, until = excluded.until, lock = excluded.lock",
    )
    .bind(column(lock.key.repository.get())?)
    .bind(lock.key.environment.as_str())
    .bind(column(lock.holder.id.get())?)
    .bind(lock.until.map(millis))
    .bind(json("lock", &lock)?)
    .execute(&mut **tx)
    .await?;
    Ok(answer)
}
