//! Where the steps of a rollout are kept.

use std::sync::Mutex;

use async_trait::async_trait;

use crate::rollout::Entry;

/// A journal that could not be written: the rollout must not go on, since a crash would forget.
#[derive(Debug, thiserror::Error)]
#[error("the rollout's journal could not be written: {0}")]
pub struct JournalFailed(pub String);

/// Keeps the entries of one rollout, in order.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds an entry. Durable (as far as this journal is) when it returns. Refuses a sequence number
    /// that is not the next one: somebody else writes this rollout too.
    async fn append(&self, entry: Entry) -> Result<(), JournalFailed>;

    /// The last entry, if there is one.
    async fn last(&self) -> Result<Option<Entry>, JournalFailed>;
}

/// The journal of the action and the command line: as long-lived as the process. After a crash the
/// next run looks at the target, as every effect does.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    entries: Mutex<Vec<Entry>>,
}

impl MemoryJournal {
    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().map(|entries| entries.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, entry: Entry) -> Result<(), JournalFailed> {
        let mut entries = self.entries.lock().map_err(|_| JournalFailed("a writer crashed".to_owned()))?;
        let next = entries.len() as u64;
        if entry.sequence != next {
            return Err(JournalFailed(format!("entry {} was written where {next} is next", entry.sequence)));
        }
        entries.push(entry);
        Ok(())
    }

    async fn last(&self) -> Result<Option<Entry>, JournalFailed> {
        let entries = self.entries.lock().map_err(|_| JournalFailed("a writer crashed".to_owned()))?;
        Ok(entries.last().cloned())
    }
}
