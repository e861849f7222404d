//! What is known of the heads that a pull request had. They are learnt by the inbox, in the
//! transaction that stores the delivery which tells them.

use shipline::types::{CommitSha, Timestamp};

use super::database::{column, millis};
use super::{Store, StoreFailed};
use crate::types::{IssueNumber, RepositoryId};

impl Store {
    /// Whether this commit was the head of a pull request before that moment of GitHub's clock.
    pub async fn was_head(
        &self,
        repository: RepositoryId,
        pull: IssueNumber,
        sha: CommitSha,
        before: Timestamp,
    ) -> Result<bool, StoreFailed> {
        let known = "SELECT 1 FROM heads WHERE repository = $1 AND pull = $2 AND sha = $3 AND at < $4 LIMIT 1";
        let row = sqlx::query(known)
            .bind(column(repository.get())?)
            .bind(column(pull)?)
            .bind(sha.to_string())
            .bind(millis(before))
            .fetch_optional(self.reader())
            .await?;
        Ok(row.is_some())
    }
}
