//! The log of a running service, for `logs`.

use async_trait::async_trait;

use super::target::TargetError;
use crate::types::Timestamp;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The same for the same line however often it is read.
    pub id: String,
    /// Which instance wrote it, short: a task with its container.
    pub from: String,
    /// What it says.
    pub text: String,
}

/// A place that keeps logs.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Every line since then, in any order. Lines may come late: who follows asks from a little
    /// earlier than the newest line and leaves out what is known.
    async fn lines(&self, since: Timestamp) -> Result<Vec<LogLine>, TargetError>;
}
