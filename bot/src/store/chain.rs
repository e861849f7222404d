//! What makes audit entries a chain. Pure: no database, no clock.
//!
//! Every entry holds the hash of the one before and is hashed with it, as canonical JSON: keys sorted,
//! no spaces. Whoever changes, drops, reorders or inserts an entry must change every hash after it;
//! whoever keeps the last hash elsewhere sees that too, and that entries at the end are missing.

use serde_json::Value;
use sha2::{Digest, Sha256};
use shipline::types::Timestamp;

use super::{AuditEntry, NewAudit};

/// The hash before the first entry.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain is broken at entry {sequence}: {why}")]
pub struct Broken {
    /// The number that should stand there.
    pub sequence: u64,
    /// What is wrong.
    pub why: String,
}

/// The end of a chain, as far as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The last entry's number; 0 before the first.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Tip {
    fn default() -> Self {
        Self { sequence: 0, hash: BEGINNING.to_owned() }
    }
}

impl Tip {
    /// The next link.
    pub fn next(&self, entry: NewAudit, at: Timestamp) -> AuditEntry {
        let (sequence, previous) = (self.sequence + 1, self.hash.clone());
        let mut link = AuditEntry { sequence, at, entry, previous, hash: String::new() };
        link.hash = hash(&link);
        link
    }

    /// Goes one entry further, if it is the next one and unchanged.
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let sequence = self.sequence + 1;
        let broken = |why: String| Err(Broken { sequence, why });
        if entry.sequence != sequence {
            return broken(format!("entry {} stands there", entry.sequence));
        }
        if entry.previous != self.hash {
            return broken("it does not follow the entry before it".to_owned());
        }
        let found = hash(entry);
        if entry.hash != found {
            return broken(format!("its content has hash {found}, not {}", entry.hash));
        }
        *self = Self { sequence, hash: found };
        Ok(())
    }
}

/// Whether these entries are a whole chain from its beginning. For one that is read in parts, let a
/// [`Tip`] follow it.
pub fn verify<'a>(entries: impl IntoIterator<Item = &'a AuditEntry>) -> Result<(), Broken> {
    let mut tip = Tip::default();
    entries.into_iter().try_for_each(|entry| tip.follow(entry))
}

impl AuditEntry {
    /// An entry out of what [`canonical`] wrote and the hash.
    pub(super) fn read(canonical: &str, hash: String) -> Result<Self, serde_json::Error> {
        let mut value: Value = serde_json::from_str(canonical)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("hash".to_owned(), Value::String(hash));
        }
        serde_json::from_value(value)
    }
}

/// What is hashed: the entry without its hash.
pub fn canonical(entry: &AuditEntry) -> String {
    let mut value = serde_json::to_value(entry).expect("an entry is plain data with text keys");
    if let Value::Object(fields) = &mut value {
        fields.remove("hash");
    }
    let mut text = String::new();
    write(&value, &mut text);
    text
}

fn hash(entry: &AuditEntry) -> String {
    hex::encode(Sha256::digest(canonical(entry).as_bytes()))
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
