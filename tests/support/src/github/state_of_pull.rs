//! What GitHub concludes about a pull request: reviews, and whether it may be merged.

use super::GitHub;
use super::people::Role;
use super::pulls::{Mergeable, Pull, Review};
use crate::reply::Millis;

impl GitHub {
    /// The latest review of everybody that says yes or no.
    pub(super) fn opinions<'a>(&'a self, full: &str, pull: &'a Pull, at_least: Role) -> Vec<&'a Review> {
        let repository = &self.repositories[full];
        let mut latest: Vec<&Review> = Vec::new();
        for review in pull.reviews.iter().filter(|review| review.state != "COMMENTED") {
            latest.retain(|known| known.author != review.author);
            latest.push(review);
        }
        latest.retain(|review| repository.role(review.author).is_some_and(|role| role >= at_least));
        latest
    }

    /// GitHub's `reviewDecision`: nothing where no review is required.
    pub(super) fn review_decision(&self, full: &str, pull: &Pull) -> Option<&'static str> {
        let needed = self.repositories[full].required_reviews(&pull.base);
        if needed == 0 {
            return None;
        }
        let opinions = self.opinions(full, pull, Role::Write);
        let count = |state: &str| opinions.iter().filter(|review| review.state == state).count();
        Some(match (count("CHANGES_REQUESTED"), count("APPROVED")) {
            (1.., _) => "CHANGES_REQUESTED",
            (0, yes) if yes >= needed => "APPROVED",
            _ => "REVIEW_REQUIRED",
        })
    }

    /// Whether the base has commits that the head has not.
    pub(super) fn is_behind(&self, full: &str, pull: &Pull, now: Millis) -> bool {
        let repository = &self.repositories[full];
        let Some(base) = repository.references.get(&pull.base) else { return false };
        let head = self.head_ancestors(full, pull, now);
        !head.iter().any(|sha| sha == base)
    }

    fn head_ancestors(&self, full: &str, pull: &Pull, now: Millis) -> Vec<String> {
        let place = pull.head_repository.as_deref().unwrap_or(full);
        let repository = self.repositories.get(place).unwrap_or(&self.repositories[full]);
        repository.ancestors(pull.seen_head(now)).into_iter().map(str::to_owned).collect()
    }

    /// GitHub's `mergeStateStatus`.
    pub(super) fn merge_state(&self, full: &str, pull: &Pull, now: Millis) -> String {
        if let Some(given) = &pull.merge_state {
            return given.clone();
        }
        let repository = &self.repositories[full];
        let sha = pull.seen_head(now);
        let required = repository.required(&pull.base);
        let word = match pull.mergeable {
            _ if !pull.is_open() => "UNKNOWN",
            Mergeable::Unknown => "UNKNOWN",
            Mergeable::Conflicting => "DIRTY",
            Mergeable::Yes if pull.is_draft() => "DRAFT",
            Mergeable::Yes => {
                let missing = required.iter().any(|(name, app)| !repository.is_green(sha, name, *app));
                let decision = self.review_decision(full, pull);
                if missing || !matches!(decision, None | Some("APPROVED")) {
                    "BLOCKED"
                } else if repository.is_strict(&pull.base) && self.is_behind(full, pull, now) {
                    "BEHIND"
                } else if repository.has_red(sha) {
                    "UNSTABLE"
                } else {
                    "CLEAN"
                }
            }
        };
        word.to_owned()
    }
}
