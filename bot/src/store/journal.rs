//! The journals of rollouts: only the lease holder writes, and only the next entry.

use shipline::rollout::Entry;
use sqlx::Row;

use super::database::{column, json, number, read};
use super::{EnvironmentLease, Store, StoreFailed};
use crate::types::DeploymentId;

impl Store {
    /// Adds an entry to a rollout's journal, if the lease still holds at the entry's time and the
    /// number is the next one.
    pub async fn append_entry(&self, lease: &EnvironmentLease, entry: &Entry) -> Result<(), StoreFailed> {
        let deployment = column(lease.deployment().get())?;
        let mut tx = self.begin().await?;
        self.guard(&mut tx, lease, entry.at).await?;
        let row = sqlx::query("SELECT COALESCE(max(sequence) + 1, 0) AS next FROM entries WHERE deployment = $1")
            .bind(deployment)
            .fetch_one(&mut *tx)
            .await?;
        let next = number(row.try_get("next")?)?;
        if entry.sequence != next {
            let (id, sequence) = (lease.deployment(), entry.sequence);
            return Err(StoreFailed::Database(format!(
                "entry {sequence} of deployment {id} was written where {next} is next"
            )));
        }
        sqlx::query("INSERT INTO entries (deployment, sequence, entry) VALUES ($1, $2, $3)")
            .bind(deployment)
            .bind(column(entry.sequence)?)
            .bind(json("journal entry", entry)?)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The whole journal of a deployment, oldest first.
    pub async fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreFailed> {
        let query = sqlx::query("SELECT entry FROM entries WHERE deployment = $1 ORDER BY sequence");
        let rows = query.bind(column(id.get())?).fetch_all(self.reader()).await?;
        rows.iter().map(|row| read("journal entry", row.try_get("entry")?)).collect()
    }

    /// The last entry.
    pub async fn last_entry(&self, id: DeploymentId) -> Result<Option<Entry>, StoreFailed> {
        let query = sqlx::query("SELECT entry FROM entries WHERE deployment = $1 ORDER BY sequence DESC LIMIT 1");
        let row = query.bind(column(id.get())?).fetch_optional(self.reader()).await?;
        row.map(|row| read("journal entry", row.try_get("entry")?)).transpose()
    }
}
