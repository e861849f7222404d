//! The persisted form of a rollout: versioned, append-only, readable by a later Shipline.
//!
//! Invariant: the phase of an entry is written before its effects run, so the last entry always
//! says what may be under way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Event, Phase, Plan};
use crate::types::Timestamp;

/// The version written now. Within a version fields are only added.
pub const SCHEMA_VERSION: u32 = 1;

/// The head of a journal: what was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// When the rollout was started.
    pub started: Timestamp,
    /// What it does.
    pub plan: Plan,
}

/// One step of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 0, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What happened; absent in the first entry.
    pub event: Option<Event>,
    /// Where it stands since.
    pub phase: Phase,
}

/// A record that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// Written by a newer Shipline.
    #[error("the record has version {found}, this program reads up to {SCHEMA_VERSION}: use a newer Shipline")]
    Newer {
        /// Its version.
        found: u64,
    },
    /// Not a record.
    #[error("not a rollout record: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Record {
    /// A record of now.
    pub fn new(plan: Plan, started: Timestamp) -> Self {
        Self { schema_version: SCHEMA_VERSION, started, plan }
    }

    /// Reads a record of this or an earlier version.
    pub fn read(value: Value) -> Result<Self, UnreadableRecord> {
        let found = value.get("schema_version").and_then(Value::as_u64).unwrap_or(0);
        if found > u64::from(SCHEMA_VERSION) {
            return Err(UnreadableRecord::Newer { found });
        }
        Ok(serde_json::from_value(value)?)
    }
}
