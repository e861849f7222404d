//! When a delivery that failed is tried again, and when it is put aside. Pure.

use std::time::Duration;

use shipline::types::Timestamp;

use crate::handlers::{HandlerFailed, Hope};
use crate::store::DeliveryEnd;

/// The pause after the first failure; doubled after every other one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause of our own choice.
const MOST: Duration = Duration::from_mins(5);
/// The longest pause somebody else may ask for: GitHub's limits are reset every hour.
const ASKED: Duration = Duration::from_mins(65);
/// Tries while others are in trouble: about four hours.
pub(super) const PASSING: u32 = 56;
/// Tries with a defect of our own.
pub(super) const DEFECT: u32 = 10;
/// Tries that end without a word, one after another.
pub(super) const DEATHS: u32 = 3;

/// What happens to a delivery whose try number `tries` (from 1) failed.
pub(super) fn after(failed: &HandlerFailed, tries: u32, now: Timestamp) -> DeliveryEnd {
    let most = match failed.hope {
        Hope::Passes { .. } => PASSING,
        Hope::Defect => DEFECT,
        Hope::None => 0,
    };
    let parked = |why: String| DeliveryEnd::Parked { why };
    match most {
        0 => parked(failed.why.clone()),
        most if tries >= most => parked(format!("given up after {tries} tries: {}", failed.why)),
        _ => {
            let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(MOST);
            let asked = match failed.hope {
                Hope::Passes { after } => after.unwrap_or_default().min(ASKED),
                Hope::Defect | Hope::None => Duration::ZERO,
            };
            DeliveryEnd::Retry { at: now + doubled.max(asked), why: failed.why.clone() }
        }
    }
}

/// A delivery whose tries ended without a word so often: its work takes the whole process down, and
/// everybody else's with it.
pub(super) fn hopeless(deaths: u32) -> Option<DeliveryEnd> {
    (deaths >= DEATHS).then(|| DeliveryEnd::Parked {
        why: format!("given up: {deaths} tries in a row ended without a word; did the process die?"),
    })
}

#[cfg(test)]
mod tests;
