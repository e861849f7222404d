//! The order of environments: whether one holds a very release, and since when.
//!
//! "Hold" is meant: a release that was there yesterday and was replaced since is not there. What is
//! there is told per service, since a deployment may bring only some of them.

use crate::types::{CommitSha, ServiceName, Timestamp};

/// A release that was brought to an environment and was good there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Its commit, when known.
    pub commit: Option<CommitSha>,
    /// The services it was brought for.
    pub services: Vec<ServiceName>,
    /// Since when it was good.
    pub since: Timestamp,
}

/// Since when an environment holds this commit for all of these services; nothing when it does not.
/// `brought` may come in any order. Bringing the same commit again does not begin its time anew.
pub fn held_since(brought: &[Brought], services: &[ServiceName], sha: CommitSha) -> Option<Timestamp> {
    let mut newest_first: Vec<&Brought> = brought.iter().collect();
    newest_first.sort_by_key(|one| std::cmp::Reverse(one.since));
    let of = |service: &ServiceName| {
        let mut having = newest_first.iter().filter(|one| one.services.contains(service));
        let mut since = None;
        while let Some(one) = having.next().filter(|one| one.commit == Some(sha)) {
            since = Some(one.since);
        }
        since
    };
    // The service that came last decides; one that is not there decides against it.
    services.iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().max()
}
