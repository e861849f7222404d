//! A batch of deliveries as the database takes it: one JSON text, and what its rows have to do with
//! each other.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::database::{json, text};
use super::{Accepted, StoreFailed};
use crate::webhook::{Delivery, Event};

/// What a batch looks like to the database.
pub(super) struct Batch<'a> {
    deliveries: &'a [Delivery],
    pub(super) ids: Vec<String>,
    lanes: Vec<String>,
    pub(super) json: String,
}

impl<'a> Batch<'a> {
    pub(super) fn of(deliveries: &'a [Delivery]) -> Result<Self, StoreFailed> {
        let ids: Vec<String> = deliveries.iter().map(|delivery| text(&delivery.id)).collect();
        let lanes: Vec<String> = deliveries.iter().map(|delivery| text(&delivery.event.lane())).collect();
        let mut begun = HashSet::new();
        let mut rows = Vec::with_capacity(deliveries.len());
        for ((delivery, id), lane) in deliveries.iter().zip(&ids).zip(&lanes) {
            let first = u8::from(begun.insert(lane));
            let event = json("delivery", &delivery.event)?;
            rows.push((id, text(&delivery.event.semantic_key()), lane, first, event));
        }
        let json = json("batch of deliveries", &rows)?;
        drop(rows);
        Ok(Self { deliveries, ids, lanes, json })
    }

    /// Whether storing it takes no second statement: nobody learns a head from it, and no two of its
    /// deliveries have to do with each other.
    pub(super) fn is_one_statement(&self) -> bool {
        let mut seen = HashSet::new();
        self.deliveries.iter().all(|delivery| !matches!(delivery.event, Event::Pull(_)))
            && self.ids.iter().chain(&self.lanes).all(|word| seen.insert(word))
    }

    /// The first of several with one id in the batch is the one that was stored.
    pub(super) fn answers(&self, stored: &HashMap<String, i64>) -> Vec<Accepted> {
        let mut seen = HashSet::new();
        let new = |id: &'_ String| stored.contains_key(id);
        self.ids
            .iter()
            .map(|id| if new(id) && seen.insert(id.clone()) { Accepted::New } else { Accepted::Known })
            .collect()
    }

    /// Lanes whose first delivery of this batch was known and a later one was not: no delivery of
    /// theirs has been given the turn by the statement.
    pub(super) fn lanes_without_turn(&self, answers: &[Accepted]) -> BTreeSet<&str> {
        debug_assert_eq!(self.deliveries.len(), answers.len(), "one answer each");
        let mut first: HashMap<&str, Accepted> = HashMap::new();
        let mut without = BTreeSet::new();
        for (lane, answer) in self.lanes.iter().zip(answers) {
            if *first.entry(lane).or_insert(*answer) == Accepted::Known && *answer == Accepted::New {
                without.insert(lane.as_str());
            }
        }
        without
    }
}
