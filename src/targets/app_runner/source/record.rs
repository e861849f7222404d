//! What Shipline remembers on a service that App Runner builds: the commit it asked for last, and the
//! last ten that were good. A help, never the truth (see the record of image services).

use std::collections::BTreeMap;

use super::super::record::{COMMIT, OPERATION, Record};
use crate::types::CommitSha;

const BRANCH: &str = "shipline:branch";
const PREVIOUS_BRANCH: &str = "shipline:previous-branch";
const GOOD: [&str; 2] = ["shipline:good", "shipline:good-earlier"];

/// How many good commits are kept.
const KEPT: usize = 10;
/// A tag's value has at most 256 characters: six commits of 40 with spaces between.
const IN_A_TAG: usize = 6;

impl Record {
    /// The operation of the last change we asked for, and its commit.
    pub(super) fn asked(&self) -> Option<(&str, CommitSha)> {
        Some((self.get(OPERATION)?, self.get(COMMIT)?.parse().ok()?))
    }

    /// The branch before the last change we asked for.
    pub(super) fn previous_branch(&self) -> Option<&str> {
        self.get(PREVIOUS_BRANCH)
    }

    /// Commits that were good, newest first.
    pub(super) fn good_commits(&self) -> Vec<CommitSha> {
        let words = GOOD.iter().filter_map(|key| self.get(key)).flat_map(str::split_whitespace);
        words.filter_map(|word| word.parse().ok()).collect()
    }

    /// The record after a change was accepted; `left` served until then and was good.
    pub(super) fn asked_for(&self, operation: &str, asked: Asked<'_>, left: Option<CommitSha>) -> Self {
        let mut good: Vec<CommitSha> = left.into_iter().collect();
        good.extend(self.good_commits());
        self.noted(operation, asked, good)
    }

    /// The record after the way back was accepted: what is left behind was not good.
    pub(super) fn gone_back(&self, operation: &str, asked: Asked<'_>) -> Self {
        self.noted(operation, asked, self.good_commits())
    }

    fn noted(&self, operation: &str, asked: Asked<'_>, good: Vec<CommitSha>) -> Self {
        let mut kept: Vec<String> = Vec::new();
        for commit in good.into_iter().filter(|commit| *commit != asked.commit).map(|commit| commit.to_string()) {
            if !kept.contains(&commit) {
                kept.push(commit);
            }
        }
        kept.truncate(KEPT);
        let mut tags: BTreeMap<String, String> = self.0.clone();
        let (first, rest) = kept.split_at(kept.len().min(IN_A_TAG));
        for (key, value) in [
            (OPERATION, operation.to_owned()),
            (COMMIT, asked.commit.to_string()),
            (BRANCH, asked.branch.to_owned()),
            (PREVIOUS_BRANCH, asked.previous_branch.to_owned()),
            (GOOD[0], first.join(" ")),
            (GOOD[1], rest.join(" ")),
        ] {
            tags.insert(key.to_owned(), value);
        }
        Self(tags)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) commit: CommitSha,
    pub(super) branch: &'a str,
    /// The branch until then.
    pub(super) previous_branch: &'a str,
}
