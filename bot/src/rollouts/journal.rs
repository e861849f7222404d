//! The journal of a rollout in the store, under the lease's fence.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shipline::engine::wait::{self, Backoff, Seen, Waited};
use shipline::engine::{Cancel, Journal, JournalFailed, clock};
use shipline::rollout::Entry;

use super::kept::Kept;
use crate::store::StoreFailed;

/// How long a database that does not answer is waited for: longer than a failover of a replica
/// takes, and the lease may well be lost before.
const PATIENCE: Duration = Duration::from_secs(30);

const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(2),
    throttled: Duration::from_secs(2),
};

/// The journal of one held deployment.
pub(super) struct StoreJournal {
    pub(super) kept: Arc<Kept>,
    /// Fires when the lease is lost.
    pub(super) lost: Cancel,
}

#[async_trait]
impl Journal for StoreJournal {
    async fn append(&self, entry: Entry) -> Result<(), JournalFailed> {
        let mut before = None;
        let deadline = Some(clock::instant() + PATIENCE);
        let waited = wait::until(deadline, BACKOFF, &self.lost, async || {
            // The answer to an earlier try may have been lost, not the entry.
            if before.is_some()
                && let Ok(Some(last)) = self.kept.store.last_entry(self.kept.id()).await
                && last == entry
            {
                return Seen::Ready(Ok(()));
            }
            match self.kept.store.append_entry(&self.kept.lease, &entry).await {
                Err(error @ StoreFailed::Database(_)) => {
                    before = Some(error.to_string());
                    Seen::NotYet
                }
                answer => Seen::Ready(answer),
            }
        })
        .await;
        match waited {
            Waited::Ready(Ok(())) => Ok(()),
            Waited::Ready(Err(error)) => Err(JournalFailed(error.to_string())),
            Waited::Cancelled => Err(JournalFailed("the lease is lost".to_owned())),
            Waited::TimedOut => Err(JournalFailed(before.unwrap_or_else(|| "the database does not answer".to_owned()))),
        }
    }

    async fn last(&self) -> Result<Option<Entry>, JournalFailed> {
        self.kept.store.last_entry(self.kept.id()).await.map_err(|error| JournalFailed(error.to_string()))
    }
}
