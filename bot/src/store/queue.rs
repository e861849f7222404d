//! The queue of an environment: how deployments get in, wait, are overtaken, woken and cancelled.
//!
//! The oldest open deployment has the turn: only it is ever worked on, so none that waits behind it
//! has done anything yet. The queue of an environment is changed by one transaction at a time.

use serde_json::json as value;
use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{Guarded, Tx, column, json, millis, number};
use super::rows::{columns, deployment};
use super::{Asked, Deployment, DeploymentKind, Enqueued, NewDeployment, QueueRule, Stage, State, Store, StoreFailed};
use crate::types::{Actor, DeploymentId, EnvironmentKey, RunId};

/// Why one that waited will not run.
#[derive(Clone, Copy)]
enum Dropped {
    Replaced,
    Cancelled,
}

impl Dropped {
    fn word(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Store {
    /// Adds a deployment, or finds that it is known, on its way already, or must be refused. Two
    /// callers in the same moment get different answers.
    ///
    /// A waiting rollback is replaced by a newer rollback only, never by a deployment.
    pub async fn enqueue(&self, new: &NewDeployment, rule: QueueRule, now: Timestamp) -> Result<Enqueued, StoreFailed> {
        let asked = &new.asked;
        let release = release(asked);
        let mut tx = self.begin_alone(Guarded::Environment(&asked.key)).await?;
        if let Some(id) = known(&mut tx, asked).await? {
            return Ok(Enqueued::Known(id));
        }
        let open = self.open_in(&mut tx, &asked.key).await?;
        if let Some((same, _)) = open.iter().find(|(other, of)| *of == release && other.cancel.is_none()) {
            return Ok(Enqueued::Same(Box::new(same.clone())));
        }
        let mut open = open.into_iter().map(|(deployment, _)| deployment);
        let Some(mut running) = open.next() else {
            let id = insert(&mut tx, asked, &release, true, now).await?;
            tx.commit().await?;
            return Ok(id.map_or_else(Enqueued::Known, Enqueued::Next));
        };
        let mut replaced = Vec::new();
        match rule {
            QueueRule::Refuse => return Ok(Enqueued::Busy(Box::new(running))),
            QueueRule::One => {
                for waiting in open.filter(|waiting| gives_way(asked, waiting)) {
                    replaced.push(drop_waiting(&mut tx, waiting, Dropped::Replaced, None, now).await?);
                }
            }
            QueueRule::Overtake => {
                cancel(&mut tx, column(running.id.get())?, &asked.actor, now).await?;
                running.cancel.get_or_insert_with(|| asked.actor.clone());
                for waiting in open {
                    replaced.push(drop_waiting(&mut tx, waiting, Dropped::Cancelled, Some(&asked.actor), now).await?);
                }
            }
        }
        let id = insert(&mut tx, asked, &release, false, now).await?;
        match id {
            Ok(id) => {
                tx.commit().await?;
                Ok(Enqueued::Behind { id, running: Box::new(running), replaced })
            }
            Err(known) => Ok(Enqueued::Known(known)),
        }
    }

    async fn open_in(&self, tx: &mut Tx, key: &EnvironmentKey) -> Result<Vec<(Deployment, String)>, StoreFailed> {
        let statement = self.kind().sql(
            concat!(
                "SELECT release, ",
                columns!(),
                " FROM deployments WHERE repository = $1 AND environment = $2 AND ended IS NULL ORDER BY id"
            ),
            concat!(
                "SELECT release, ",
                columns!(),
                " FROM deployments WHERE repository = $1 AND environment = $2 AND ended IS NULL ORDER BY id FOR UPDATE"
            ),
        );
        let query = sqlx::query(statement).bind(column(key.repository.get())?).bind(key.environment.as_str());
        let rows = query.fetch_all(&mut **tx).await?;
        rows.iter().map(|row| Ok((deployment(row)?, row.try_get("release")?))).collect()
    }

    /// Notes that a deployment shall be cancelled and makes it due. False when it is over.
    pub async fn request_cancel(&self, id: DeploymentId, by: &Actor, now: Timestamp) -> Result<bool, StoreFailed> {
        let mut tx = self.begin().await?;
        let open = cancel(&mut tx, column(id.get())?, by, now).await?;
        tx.commit().await?;
        Ok(open)
    }

    /// Makes the deployments that wait for this workflow run due.
    pub async fn wake_run(&self, run: RunId, now: Timestamp) -> Result<u64, StoreFailed> {
        let mut tx = self.begin().await?;
        let statement = self.kind().sql(
            "SELECT id FROM deployments WHERE run = $1 AND ended IS NULL ORDER BY id",
            "SELECT id FROM deployments WHERE run = $1 AND ended IS NULL ORDER BY id FOR UPDATE",
        );
        let waiting = sqlx::query(statement).bind(column(run.get())?).fetch_all(&mut *tx).await?;
        for row in &waiting {
            wake(&mut tx, row.try_get("id")?, now).await?;
        }
        tx.commit().await?;
        Ok(waiting.len() as u64)
    }
}

/// Gives the turn to the oldest open deployment of an environment; what waited is due at once.
pub(super) async fn give_turn(tx: &mut Tx, key: &EnvironmentKey) -> Result<(), StoreFailed> {
    sqlx::query(
        "UPDATE deployments SET turn = 1 WHERE turn = 0 AND id =
            (SELECT min(id) FROM deployments WHERE repository = $1 AND environment = $2 AND ended IS NULL)",
    )
    .bind(column(key.repository.get())?)
    .bind(key.environment.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What makes two deployments the same: kind, target and services, whoever asked.
fn release(asked: &Asked) -> String {
    let mut services: Vec<&str> = asked.services.iter().map(shipline::types::ServiceName::as_str).collect();
    services.sort_unstable();
    services.dedup();
    match &asked.kind {
        DeploymentKind::Deploy { sha } => value!(["deploy", sha.to_string(), services]).to_string(),
        DeploymentKind::Rollback { to, .. } => value!(["rollback", to, services]).to_string(),
    }
}

fn gives_way(newer: &Asked, waiting: &Deployment) -> bool {
    let rollback = |asked: &Asked| matches!(asked.kind, DeploymentKind::Rollback { .. });
    matches!(waiting.state.stage, Stage::Waiting) && (rollback(newer) || !rollback(&waiting.asked))
}

async fn known(tx: &mut Tx, asked: &Asked) -> Result<Option<DeploymentId>, StoreFailed> {
    let known = sqlx::query("SELECT id FROM deployments WHERE comment = $1 AND command = $2")
        .bind(column(asked.comment.get())?)
        .bind(i64::from(asked.command))
        .fetch_optional(&mut **tx)
        .await?;
    known.map(|row| Ok(DeploymentId::new(number(row.try_get("id")?)?))).transpose()
}

/// Adds it. `Err` is the one that the same command made in another environment's queue meanwhile.
async fn insert(
    tx: &mut Tx,
    asked: &Asked,
    release: &str,
    turn: bool,
    now: Timestamp,
) -> Result<Result<DeploymentId, DeploymentId>, StoreFailed> {
    let added = sqlx::query(
        "INSERT INTO deployments
            (repository, environment, comment, command, release, asked, state, turn, due, woken, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $9) ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(column(asked.key.repository.get())?)
    .bind(asked.key.environment.as_str())
    .bind(column(asked.comment.get())?)
    .bind(i64::from(asked.command))
    .bind(release)
    .bind(json("deployment", asked)?)
    .bind(json("deployment", &State::fresh())?)
    .bind(i64::from(turn))
    .bind(millis(now))
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = added {
        return Ok(Ok(DeploymentId::new(number(row.try_get("id")?)?)));
    }
    let other = known(tx, asked).await?;
    other.map(Err).ok_or_else(|| StoreFailed::Database("a deployment was refused for no reason we know".to_owned()))
}

/// Closes one that waited. It never ran: nobody holds a lease for it.
async fn drop_waiting(
    tx: &mut Tx,
    mut waiting: Deployment,
    why: Dropped,
    by: Option<&Actor>,
    now: Timestamp,
) -> Result<Deployment, StoreFailed> {
    waiting.state.stage = Stage::Over;
    waiting.outcome = Some(why.word().to_owned());
    waiting.ended = Some(super::database::time(millis(now))?);
    if let (Some(by), None) = (by, &waiting.cancel) {
        waiting.cancel = Some(by.clone());
    }
    let cancel = waiting.cancel.as_ref().map(|actor| json("actor", actor)).transpose()?;
    sqlx::query(
        "UPDATE deployments SET state = $2, outcome = $3, ended = $4, cancel = $5, turn = 0, run = NULL WHERE id = $1",
    )
    .bind(column(waiting.id.get())?)
    .bind(json("deployment", &waiting.state)?)
    .bind(why.word())
    .bind(millis(now))
    .bind(cancel)
    .execute(&mut **tx)
    .await?;
    Ok(waiting)
}

/// Notes who wants it cancelled, the first one only, and wakes it. False when it is over.
async fn cancel(tx: &mut Tx, id: i64, by: &Actor, now: Timestamp) -> Result<bool, StoreFailed> {
    let noted = sqlx::query("UPDATE deployments SET cancel = COALESCE(cancel, $2) WHERE id = $1 AND ended IS NULL")
        .bind(id)
        .bind(json("actor", by)?)
        .execute(&mut **tx)
        .await?;
    if noted.rows_affected() == 0 {
        return Ok(false);
    }
    wake(tx, id, now).await?;
    Ok(true)
}

/// Makes it due now. If somebody works on it, it is due again as soon as the lease is given back.
pub(super) async fn wake(tx: &mut Tx, id: i64, now: Timestamp) -> Result<(), StoreFailed> {
    sqlx::query(
        "UPDATE deployments SET woken = 1, due = CASE WHEN due < $2 THEN due ELSE $2 END
         WHERE id = $1 AND ended IS NULL",
    )
    .bind(id)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
