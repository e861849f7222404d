//! Gates out of the database, and who is woken by what happens to them.

use shipline::types::{EnvironmentName, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::database::{Tx, column, millis, number, read, text, time};
use super::queue::wake;
use super::{Gate, GateName, Store, StoreFailed};
use crate::types::{DeploymentId, GateId, IssueNumber, RepositoryId};

/// The columns a [`Gate`] is made of.
macro_rules! columns {
    () => {
        "id, gate, state, sequence, opened, decided"
    };
}
pub(super) use columns;

/// Which gates of a repository are meant.
#[derive(Debug, Clone, Copy)]
pub enum GatesOf<'a> {
    /// Those that are talked about there.
    Issue(IssueNumber),
    /// Those of an environment.
    Environment(&'a EnvironmentName),
}

impl Store {
    /// One gate.
    pub async fn gate(&self, id: GateId) -> Result<Option<Gate>, StoreFailed> {
        self.found("SELECT id, gate, state, sequence, opened, decided FROM gates WHERE id = $1", column(id.get())?)
            .await
            .map(|mut found| found.pop())
    }

    /// The gate of this name: what a rollout that waits asks again and again.
    pub async fn gate_named(&self, name: &GateName) -> Result<Option<Gate>, StoreFailed> {
        let query = sqlx::query(concat!("SELECT ", columns!(), " FROM gates WHERE name = $1")).bind(name.text());
        let Some(row) = query.fetch_optional(self.reader()).await? else { return Ok(None) };
        Ok(self.answered(vec![row]).await?.pop())
    }

    /// All gates of a deployment, oldest first.
    pub async fn gates_of(&self, id: DeploymentId) -> Result<Vec<Gate>, StoreFailed> {
        let statement = concat!("SELECT ", columns!(), " FROM gates WHERE deployment = $1 ORDER BY id");
        self.found(statement, column(id.get())?).await
    }

    /// The gates of a repository that wait, oldest first.
    pub async fn waiting_gates(&self, repository: RepositoryId) -> Result<Vec<Gate>, StoreFailed> {
        let statement = concat!(
            "SELECT ",
            columns!(),
            " FROM gates WHERE repository = $1 AND state = 'waiting' ORDER BY id LIMIT 500"
        );
        self.found(statement, column(repository.get())?).await
    }

    /// The gate that the asking of this name was an answer to.
    pub async fn gate_answered_by(&self, token: &str) -> Result<Option<Gate>, StoreFailed> {
        let statement =
            concat!("SELECT ", columns!(), " FROM gates WHERE id = (SELECT max(gate) FROM approvals WHERE token = $1)");
        let row = sqlx::query(statement).bind(text(token)).fetch_optional(self.reader()).await?;
        match row {
            Some(row) => Ok(self.answered(vec![row]).await?.pop()),
            None => Ok(None),
        }
    }

    /// Makes the deployments due that wait at a gate and that something happened to.
    pub async fn wake_gates(
        &self,
        repository: RepositoryId,
        about: GatesOf<'_>,
        now: Timestamp,
    ) -> Result<usize, StoreFailed> {
        let found = self.waiting_gates(repository).await?;
        let theirs = found.iter().filter(|gate| match about {
            GatesOf::Issue(issue) => gate.asked.issue == Some(issue),
            GatesOf::Environment(environment) => gate.asked.key.environment == *environment,
        });
        let mut woken = 0;
        for gate in theirs {
            let mut tx = self.begin().await?;
            rouse(&mut tx, gate, now).await?;
            tx.commit().await?;
            woken += 1;
        }
        Ok(woken)
    }

    /// A gate that nobody else looks at until the transaction ends.
    pub(super) async fn alone_with(&self, tx: &mut Tx, id: GateId) -> Result<Option<Gate>, StoreFailed> {
        let statement = self.kind().sql(
            concat!("SELECT ", columns!(), " FROM gates WHERE id = $1"),
            concat!("SELECT ", columns!(), " FROM gates WHERE id = $1 FOR UPDATE"),
        );
        let row = sqlx::query(statement).bind(column(id.get())?).fetch_optional(&mut **tx).await?;
        match row {
            Some(row) => with_answers(tx, &row).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn of_deployment(&self, tx: &mut Tx, id: DeploymentId) -> Result<Vec<Gate>, StoreFailed> {
        let statement = self.kind().sql(
            concat!("SELECT ", columns!(), " FROM gates WHERE deployment = $1 ORDER BY id"),
            concat!("SELECT ", columns!(), " FROM gates WHERE deployment = $1 ORDER BY id FOR UPDATE"),
        );
        let rows = sqlx::query(statement).bind(column(id.get())?).fetch_all(&mut **tx).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(with_answers(tx, row).await?);
        }
        Ok(found)
    }

    async fn found(&self, statement: &'static str, id: i64) -> Result<Vec<Gate>, StoreFailed> {
        let rows = sqlx::query(statement).bind(id).fetch_all(self.reader()).await?;
        self.answered(rows).await
    }

    async fn answered(&self, rows: Vec<AnyRow>) -> Result<Vec<Gate>, StoreFailed> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let id: i64 = row.try_get("id")?;
            let answers = sqlx::query(ANSWERS).bind(id).fetch_all(self.reader()).await?;
            found.push(gate(&row, &answers)?);
        }
        Ok(found)
    }
}

const ANSWERS: &str = "SELECT approval FROM approvals WHERE gate = $1 ORDER BY at, actor";

pub(super) async fn with_answers(tx: &mut Tx, row: &AnyRow) -> Result<Gate, StoreFailed> {
    let answers = sqlx::query(ANSWERS).bind(row.try_get::<i64, _>("id")?).fetch_all(&mut **tx).await?;
    gate(row, &answers)
}

fn gate(row: &AnyRow, answers: &[AnyRow]) -> Result<Gate, StoreFailed> {
    let answers = answers.iter().map(|row| read("approval", row.try_get("approval")?));
    Ok(Gate {
        id: GateId::new(number(row.try_get("id")?)?),
        asked: read("gate", row.try_get("gate")?)?,
        state: read("state of a gate", &format!("\"{}\"", row.try_get::<&str, _>("state")?))?,
        sequence: number(row.try_get("sequence")?)?,
        opened: time(row.try_get("opened")?)?,
        decided: row.try_get::<Option<i64>, _>("decided")?.map(time).transpose()?,
        approvals: answers.collect::<Result<_, StoreFailed>>()?,
    })
}

/// Whoever waits for it looks now.
pub(super) async fn rouse(tx: &mut Tx, gate: &Gate, now: Timestamp) -> Result<(), StoreFailed> {
    if let Some(deployment) = gate.asked.name.deployment() {
        return wake(tx, column(deployment.get())?, now).await;
    }
    sqlx::query("UPDATE gates SET due = $2 WHERE id = $1 AND due IS NOT NULL")
        .bind(column(gate.id.get())?)
        .bind(millis(now))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
