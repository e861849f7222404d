//! Answers that rarely change, remembered with GitHub's name for their version: asking again costs
//! nothing while they are the same.
//!
//! Not a cache of decisions: GitHub is asked every time, with the asker's own token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::types::InstallationId;

/// How many answers are remembered.
const MOST: usize = 512;

/// Larger answers are not remembered, so that all together stay small.
const LARGEST: usize = 64 * 1024;

/// An answer as it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) etag: String,
    pub(super) body: String,
    /// The address of the next page.
    pub(super) next: Option<String>,
}

/// The answers to recent questions, the longest unused forgotten first.
#[derive(Default)]
pub(super) struct Etags(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashMap<Question, (u64, Arc<Remembered>)>,
    uses: u64,
}

/// Who asked for what. One installation is never told what another was.
type Question = (InstallationId, String);

impl Etags {
    pub(super) fn get(&self, who: InstallationId, path: &str) -> Option<Arc<Remembered>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let now = inner.uses;
        let (used, answer) = inner.known.get_mut(&(who, path.to_owned()))?;
        *used = now;
        Some(Arc::clone(answer))
    }

    pub(super) fn put(&self, who: InstallationId, path: &str, answer: Remembered) {
        if answer.body.len() > LARGEST {
            return;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let uses = inner.uses;
        inner.known.insert((who, path.to_owned()), (uses, Arc::new(answer)));
        if inner.known.len() > MOST {
            let oldest = inner.known.iter().min_by_key(|(_, (used, _))| *used).map(|(question, _)| question.clone());
            oldest.and_then(|question| inner.known.remove(&question));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(etag: &str) -> Remembered {
        Remembered { etag: etag.to_owned(), body: String::new(), next: None }
    }

    #[test]
    fn the_longest_unused_answer_is_forgotten_and_no_installation_sees_anothers() {
        let (etags, one, two) = (Etags::default(), InstallationId::new(1), InstallationId::new(2));
        for n in 0..MOST {
            etags.put(one, &n.to_string(), answer("a"));
        }
        assert!(etags.get(one, "0").is_some());
        etags.put(one, "new", answer("b"));
        assert!(etags.get(one, "0").is_some(), "it was used since");
        assert_eq!(etags.get(one, "1"), None);
        assert_eq!(etags.get(two, "0"), None);
        etags.put(two, "large", Remembered { body: "x".repeat(LARGEST + 1), ..answer("c") });
        assert_eq!(etags.get(two, "large"), None);
    }
}
