//! Deployments out of their rows.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::database::{column, number, read, time};
use super::{Deployment, Store, StoreFailed};
use crate::types::{DeploymentId, EnvironmentKey};

/// The columns a [`Deployment`] is made of.
macro_rules! columns {
    () => {
        "id, asked, state, created, cancel, outcome, ended"
    };
}
pub(super) use columns;

/// A deployment out of its row.
pub(super) fn deployment(row: &AnyRow) -> Result<Deployment, StoreFailed> {
    Ok(Deployment {
        id: DeploymentId::new(number(row.try_get("id")?)?),
        asked: read("deployment", row.try_get("asked")?)?,
        state: read("deployment", row.try_get("state")?)?,
        created: time(row.try_get("created")?)?,
        cancel: row.try_get::<Option<&str>, _>("cancel")?.map(|actor| read("actor", actor)).transpose()?,
        outcome: row.try_get("outcome")?,
        ended: row.try_get::<Option<i64>, _>("ended")?.map(time).transpose()?,
    })
}

impl Store {
    /// The row of a deployment.
    pub(super) async fn row(&self, id: i64) -> Result<Option<AnyRow>, StoreFailed> {
        let statement = concat!("SELECT ", columns!(), " FROM deployments WHERE id = $1");
        Ok(sqlx::query(statement).bind(id).fetch_optional(self.reader()).await?)
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>, StoreFailed> {
        self.row(column(id.get())?).await?.as_ref().map(deployment).transpose()
    }

    /// The open deployments of an environment, oldest first: the first runs or runs next.
    pub async fn open_deployments(&self, key: &EnvironmentKey) -> Result<Vec<Deployment>, StoreFailed> {
        let statement = concat!(
            "SELECT ",
            columns!(),
            " FROM deployments WHERE repository = $1 AND environment = $2 AND ended IS NULL ORDER BY id"
        );
        let query = sqlx::query(statement).bind(column(key.repository.get())?).bind(key.environment.as_str());
        query.fetch_all(self.reader()).await?.iter().map(deployment).collect()
    }

    /// The newest deployments of an environment, open or over.
    pub async fn history(&self, key: &EnvironmentKey, most: u32) -> Result<Vec<Deployment>, StoreFailed> {
        let statement = concat!(
            "SELECT ",
            columns!(),
            " FROM deployments WHERE repository = $1 AND environment = $2 ORDER BY id DESC LIMIT $3"
        );
        sqlx::query(statement)
            .bind(column(key.repository.get())?)
            .bind(key.environment.as_str())
            .bind(i64::from(most))
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(deployment)
            .collect()
    }

    /// Every environment of a repository that a deployment or a lock is known of.
    pub async fn environments(
        &self,
        repository: crate::types::RepositoryId,
    ) -> Result<Vec<EnvironmentKey>, StoreFailed> {
        let rows = sqlx::query(
            "SELECT environment FROM deployments WHERE repository = $1
             UNION SELECT environment FROM locks WHERE repository = $1 ORDER BY environment",
        )
        .bind(column(repository.get())?)
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let name = row.try_get::<&str, _>("environment")?;
                let environment = name.parse().map_err(|why| super::database::unreadable("environment", why))?;
                Ok(EnvironmentKey { repository, environment })
            })
            .collect()
    }
}
