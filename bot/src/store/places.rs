//! Which repository a place belongs to: the first that deployed there.

use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{Guarded, column, json, millis, number, text};
use super::{Store, StoreFailed, Taken};
use crate::types::RepositoryId;

impl Store {
    /// Claims places that services run in (`ecs/us-east-1/<account>/<cluster>/<service>`) for a
    /// repository. Returns those that belong to another one; then nothing was claimed.
    pub async fn claim_places(
        &self,
        repository: RepositoryId,
        places: &[String],
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreFailed> {
        let mut places: Vec<String> = places.iter().map(|place| text(place)).collect();
        places.sort_unstable();
        places.dedup();
        let places = json("list of places", &places)?;
        let mut tx = self.begin_alone(Guarded::Places).await?;
        let statement = self.kind().sql(
            "SELECT place, repository FROM places
             WHERE place IN (SELECT value FROM json_each($1)) AND repository <> $2 ORDER BY place",
            "SELECT place, repository FROM places
             WHERE place IN (SELECT json_array_elements_text($1::json)) AND repository <> $2 ORDER BY place",
        );
        let query = sqlx::query(statement).bind(&places).bind(column(repository.get())?);
        let taken = query.fetch_all(&mut *tx).await?;
        if taken.is_empty() {
            let statement = self.kind().sql(
                "INSERT INTO places (place, repository, claimed)
                 SELECT value, $2, $3 FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
                "INSERT INTO places (place, repository, claimed)
                 SELECT place, $2, $3 FROM json_array_elements_text($1::json) AS place ON CONFLICT DO NOTHING",
            );
            let query = sqlx::query(statement).bind(&places).bind(column(repository.get())?).bind(millis(now));
            query.execute(&mut *tx).await?;
            tx.commit().await?;
        }
        taken
            .iter()
            .map(|row| {
                let repository = RepositoryId::new(number(row.try_get("repository")?)?);
                Ok(Taken { place: row.try_get("place")?, repository })
            })
            .collect()
    }
}
