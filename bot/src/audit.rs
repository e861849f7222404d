//! `shipline-bot audit`: proves the chain of audit entries, and writes it out for other systems.
//!
//! It only reads. What makes the entries a chain is in [`crate::store::chain`].

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use shipline::problem::Problem;
use shipline::types::Timestamp;

use crate::store::chain::{Broken, Tip};
use crate::store::{AuditEntry, Store, StoreFailed};

/// The version of the exported form. Within a version fields are only added.
pub const SCHEMA_VERSION: u32 = 1;

/// Entries are read in parts of this size.
const PART: u32 = 1_000;

/// What to do with the audit trail.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: AuditVerb,
}

/// The verbs of the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Prove that no entry was changed, removed or inserted. Exit codes: 0 whole, 1 broken
    Verify,
    /// Write the entries to standard output, oldest first
    Export(ExportArgs),
}

/// How to export.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Only entries of that time or later: 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Form of the entries
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub format: Format,
}

/// Form of exported entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Why the audit trail was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum AuditFailed {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreFailed),
    /// The reader went away, or the disk is full.
    #[error("the entries cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<AuditFailed> for Problem {
    fn from(failed: AuditFailed) -> Self {
        match failed {
            AuditFailed::Store(why) => {
                Self::provider("database", "the audit trail cannot be read", "Check SHIPLINE_DATABASE_URL.")
                    .because(why.to_string())
            }
            AuditFailed::Output(why) => {
                Self::mistake("output", "the entries cannot be written", "Check where standard output goes.")
                    .because(why.to_string())
            }
        }
    }
}

/// An entry as it is exported.
#[derive(Serialize)]
struct Exported<'a> {
    schema_version: u32,
    #[serde(flatten)]
    entry: &'a AuditEntry,
}

/// Does what was asked and says so. Returns the process exit code.
pub async fn run(args: &AuditArgs, store: &Store, out: &mut dyn Write) -> Result<u8, AuditFailed> {
    match &args.verb {
        AuditVerb::Verify => match verify(store).await? {
            Ok(tip) if tip.sequence == 0 => {
                writeln!(out, "The audit trail is empty.")?;
                Ok(0)
            }
            Ok(tip) => {
                writeln!(out, "The audit trail is whole: {} entries.", tip.sequence)?;
                writeln!(out, "The last one has hash {}.", tip.hash)?;
                writeln!(out, "Keep it elsewhere: it proves later that no entry before it was changed or removed.")?;
                Ok(0)
            }
            Err(broken) => {
                writeln!(out, "Broken at entry {}: {}.", broken.sequence, broken.why)?;
                writeln!(out, "Entries from there on prove nothing. Compare with an export or a backup.")?;
                Ok(1)
            }
        },
        AuditVerb::Export(args) => {
            export(store, args, out).await?;
            Ok(0)
        }
    }
}

/// Follows the whole chain; its end, or where it is broken first.
async fn verify(store: &Store) -> Result<Result<Tip, Broken>, StoreFailed> {
    let mut tip = Tip::default();
    loop {
        // An entry that cannot be read is one that was changed.
        let part = match store.audit_after(tip.sequence, PART).await {
            Ok(part) => part,
            Err(StoreFailed::Unreadable { why, .. }) => return narrowed(store, tip, why).await,
            Err(failed) => return Err(failed),
        };
        if part.is_empty() {
            return Ok(Ok(tip));
        }
        for entry in &part {
            if let Err(broken) = tip.follow(entry) {
                return Ok(Err(broken));
            }
        }
    }
}

/// Somewhere in the next part is an entry that cannot be read: names it, or what is broken before it.
async fn narrowed(store: &Store, mut tip: Tip, why: String) -> Result<Result<Tip, Broken>, StoreFailed> {
    loop {
        match store.audit_after(tip.sequence, 1).await {
            Ok(part) => match part.first().map(|entry| tip.follow(entry)) {
                Some(Ok(())) => {}
                Some(Err(broken)) => return Ok(Err(broken)),
                None => return Ok(Err(Broken { sequence: tip.sequence + 1, why })),
            },
            Err(StoreFailed::Unreadable { why, .. }) => {
                return Ok(Err(Broken { sequence: tip.sequence + 1, why: format!("it cannot be read: {why}") }));
            }
            Err(failed) => return Err(failed),
        }
    }
}

async fn export(store: &Store, args: &ExportArgs, out: &mut dyn Write) -> Result<(), AuditFailed> {
    let Format::Jsonl = args.format;
    let mut after = 0;
    loop {
        let part = store.audit_after(after, PART).await?;
        let Some(last) = part.last() else { break };
        after = last.sequence;
        for entry in part.iter().filter(|entry| args.since.is_none_or(|since| entry.at >= since)) {
            let line = Exported { schema_version: SCHEMA_VERSION, entry };
            serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
