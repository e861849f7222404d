//! The audit chain in the database: entries are added at its end, one at a time; nothing changes or
//! removes one (a trigger refuses it). What makes it a chain is in [`super::chain`].

use shipline::types::Timestamp;
use sqlx::Row;

use super::chain::{Tip, canonical};
use super::database::{Guarded, Tx, column, number, text, unreadable};
use super::{AuditEntry, NewAudit, Store, StoreFailed};

impl Store {
    /// Adds an audit entry to the chain. One with a key that is known already is not added again.
    pub async fn audit(&self, entry: &NewAudit, now: Timestamp) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        self.append_audit(&mut tx, entry, now).await?;
        Ok(tx.commit().await?)
    }

    /// Adds an entry in a transaction that may do more; the last thing it does, because everybody
    /// else who adds one waits for its end.
    pub(super) async fn append_audit(&self, tx: &mut Tx, new: &NewAudit, now: Timestamp) -> Result<(), StoreFailed> {
        self.alone(tx, Guarded::Audit).await?;
        let key = text(&new.key);
        if sqlx::query("SELECT sequence FROM audit WHERE key = $1")
            .bind(&key)
            .fetch_optional(&mut **tx)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let last = sqlx::query("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
        let tip = match last.fetch_optional(&mut **tx).await? {
            Some(row) => Tip { sequence: number(row.try_get("sequence")?)?, hash: row.try_get("hash")? },
            None => Tip::default(),
        };
        let entry = tip.next(new.clone(), now);
        sqlx::query("INSERT INTO audit (sequence, key, entry, hash) VALUES ($1, $2, $3, $4)")
            .bind(column(entry.sequence)?)
            .bind(&key)
            .bind(canonical(&entry))
            .bind(&entry.hash)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Audit entries after that number, oldest first.
    pub async fn audit_after(&self, sequence: u64, most: u32) -> Result<Vec<AuditEntry>, StoreFailed> {
        let rows = sqlx::query("SELECT entry, hash FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(column(sequence)?)
            .bind(i64::from(most))
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let hash = row.try_get("hash")?;
                AuditEntry::read(row.try_get("entry")?, hash).map_err(|why| unreadable("audit entry", why))
            })
            .collect()
    }
}
