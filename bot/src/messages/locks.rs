//! Locks: held, let go, and how a comment says who holds one.

use shipline::report::escape::code;
use shipline::types::Timestamp;

use super::sections::Sections;
use super::words::{at, long, quoted, who};
use crate::store::Lock;
use crate::types::Actor;

/// An environment is locked now.
pub fn locked(lock: &Lock, now: Timestamp) -> String {
    let place = code(lock.key.environment.as_str());
    let mut text = Sections::new();
    let end = match lock.until {
        Some(until) => format!("until {} (for {})", at(until), long(until.as_second() - now.as_second())),
        None => "until somebody unlocks it".to_owned(),
    };
    text.add(&format!("🔒 {place} is locked by {} {end}{}", who(&lock.holder), because(&lock.reason)));
    text.add(&format!(
        "Nobody else deploys or goes back there meanwhile. Let it go: `/unlock {}`",
        lock.key.environment
    ));
    text.finish()
}

/// It is not any more; `by` did it, `force` is why if the lock was somebody else's.
pub fn unlocked(lock: &Lock, by: &Actor, force: Option<&str>) -> String {
    let place = code(lock.key.environment.as_str());
    let mut text = Sections::new();
    let whose = if lock.holder.id == by.id {
        format!("🔓 {} let {place} go", who(by))
    } else {
        format!("🔓 {} removed the lock of {} on {place}", who(by), who(&lock.holder))
    };
    text.add(&format!("{whose}{}", because(force.unwrap_or_default())));
    text.add(&format!("It had been held since {}{}", at(lock.since), because(&lock.reason)));
    text.finish()
}

/// Who holds the environment, since when, until when and why: one line.
pub(super) fn line(lock: &Lock) -> String {
    let until = lock.until.map(|until| format!(" until {}", at(until))).unwrap_or_default();
    format!("🔒 locked by {} since {}{until}{}", who(&lock.holder), at(lock.since), because(&lock.reason))
}

/// The end of a sentence with a reason, or a full stop.
fn because(reason: &str) -> String {
    let reason = quoted(reason);
    if reason.is_empty() { ".".to_owned() } else { format!(": {reason}") }
}
