//! Gates in the database: opened once, answered by people, over once.
//!
//! A gate's row is looked at and changed by one transaction at a time, so of a yes, a no and the end
//! of its time in one moment exactly one wins. Whether a person may answer is not asked here.

use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{Tx, column, json, millis, text, unreadable};
use super::gate::over;
use super::gates_found::{columns, rouse, with_answers};
use super::{
    Approval, Decided, Decision, EnvironmentLease, Gate, GateKind, GateState, NewApproval, NewAudit, NewGate, Store,
    StoreFailed, Voice,
};
use crate::types::{Actor, DeploymentId, GateId, UserId};

impl Store {
    /// Opens a gate of a deployment, or finds it opened; whatever waited for the deployment before is
    /// void with it. A gate that is found keeps what it asked first.
    pub async fn open_gate(
        &self,
        lease: &EnvironmentLease,
        new: &NewGate,
        now: Timestamp,
    ) -> Result<Gate, StoreFailed> {
        let mut tx = self.begin().await?;
        self.guard(&mut tx, lease, now).await?;
        let mut ended = Vec::new();
        for other in self.of_deployment(&mut tx, lease.deployment()).await? {
            // A plan that was approved and is not carried out, but asked about anew.
            let unused = other.state == GateState::Approved && other.asked.name.kind() == GateKind::Plan;
            let same_kind = other.asked.name.kind() == new.name.kind();
            let open = other.state == GateState::Waiting || (unused && same_kind);
            if open && other.asked.name != new.name {
                ended.push(end(&mut tx, &other, GateState::Void, now).await?);
            }
        }
        let (gate, opened) = self.opened(&mut tx, new, None, now).await?;
        for entry in ended.into_iter().chain(opened) {
            self.append_audit(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        Ok(gate)
    }

    pub(super) async fn opened(
        &self,
        tx: &mut Tx,
        new: &NewGate,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(Gate, Option<NewAudit>), StoreFailed> {
        let added = sqlx::query(
            "INSERT INTO gates
                (name, deployment, repository, environment, issue, kind, number, hash, state, gate, sequence, opened, expires,
                 due)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9,
                (SELECT COALESCE(max(sequence), 0) FROM deliveries), $10, $11, $12
             WHERE 1 = 1 ON CONFLICT (name) DO NOTHING RETURNING id",
        )
        .bind(new.name.text())
        .bind(new.name.deployment().map(|id| column(id.get())).transpose()?)
        .bind(column(new.key.repository.get())?)
        .bind(new.key.environment.as_str())
        .bind(new.issue.map(column).transpose()?)
        .bind(new.name.kind().word())
        .bind(i64::from(new.name.number()))
        .bind(text(&new.hash))
        .bind(json("gate", new)?)
        .bind(millis(now))
        .bind(millis(new.expires))
        .bind(due.map(millis))
        .fetch_optional(&mut **tx)
        .await?;
        let known = sqlx::query(concat!("SELECT ", columns!(), " FROM gates WHERE name = $1"));
        let row = known.bind(new.name.text()).fetch_one(&mut **tx).await?;
        let gate = with_answers(tx, &row).await?;
        let entry = added.is_some().then(|| NewAudit {
            key: format!("gate/{}/created", gate.id),
            repository: Some(new.repository.id),
            repository_name: Some(new.repository.name.to_string()),
            environment: Some(new.key.environment.to_string()),
            actor: new.requester.clone(),
            action: "approval.created".to_owned(),
            outcome: GateState::Waiting.word().to_owned(),
            details: gate.told(),
        });
        Ok((gate, entry))
    }

    /// Writes an answer down and says what became of it; whoever waits for the gate is woken. Said
    /// again with the same token, it gets the same answer and changes nothing. `audit` is written with
    /// the outcome, unless nothing was changed.
    pub async fn decide(
        &self,
        id: GateId,
        hash: &str,
        new: &NewApproval,
        need: u32,
        audit: NewAudit,
        now: Timestamp,
    ) -> Result<Decided, StoreFailed> {
        let mut tx = self.begin().await?;
        let Some(gate) = self.alone_with(&mut tx, id).await? else { return Ok(Decided::Unknown) };
        let before = gate.approvals.iter().find(|one| one.actor.id == new.actor.id);
        if let Some(before) = before
            && before.decision == new.decision
            && self.token(&mut tx, id, new.actor.id).await? == new.token
        {
            return Ok(match (new.decision, gate.state) {
                (Decision::Reject, _) => Decided::Rejected,
                (Decision::Approve, GateState::Waiting) => Decided::Counted { have: gate.have(), need },
                (Decision::Approve, _) => Decided::Approved,
            });
        }
        if gate.state != GateState::Waiting {
            return Ok(Decided::NotWaiting(gate.state));
        }
        if gate.asked.expires <= now {
            return Ok(Decided::NotWaiting(GateState::Expired));
        }
        if gate.asked.hash != hash {
            return Ok(Decided::OtherPlan);
        }
        let repeats = |before: &Approval| before.decision == new.decision && before.voice == Voice::Counts;
        if before.is_some_and(repeats) {
            return Ok(Decided::Twice);
        }
        let approval = Approval {
            actor: new.actor.clone(),
            decision: new.decision,
            via: new.via,
            reason: new.reason.as_deref().map(text),
            at: now,
            voice: Voice::Counts,
        };
        put(&mut tx, &gate, &approval, &new.token).await?;
        let gate = self.alone_with(&mut tx, id).await?.ok_or_else(|| unreadable("gate", "it is gone"))?;
        let decided = match new.decision {
            Decision::Reject => Decided::Rejected,
            Decision::Approve if gate.have() >= need => Decided::Approved,
            Decision::Approve => Decided::Counted { have: gate.have(), need },
        };
        let state = match decided {
            Decided::Rejected => GateState::Rejected,
            Decided::Approved => GateState::Approved,
            _ => GateState::Waiting,
        };
        if state != GateState::Waiting {
            settle(&mut tx, &gate, state, now).await?;
        }
        rouse(&mut tx, &gate, now).await?;
        let mut entry = NewAudit {
            key: format!("gate/{id}/{}/{}/{}", new.actor.id, new.decision.word(), millis(now)),
            action: "approval.decided".to_owned(),
            outcome: if state == GateState::Waiting { "counted" } else { state.word() }.to_owned(),
            ..audit
        };
        for (name, value) in gate.told().as_object().into_iter().flatten() {
            entry.details[name.as_str()] = value.clone();
        }
        self.append_audit(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(decided)
    }

    /// Ends a gate that waits: its time is over, or what it asked about is no more. False when it does
    /// not wait any more; of the end and an answer in one moment one wins.
    pub async fn end_gate(&self, id: GateId, state: GateState, now: Timestamp) -> Result<bool, StoreFailed> {
        let mut tx = self.begin().await?;
        let Some(gate) = self.alone_with(&mut tx, id).await? else { return Ok(false) };
        if gate.state != GateState::Waiting {
            return Ok(false);
        }
        let entry = end(&mut tx, &gate, state, now).await?;
        self.append_audit(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The yeses of these people count no more; with too few left the gate waits again. Answers how it
    /// stands now.
    pub async fn withdraw(
        &self,
        id: GateId,
        people: &[(Actor, String)],
        need: u32,
        now: Timestamp,
    ) -> Result<Option<Gate>, StoreFailed> {
        let mut tx = self.begin().await?;
        let Some(gate) = self.alone_with(&mut tx, id).await? else { return Ok(None) };
        let mut entries = Vec::new();
        for (actor, why) in people {
            let theirs = |one: &&Approval| one.actor.id == actor.id && one.voice == Voice::Counts;
            let Some(approval) = gate.approvals.iter().find(theirs) else { continue };
            let approval = Approval { voice: Voice::Withdrawn, ..approval.clone() };
            let token = self.token(&mut tx, id, actor.id).await?;
            put(&mut tx, &gate, &approval, &token).await?;
            let mut entry = over(&gate, gate.state);
            entry.key = format!("gate/{id}/{}/withdrawn/{}", actor.id, millis(now));
            "approval.withdrawn".clone_into(&mut entry.action);
            "withdrawn".clone_into(&mut entry.outcome);
            entry.actor = Some(actor.clone());
            entry.details["why"] = serde_json::json!(why);
            entries.push(entry);
        }
        let gate = self.alone_with(&mut tx, id).await?.ok_or_else(|| unreadable("gate", "it is gone"))?;
        if gate.state == GateState::Approved && gate.have() < need {
            let again = "UPDATE gates SET state = 'waiting', decided = NULL WHERE id = $1";
            sqlx::query(again).bind(column(id.get())?).execute(&mut *tx).await?;
        }
        let gate = self.alone_with(&mut tx, id).await?;
        for entry in entries {
            self.append_audit(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        Ok(gate)
    }

    /// Voids what waits for a deployment that ends; answers with what the audit chain says of it.
    pub(super) async fn void_gates(
        &self,
        tx: &mut Tx,
        id: DeploymentId,
        now: Timestamp,
    ) -> Result<Vec<NewAudit>, StoreFailed> {
        let mut ended = Vec::new();
        for gate in self.of_deployment(tx, id).await? {
            if gate.state == GateState::Waiting {
                ended.push(end(tx, &gate, GateState::Void, now).await?);
            }
        }
        Ok(ended)
    }

    async fn token(&self, tx: &mut Tx, gate: GateId, actor: UserId) -> Result<String, StoreFailed> {
        let row = sqlx::query("SELECT token FROM approvals WHERE gate = $1 AND actor = $2")
            .bind(column(gate.get())?)
            .bind(column(actor.get())?)
            .fetch_optional(&mut **tx)
            .await?;
        Ok(row.map(|row| row.try_get("token")).transpose()?.unwrap_or_default())
    }
}

async fn put(tx: &mut Tx, gate: &Gate, approval: &Approval, token: &str) -> Result<(), StoreFailed> {
    let voice = match approval.voice {
        Voice::Counts => "counts",
        Voice::Withdrawn => "withdrawn",
    };
    sqlx::query(
        "INSERT INTO approvals (gate, actor, hash, decision, state, token, approval, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (gate, actor) DO UPDATE SET
            decision = excluded.decision, state = excluded.state, token = excluded.token,
            approval = excluded.approval, at = excluded.at",
    )
    .bind(column(gate.id.get())?)
    .bind(column(approval.actor.id.get())?)
    .bind(text(&gate.asked.hash))
    .bind(approval.decision.word())
    .bind(voice)
    .bind(text(token))
    .bind(json("approval", approval)?)
    .bind(millis(approval.at))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn settle(tx: &mut Tx, gate: &Gate, state: GateState, now: Timestamp) -> Result<(), StoreFailed> {
    sqlx::query("UPDATE gates SET state = $2, decided = $3 WHERE id = $1")
        .bind(column(gate.id.get())?)
        .bind(state.word())
        .bind(millis(now))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends a gate without an answer; what the audit chain says of it.
async fn end(tx: &mut Tx, gate: &Gate, state: GateState, now: Timestamp) -> Result<NewAudit, StoreFailed> {
    settle(tx, gate, state, now).await?;
    Ok(over(gate, state))
}
