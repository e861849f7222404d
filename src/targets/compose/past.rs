//! What is live and what was good before, from the record that the host keeps.

use super::ComposeTarget;
use super::prepare::refused;
use super::record::{self, Entry, Leaving, NOTHING, Was};
use crate::engine::{Past, PastRevision, TargetError};
use crate::problem::Problem;
use crate::rollout::Revision;
use crate::types::Timestamp;

impl ComposeTarget {
    /// The past, and since when the live one serves where the host recorded it.
    pub(super) async fn remember(&self) -> Result<(Past, Option<Timestamp>), TargetError> {
        let seen = self.survey().await?;
        if let Some(said) = &seen.no_compose {
            let what = format!("`docker compose` does not run on {}", self.host_name());
            let next = "Install Docker and its compose plugin there.";
            return Err(refused(Problem::refused("compose-missing", what, next).because(said.trim().to_owned())));
        }
        let live = record::live(&seen);
        let entries = Entry::all(&seen);
        let good = good(&entries, &live);
        let since = |revision: &Revision| since(&entries, &seen.asked, revision);
        let mut notices = Vec::new();
        if good.is_empty() {
            notices.push("no earlier release is recorded on the host yet".to_owned());
        }
        let dated = |revision: Revision| PastRevision { since: since(&revision), revision };
        let good = good.into_iter().map(dated).collect();
        let served = since(&live);
        Ok((Past { live, good, notices }, served))
    }
}

/// When the last change to a revision was asked for.
fn since(entries: &[Entry], asked: &[(Timestamp, String)], revision: &Revision) -> Option<Timestamp> {
    let entry = entries.iter().rev().find(|entry| entry.wanted.revision.id == revision.id)?;
    asked.iter().rev().find(|(_, job)| *job == entry.job).map(|(at, _)| *at)
}

/// Good revisions, newest first. Those that a person went away from come last: they were good once,
/// and are hardly what somebody who goes back again means.
fn good(entries: &[Entry], live: &Revision) -> Vec<Revision> {
    let left = |entry: &&&Entry| entry.wanted.leaving == Leaving::Away;
    let newest: Vec<&Entry> = entries.iter().rev().filter(|entry| entry.was == Was::Good).collect();
    let (away, behind): (Vec<&Entry>, Vec<&Entry>) = newest.iter().partition(|entry| left(entry));
    let mut good: Vec<Revision> = Vec::new();
    for entry in behind.into_iter().chain(away) {
        let previous = &entry.previous;
        // What was left for good after it had been behind others is to be found among the last.
        let away_later = entries
            .iter()
            .rev()
            .find(|known| known.previous.id == previous.id)
            .is_some_and(|known| known.wanted.leaving == Leaving::Away && entry.wanted.leaving == Leaving::Behind);
        if previous.id != NOTHING
            && previous.id != live.id
            && !away_later
            && good.iter().all(|known| known.id != previous.id)
        {
            good.push(previous.clone());
        }
    }
    good
}

#[cfg(test)]
mod tests;
