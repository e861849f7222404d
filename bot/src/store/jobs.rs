//! Gates of jobs in the database: opened for a run of a workflow, due from time to time, answered once.
//!
//! What a job's gate remembers beside its answers stands in its facts, and changes while it waits; a
//! deployment's gate keeps what it asked first.

use serde_json::Value;
use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{column, json, millis, number};
use super::gates::settle;
use super::{Gate, GateState, NewAudit, NewGate, Store, StoreFailed};
use crate::types::GateId;

impl Store {
    /// Opens a gate that belongs to no deployment, or finds it opened. It is due at once.
    pub async fn open_rule_gate(&self, new: &NewGate, now: Timestamp) -> Result<Gate, StoreFailed> {
        let mut tx = self.begin().await?;
        let (gate, opened) = self.opened(&mut tx, new, Some(now), now).await?;
        if let Some(entry) = opened {
            self.append_audit(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        Ok(gate)
    }

    /// Takes a gate of a job that is due; it is due again at `until`, should nobody release it before.
    pub async fn claim_rule_gate(&self, now: Timestamp, until: Timestamp) -> Result<Option<Gate>, StoreFailed> {
        let due = sqlx::query("SELECT id, due FROM gates WHERE due IS NOT NULL AND due <= $1 ORDER BY due, id LIMIT 8")
            .bind(millis(now))
            .fetch_all(self.reader())
            .await?;
        for row in due {
            let (id, was): (i64, i64) = (row.try_get("id")?, row.try_get("due")?);
            let mut tx = self.begin().await?;
            let taken = sqlx::query("UPDATE gates SET due = $3 WHERE id = $1 AND due = $2")
                .bind(id)
                .bind(was)
                .bind(millis(until))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            tx.commit().await?;
            if taken == 1 {
                return self.gate(GateId::new(number(id)?)).await;
            }
        }
        Ok(None)
    }

    /// Gives a gate of a job back: it is due again then, or never. If somebody answered meanwhile, at once.
    pub async fn release_rule_gate(
        &self,
        id: GateId,
        held: Timestamp,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE gates SET due = $3 WHERE id = $1 AND due = $2")
            .bind(column(id.get())?)
            .bind(millis(held))
            .bind(next.map(|next| millis(next.max(now))))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Changes what the gate of a job remembers, and how many must say yes to it.
    pub async fn note_job(
        &self,
        id: GateId,
        need: u32,
        facts: &Value,
        audit: Option<&NewAudit>,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        if let Some(gate) = self.alone_with(&mut tx, id).await? {
            let asked = NewGate { need, facts: facts.clone(), ..gate.asked };
            let query = sqlx::query("UPDATE gates SET gate = $2 WHERE id = $1");
            query.bind(column(id.get())?).bind(json("gate", &asked)?).execute(&mut *tx).await?;
        }
        if let Some(entry) = audit {
            self.append_audit(&mut tx, entry, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Ends the gate of a job whatever people said: the policy decided. False when somebody has said no,
    /// or its time was over, in that moment.
    pub async fn end_job(
        &self,
        id: GateId,
        state: GateState,
        facts: &Value,
        audit: &NewAudit,
        now: Timestamp,
    ) -> Result<bool, StoreFailed> {
        let mut tx = self.begin().await?;
        let Some(gate) = self.alone_with(&mut tx, id).await? else { return Ok(false) };
        if !matches!(gate.state, GateState::Waiting | GateState::Approved) {
            return Ok(false);
        }
        let asked = NewGate { facts: facts.clone(), ..gate.asked.clone() };
        let query = sqlx::query("UPDATE gates SET gate = $2 WHERE id = $1");
        query.bind(column(id.get())?).bind(json("gate", &asked)?).execute(&mut *tx).await?;
        settle(&mut tx, &gate, state, now).await?;
        self.append_audit(&mut tx, audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
