//! How deployments end, and what was good where: the ledger that rollbacks go by.

use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{Guarded, column, json, millis, number, read, time, unreadable};
use super::lease::{FREE, expire, write};
use super::queue::give_turn;
use super::rows::{columns, deployment};
use super::{Closed, DeploymentKind, EnvironmentLease, Good, Stage, State, Store, StoreFailed};
use crate::types::{DeploymentId, EnvironmentKey};

impl Store {
    /// Ends a deployment: state, outcome, what serves since and the audit entry in one transaction; gives
    /// the lease back.
    pub async fn close(
        &self,
        lease: &EnvironmentLease,
        state: &State,
        closed: &Closed,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        let id = column(lease.deployment().get())?;
        let state = State { stage: Stage::Over, ..state.clone() };
        let mut tx = self.begin_alone(Guarded::Environment(lease.key())).await?;
        self.guard(&mut tx, lease, now).await?;
        let voided = self.void_gates(&mut tx, lease.deployment(), now).await?;
        write(&mut tx, lease, &state).await?;
        let row = sqlx::query(concat!(
            "UPDATE deployments SET outcome = $2, details = $3, ended = $4, turn = 0 WHERE id = $1 RETURNING ",
            columns!()
        ))
        .bind(id)
        .bind(super::database::text(&closed.outcome))
        .bind(json("end of a deployment", &closed.details)?)
        .bind(millis(now))
        .fetch_one(&mut *tx)
        .await?;
        if let Some(serves) = &closed.serves {
            let asked = deployment(&row)?.asked;
            let commit = match (state.commit, &asked.kind) {
                (Some(commit), _) => Some(commit),
                (None, DeploymentKind::Deploy { sha }) => Some(*sha),
                (None, DeploymentKind::Rollback { .. }) => None,
            };
            sqlx::query(
                "INSERT INTO good (deployment, repository, environment, commit_sha, serves, actor, since)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(id)
            .bind(column(lease.key().repository.get())?)
            .bind(lease.key().environment.as_str())
            .bind(commit.map(|commit| commit.to_string()))
            .bind(json("release", serves)?)
            .bind(json("actor", &asked.actor)?)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        }
        give_turn(&mut tx, lease.key()).await?;
        expire(&mut tx, lease, FREE).await?;
        for entry in &voided {
            self.append_audit(&mut tx, entry, now).await?;
        }
        self.append_audit(&mut tx, &closed.audit, now).await?;
        Ok(tx.commit().await?)
    }

    /// Releases that were good on an environment, newest first: the bot's own ledger.
    pub async fn good(&self, key: &EnvironmentKey, most: u32) -> Result<Vec<Good>, StoreFailed> {
        let rows = sqlx::query(
            "SELECT deployment, commit_sha, serves, actor, since FROM good
             WHERE repository = $1 AND environment = $2 ORDER BY since DESC, deployment DESC LIMIT $3",
        )
        .bind(column(key.repository.get())?)
        .bind(key.environment.as_str())
        .bind(i64::from(most))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let commit = row.try_get::<Option<&str>, _>("commit_sha")?;
                Ok(Good {
                    id: DeploymentId::new(number(row.try_get("deployment")?)?),
                    commit: commit.map(str::parse).transpose().map_err(|why| unreadable("commit", why))?,
                    serves: read("release", row.try_get("serves")?)?,
                    actor: read("actor", row.try_get("actor")?)?,
                    since: time(row.try_get("since")?)?,
                })
            })
            .collect()
    }
}
