//! Deliveries that never arrived: GitHub does not send again by itself, so the bot asks for them.
//!
//! At the start and every few minutes GitHub's own list is read, as far back as it was not read before by
//! any process. Invariants: a delivery that arrived, or is stored, or was just sent, is not asked for; one
//! that keeps failing is asked for a few times only; replicas that do the same at once do no harm, since a
//! delivery is stored once.

use std::collections::BTreeMap;
use std::time::Duration;

use shipline::engine::{Cancel, clock};
use shipline::problem::Problem;
use shipline::types::Timestamp;

use crate::context::Bot;
use crate::github::PastDelivery;
use crate::store::StoreFailed;

/// GitHub keeps deliveries for three days.
const KEPT: Duration = Duration::from_hours(3 * 24);
/// Looks overlap by so much: a delivery is listed some time after it was sent.
const OVERLAP: Duration = Duration::from_mins(30);
/// A delivery younger than this may still be on its way, or be asked for by another replica.
const SETTLED: Duration = Duration::from_secs(30);
/// A delivery that failed so often, with all the times it was asked for again, will fail again.
const ATTEMPTS: usize = 6;
/// Events that would be stored. The rest is not worth a request.
const WANTED: [&str; 5] = ["issue_comment", "pull_request", "workflow_run", "check_run", "deployment_protection_rule"];

#[derive(Debug, thiserror::Error)]
enum NotRecovered {
    #[error("{0}")]
    GitHub(#[from] Problem),
    #[error("{0}")]
    Store(#[from] StoreFailed),
}

/// Looks for missed deliveries until the stop.
pub async fn run(bot: &Bot, stop: &Cancel) {
    while !stop.is_cancelled() {
        let recovered = tokio::select! {
            () = stop.cancelled() => return,
            recovered = recover(bot, clock::now()) => recovered,
        };
        match recovered {
            Ok(0) => {}
            Ok(deliveries) => tracing::warn!(deliveries, "missed deliveries were asked for again"),
            // The next look goes back as far as this one should have.
            Err(failure) => tracing::warn!(%failure, "missed deliveries could not be looked for"),
        }
        let _ = tokio::time::timeout(bot.times.recovery, stop.cancelled()).await;
    }
}

/// How far back a look goes.
fn since(looked: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let furthest = now - KEPT;
    looked.map_or(furthest, |looked| (looked - OVERLAP).max(furthest))
}

async fn recover(bot: &Bot, now: Timestamp) -> Result<usize, NotRecovered> {
    let past = bot.app.deliveries_since(since(bot.store.recovered().await?, now)).await?;
    let asked = ask_for(bot, missed(&past, now)).await?;
    bot.store.note_recovered(now).await?;
    Ok(asked)
}

async fn ask_for(bot: &Bot, mut missed: Vec<&PastDelivery>) -> Result<usize, NotRecovered> {
    if missed.is_empty() {
        return Ok(0);
    }
    let ids: Vec<String> = missed.iter().map(|delivery| delivery.guid.clone()).collect();
    let known = bot.store.known_deliveries(&ids).await?;
    missed.retain(|delivery| !known.contains(&delivery.guid));
    for delivery in &missed {
        bot.app.redeliver(delivery.id).await?;
        tracing::info!(delivery = delivery.guid, event = delivery.event, sent = %delivery.at, "asked for again");
    }
    Ok(missed.len())
}

/// Deliveries of which no attempt arrived, oldest first: what came first is asked for first.
fn missed(past: &[PastDelivery], now: Timestamp) -> Vec<&PastDelivery> {
    let mut attempts: BTreeMap<&str, Vec<&PastDelivery>> = BTreeMap::new();
    for delivery in past {
        attempts.entry(&delivery.guid).or_default().push(delivery);
    }
    let mut missed: Vec<&PastDelivery> = attempts
        .into_values()
        .filter(|attempts| !attempts.iter().any(|attempt| attempt.arrived) && attempts.len() < ATTEMPTS)
        .filter_map(|attempts| attempts.into_iter().max_by_key(|attempt| attempt.at))
        .filter(|last| now.duration_since(last.at).unsigned_abs() >= SETTLED)
        .filter(|last| WANTED.contains(&last.event.split('.').next().unwrap_or_default()))
        .collect();
    missed.sort_by_key(|delivery| (delivery.at, delivery.id));
    missed
}

#[cfg(test)]
mod tests;
