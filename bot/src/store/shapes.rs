//! What goes into the store and comes out of it, beside deployments.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipline::redact::Redactor;
use shipline::types::{CommitSha, Timestamp};

use crate::types::{Actor, EnvironmentKey, RepositoryId};
use crate::webhook::Delivery;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailed {
    /// The database does not answer, is full, or is not one of ours.
    #[error("the database failed: {0}")]
    Database(String),
    /// The lease has run out, or another worker has it: whoever holds it must stop.
    #[error("the lease on {0} is lost")]
    LeaseLost(EnvironmentKey),
    /// What is stored cannot be read: written by a newer version, or damaged.
    #[error("a stored {what} cannot be read: {why}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}

/// What became of a delivery that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Stored now.
    New,
    /// Its id or its meaning was stored before.
    Known,
}

/// A delivery somebody works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The order in which deliveries were stored.
    pub sequence: u64,
    /// The delivery.
    pub delivery: Delivery,
    /// How often it was tried before; above 0 some of its effects may have happened.
    pub attempts: u32,
    /// When it was stored.
    pub received: Timestamp,
    /// Which claim this is: a later one outdates it.
    pub claim: u64,
    /// How many tries in a row before this one ended without a word.
    pub deaths: u32,
}

/// How work on a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// Done, or nothing to do.
    Done,
    /// It failed and is tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Why it failed.
        why: String,
    },
    /// It keeps failing: put aside, visible, with the reason.
    Parked {
        /// Why.
        why: String,
    },
}

/// How much waits in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Deliveries that wait or are worked on.
    pub waiting: u64,
    /// When the oldest of them was stored.
    pub oldest: Option<Timestamp>,
    /// Deliveries put aside.
    pub parked: u64,
    /// Open deployments.
    pub deployments: u64,
}

/// A head of a pull request that a delivery taught us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub sha: CommitSha,
    /// When, by GitHub's clock, the pull request changed to it.
    pub at: Timestamp,
    /// The order of the delivery.
    pub sequence: u64,
}

/// A person's wish that nobody deploys to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// What is locked.
    pub key: EnvironmentKey,
    /// Who holds it.
    pub holder: Actor,
    /// Why, in the holder's words; may be empty.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is unlocked when absent.
    pub until: Option<Timestamp>,
}

/// The answer to a wish for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAnswer {
    /// It is held now.
    Locked,
    /// Its holder held it before; reason and end are the new ones.
    Renewed,
    /// Somebody else holds it.
    HeldBy(Lock),
}

/// A place that belongs to another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The place.
    pub place: String,
    /// Whose it is.
    pub repository: RepositoryId,
}

/// Something to put into the audit chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAudit {
    /// Names the happening, so that it is written once even when the work is done twice.
    pub key: String,
    /// Where; absent for what is about the bot itself.
    pub repository: Option<RepositoryId>,
    /// `owner/name` at that time.
    pub repository_name: Option<String>,
    /// Which environment, if about one.
    pub environment: Option<String>,
    /// Who asked; absent for what the bot does by itself.
    pub actor: Option<Actor>,
    /// What: `deploy`, `lock`, `rollout-finished`…
    pub action: String,
    /// How it ended: a reason code.
    pub outcome: String,
    /// Everything else worth keeping: commit of the policy, SHA, plan hash, links.
    pub details: Value,
}

impl NewAudit {
    /// People write secrets into reasons, programs into logs. The chain is made of what is stored, and
    /// is exported as it is: so they go before.
    #[must_use]
    pub fn without_secrets(mut self, redactor: &Redactor) -> Self {
        self.details = cleaned(redactor, self.details);
        self
    }
}

fn cleaned(redactor: &Redactor, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.clean(&text)),
        Value::Array(items) => items.into_iter().map(|item| cleaned(redactor, item)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (redactor.clean(&name), cleaned(redactor, value))).collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// One link of the audit chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub entry: NewAudit,
    /// Hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// SHA-256 over this entry without this field, in canonical JSON.
    pub hash: String,
}
