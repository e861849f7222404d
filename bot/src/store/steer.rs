//! What somebody last said about a rollout that moves traffic step by step.
//!
//! Only the last word counts, and it stays: a rollout that was taken up by another process hears it too.

use serde::{Deserialize, Serialize};
use shipline::types::Timestamp;
use sqlx::Row;

use super::database::{column, json, read};
use super::{Store, StoreFailed};
use crate::types::{Actor, DeploymentId};

/// What is wanted of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steer {
    /// To go on to the end without a further stop.
    Promote,
    /// To stay where it is.
    Pause,
    /// To go on as configured.
    Resume,
}

impl Steer {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steering {
    /// What.
    pub steer: Steer,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Notes the last word about a deployment. False when it is over.
    pub async fn steer(&self, id: DeploymentId, said: &Steering) -> Result<bool, StoreFailed> {
        let mut tx = self.begin().await?;
        let noted = sqlx::query("UPDATE deployments SET steer = $2 WHERE id = $1 AND ended IS NULL")
            .bind(column(id.get())?)
            .bind(json("steering", said)?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(noted.rows_affected() == 1)
    }

    /// The last word about a deployment.
    pub async fn steering(&self, id: DeploymentId) -> Result<Option<Steering>, StoreFailed> {
        let row = sqlx::query("SELECT steer FROM deployments WHERE id = $1")
            .bind(column(id.get())?)
            .fetch_optional(self.reader())
            .await?;
        let text: Option<String> = row.map(|row| row.try_get("steer")).transpose()?.flatten();
        text.map(|text| read("steering", &text)).transpose()
    }
}
