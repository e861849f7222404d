//! The journal of a rollout in the store, under the lease's fence.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shipline::engine::wait::pause;
use shipline::engine::{Cancel, Journal, JournalFailed, clock};
use shipline::rollout::Entry;
use tracing::warn;

use super::kept::Kept;
use crate::store::StoreFailed;

/// How long a database that does not answer is waited for: longer than a failover of a replica
/// takes, and the lease may well be lost before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause before the next try.
const AGAIN: Duration = Duration::from_millis(500);

/// The journal of one held deployment.
pub(super) struct StoreJournal {
    pub(super) kept: Arc<Kept>,
    /// Fires when the lease is lost.
    pub(super) lost: Cancel,
}

#[async_trait]
impl Journal for StoreJournal {
    async fn append(&self, entry: Entry) -> Result<(), JournalFailed> {
        let deadline = clock::instant() + PATIENCE;
        loop {
            let why = match self.kept.store.append_entry(&self.kept.lease, &entry).await {
                Ok(()) => return Ok(()),
                Err(StoreFailed::Database(why)) => why,
                Err(error) => return Err(JournalFailed(error.to_string())),
            };
            warn!(why, "the journal could not be written, trying again");
            pause(AGAIN, &self.lost).await;
            if self.lost.is_cancelled() || clock::instant() > deadline {
                return Err(JournalFailed(why));
            }
            // The answer may have been lost, not the entry.
            if let Ok(Some(last)) = self.kept.store.last_entry(self.kept.id()).await
                && last == entry
            {
                return Ok(());
            }
        }
    }

    async fn last(&self) -> Result<Option<Entry>, JournalFailed> {
        self.kept.store.last_entry(self.kept.id()).await.map_err(|error| JournalFailed(error.to_string()))
    }
}
