//! What a lock stops.
//!
//! A lock that a person made by hand stops everybody but that person: it is made to have the
//! environment for oneself. It stops rollbacks of others too, since its holder may be in the middle
//! of something that a rollback would break; `/unlock --force` is the way past it, with a reason in
//! the audit chain. A lock that a rollback left means "look before you deploy": it stops every
//! deploy, also of whoever asked for the rollback, and no further rollback.

use shipline::types::Timestamp;

use super::words::{between, name};
use super::{Denied, ReasonCode};
use crate::store::Lock;
use crate::types::{Actor, UserId};

/// The reason of a lock that a rollback leaves behind begins with this: that is how it is told from
/// one that a person made.
pub const AFTER_ROLLBACK: &str = "rolled back, look before you deploy";

/// What somebody wants to do to a locked environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Put something there.
    Deploy,
    /// Go back.
    Rollback,
}

/// Whether a rollback left this lock.
pub fn is_after_rollback(lock: &Lock) -> bool {
    lock.reason.starts_with(AFTER_ROLLBACK)
}

fn stops(lock: &Lock, wish: Wish, actor: UserId) -> bool {
    match wish {
        Wish::Deploy => is_after_rollback(lock) || lock.holder.id != actor,
        Wish::Rollback => !is_after_rollback(lock) && lock.holder.id != actor,
    }
}

/// Whether the lock, if there is one, lets the wish through.
pub fn open(lock: Option<&Lock>, wish: Wish, actor: &Actor, now: Timestamp) -> Result<(), Denied> {
    let Some(lock) = lock.filter(|lock| lock.until.is_none_or(|until| until > now)) else { return Ok(()) };
    if !stops(lock, wish, actor.id) {
        return Ok(());
    }
    let environment = &lock.key.environment;
    let until = lock.until.map(|until| format!(" and stays locked for another {}", between(now, until)));
    let held = format!(
        "`{environment}` was locked by {} {} ago{}.",
        name(&lock.holder.login),
        between(lock.since, now),
        until.unwrap_or_default()
    );
    let next = if lock.holder.id == actor.id {
        format!("Look at it with `/status {environment}`. When it may be deployed to again: `/unlock {environment}`.")
    } else if is_after_rollback(lock) {
        format!(
            "Look at it with `/status {environment}`. {} can `/unlock {environment}`; anybody else who may unlock writes `/unlock {environment} --force <reason>`.",
            name(&lock.holder.login),
        )
    } else {
        format!(
            "Ask {}, or if it cannot wait, somebody who may unlock writes `/unlock {environment} --force <reason>`.",
            name(&lock.holder.login),
        )
    };
    let denied = Denied::new(ReasonCode::Locked, held, next);
    Err(if lock.reason.is_empty() { denied } else { denied.because(format!("The reason given: {}", lock.reason)) })
}
