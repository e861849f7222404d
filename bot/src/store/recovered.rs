//! How far back missed deliveries were looked for already, whichever process did it.

use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{millis, time};
use super::{Store, StoreFailed};

impl Store {
    /// When GitHub's list of deliveries was last read and what was missing asked for.
    pub async fn recovered(&self) -> Result<Option<Timestamp>, StoreFailed> {
        let row = sqlx::query("SELECT looked FROM recovery").fetch_optional(self.reader()).await?;
        row.map(|row| time(row.try_get("looked")?)).transpose()
    }

    /// Notes that it was read at that time. An earlier time than is known changes nothing.
    pub async fn note_recovered(&self, looked: Timestamp) -> Result<(), StoreFailed> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO recovery (one, looked) VALUES (1, $1)
             ON CONFLICT (one) DO UPDATE SET looked = excluded.looked WHERE excluded.looked > recovery.looked",
        )
        .bind(millis(looked))
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}
