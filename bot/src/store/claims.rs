//! Keeping a claim on a delivery while its work goes on.

use shipline::types::Timestamp;

use super::database::{column, millis};
use super::{Claimed, Store, StoreFailed};

/// Whether a claim still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// Until the new time.
    Holds,
    /// Somebody else claimed the delivery, or its work was ended.
    Lost,
}

impl Store {
    /// Keeps a claimed delivery until `until`. One that ran out is kept as well, as long as nobody
    /// else claimed it.
    pub async fn renew_delivery(&self, claimed: &Claimed, until: Timestamp) -> Result<Renewed, StoreFailed> {
        let mut tx = self.begin().await?;
        let kept = sqlx::query(
            "UPDATE deliveries SET due = $1
             WHERE sequence = $2 AND claim = $3 AND state = 'waiting' AND worker IS NOT NULL",
        )
        .bind(millis(until))
        .bind(column(claimed.sequence)?)
        .bind(column(claimed.claim)?)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(if kept == 1 { Renewed::Holds } else { Renewed::Lost })
    }
}
