//! Secrets stay secret: the mask registry and the redactor every outbound text goes through.
//!
//! Two nets: *declared* values (whatever the program has read as a secret) in every encoding they
//! are likely to turn up in, and *patterns* of well-known credentials nobody declared. Both work on
//! the same text and what they find is merged, so overlapping secrets leave no rest between them.
//!
//! Invariants: time is linear in the text; no declared value of [`SHORTEST`] or more characters
//! survives [`Redactor::clean`]; nothing here prints a secret, in `Debug` neither.
//!
//! It is not a sandbox: a value cut in pieces, or in an encoding that is not in `encodings`, passes.
//! That is why secrets have a type and are not printed in the first place.

mod encodings;
mod patterns;
mod terminal;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

pub use terminal::without_controls;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// The shortest value that is masked, in characters. Shorter ones (`1`, `dev`) would blank half of
/// every log and protect nothing; they are ignored, and so are the shorter lines of a longer value.
pub const SHORTEST: usize = 4;

/// Encoded forms shorter than this are left out: they would hit ordinary words.
const SHORTEST_ENCODED: usize = 8;

/// Knows the secrets of this run. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    declared: Vec<SecretString>,
    forms: BTreeSet<String>,
    /// Finds any of `forms`; absent while there are none.
    search: Option<AhoCorasick>,
}

impl Redactor {
    /// One that knows patterns only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a secret: its value, each of its lines, and the encodings of both. Values shorter
    /// than [`SHORTEST`] are ignored.
    pub fn add(&self, secret: impl Into<SecretString>) {
        let secret: SecretString = secret.into();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for part in parts(secret.expose_secret()) {
            if known.forms.insert(part.to_owned()) {
                changed = true;
                known.declared.push(SecretString::from(part));
                let encoded = encodings::of(part).into_iter().filter(|form| form.len() >= SHORTEST_ENCODED);
                known.forms.extend(encoded);
            }
        }
        if changed {
            // Fails only beyond limits of the automaton (gigabytes of secrets): patterns still work then.
            known.search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&known.forms).ok();
        }
    }

    /// The values that were registered, one line each: what GitHub is told with `::add-mask::`.
    /// The runner makes its own encodings.
    pub fn declared(&self) -> Vec<SecretString> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.declared.iter().filter(|value| !value.expose_secret().contains(['\n', '\r'])).cloned().collect()
    }

    /// The text with every known secret replaced by [`MASK`].
    pub fn clean(&self, text: &str) -> String {
        let mut found = patterns::find(text);
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(search) = &known.search {
                found.extend(search.find_overlapping_iter(text).map(|hit| hit.range()));
            }
        }
        masked(text, found)
    }

    /// The document with every text in it clean. Text by text: on the written document a secret's
    /// pattern could reach over a quote and leave something that is no JSON.
    pub fn clean_document(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.clean_document(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, item)| (self.clean(&name), self.clean_document(item))).collect()
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    /// [`clean`](Self::clean), and without anything that moves a cursor, colours, reorders or hides
    /// text: escape sequences, control characters but newline and tab, bidirectional overrides.
    pub fn clean_for_terminal(&self, text: &str) -> String {
        // Twice: a secret may hold a control character, and may be hidden by one in its middle.
        self.clean(&without_controls(&self.clean(text)))
    }
}

/// Counts only.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Redactor({} secrets)", known.declared.len())
    }
}

/// A value as it is, without the line end files bring along, and its lines.
fn parts(value: &str) -> Vec<&str> {
    let mut parts = vec![value, value.trim_end_matches(['\n', '\r'])];
    if value.contains(['\n', '\r']) {
        parts.extend(value.split(['\n', '\r']));
        parts.extend(value.split(['\n', '\r']).map(str::trim));
    }
    parts.retain(|part| part.chars().count() >= SHORTEST);
    parts
}

/// Replaces ranges, which may overlap and come in any order. They lie on character boundaries:
/// every form and every pattern is made of whole characters.
fn masked(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_unstable_by_key(|range| (range.start, range.end));
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    let mut masked_to = None;
    for range in found.into_iter().filter(|range| !range.is_empty()) {
        // What touches a mask belongs to it.
        if masked_to.is_none_or(|end| range.start > end) {
            clean.push_str(&text[done..range.start]);
            clean.push_str(MASK);
        }
        done = done.max(range.end);
        masked_to = Some(done);
    }
    clean.push_str(&text[done..]);
    clean
}

#[cfg(test)]
mod tests;
