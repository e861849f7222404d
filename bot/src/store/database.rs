//! The connections, and how Rust's values become columns and come back.
//!
//! Columns are TEXT and BIGINT only: JSON as text, times as milliseconds since the epoch. SQLite has
//! one connection that writes and a few that read; a transaction that writes takes the write lock at
//! its begin. PostgreSQL has one pool; what must not happen twice in one moment is serialised with
//! advisory locks, which end with their transaction. Order of locks, so that nobody waits in a ring:
//! environment, lease, gate, deployment rows, places, audit.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use shipline::types::Timestamp;
use sqlx::{Any, AnyPool, Transaction};

use super::{Store, StoreFailed};
use crate::types::EnvironmentKey;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// The statement for this database, where the two differ.
    pub(super) fn sql(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// The connections.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) kind: Kind,
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
}

/// A transaction that may write.
pub(super) type Tx = Transaction<'static, Any>;

/// What only one transaction at a time may touch.
pub(super) enum Guarded<'a> {
    /// The order of the inbox and the turns of its lanes.
    Inbox,
    /// Queue, turn and lock of an environment.
    Environment(&'a EnvironmentKey),
    /// Who owns which place.
    Places,
    /// The end of the audit chain.
    Audit,
}

impl Guarded<'_> {
    fn number(&self) -> i64 {
        let name = match self {
            Self::Inbox => "shipline/inbox".to_owned(),
            Self::Environment(key) => format!("shipline/environment/{key}"),
            Self::Places => "shipline/places".to_owned(),
            Self::Audit => "shipline/audit".to_owned(),
        };
        let hash = Sha256::digest(name.as_bytes());
        hash.iter().take(8).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte))
    }
}

impl Store {
    pub(super) fn kind(&self) -> Kind {
        self.database.kind
    }

    pub(super) fn reader(&self) -> &AnyPool {
        &self.database.reader
    }

    pub(super) fn writer(&self) -> &AnyPool {
        &self.database.writer
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self) -> Result<Tx, StoreFailed> {
        let writer = &self.database.writer;
        Ok(match self.kind() {
            Kind::Sqlite => writer.begin_with("BEGIN IMMEDIATE").await?,
            Kind::Postgres => writer.begin().await?,
        })
    }

    /// Begins a transaction that has something for itself until it ends.
    pub(super) async fn begin_alone(&self, with: Guarded<'_>) -> Result<Tx, StoreFailed> {
        let mut tx = self.begin().await?;
        self.alone(&mut tx, with).await?;
        Ok(tx)
    }

    /// Has something for itself until the transaction ends. In SQLite every writer is alone.
    pub(super) async fn alone(&self, tx: &mut Tx, with: Guarded<'_>) -> Result<(), StoreFailed> {
        if self.kind() == Kind::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(with.number()).execute(&mut **tx).await?;
        }
        Ok(())
    }
}

impl From<sqlx::Error> for StoreFailed {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => {
                Self::Database("it did not answer in time, or all connections are taken".to_owned())
            }
            other => Self::Database(other.to_string()),
        }
    }
}

/// A time as a column holds it.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A time out of a column.
pub(super) fn time(millis: i64) -> Result<Timestamp, StoreFailed> {
    Timestamp::from_millisecond(millis).map_err(|why| unreadable("time", why))
}

/// An id as a column holds it.
pub(super) fn column(number: u64) -> Result<i64, StoreFailed> {
    i64::try_from(number).map_err(|_| StoreFailed::Database(format!("the number {number} is too large to be stored")))
}

/// A number out of a column.
pub(super) fn number(column: i64) -> Result<u64, StoreFailed> {
    u64::try_from(column).map_err(|why| unreadable("number", why))
}

/// A value as the JSON a column holds.
pub(super) fn json<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<String, StoreFailed> {
    serde_json::to_string(value).map_err(|why| StoreFailed::Database(format!("a {what} cannot be written: {why}")))
}

/// A value out of JSON.
pub(super) fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreFailed> {
    serde_json::from_str(text).map_err(|why| unreadable(what, why))
}

/// What is stored cannot be read.
pub(super) fn unreadable(what: &'static str, why: impl std::fmt::Display) -> StoreFailed {
    StoreFailed::Unreadable { what, why: why.to_string() }
}

/// Text without the one character that PostgreSQL cannot hold.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
