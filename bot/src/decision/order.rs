//! The order of environments: `requires` hold this very release, good, for at least `soak`.
//!
//! "Hold" is meant: a release that was there yesterday and was replaced since is not there. What is
//! there is told per service, since a deployment may bring only some of them: by the bot's ledger and
//! by GitHub Deployments that Shipline's action made. Deployments of other tools say nothing about
//! our services and are not counted.

use shipline::config::spec::Policy;
pub(super) use shipline::rollout::{Brought, held_since};
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use super::words::{between, commit, list};
use super::{CommitFacts, Denied, ReasonCode};

/// Whether the release is on the environments that come before, long enough.
pub(super) fn kept(
    environment: &str,
    policy: &Policy,
    sha: CommitSha,
    facts: &CommitFacts,
    now: Timestamp,
) -> Result<(), Denied> {
    let since = |required: &EnvironmentName| {
        facts.good_since.iter().find(|(name, _)| name == required).and_then(|(_, since)| *since)
    };
    let missing: Vec<String> =
        policy.requires.iter().filter(|name| since(name).is_none()).map(|name| format!("`{name}`")).collect();
    if let Some(first) = policy.requires.iter().find(|name| since(name).is_none()) {
        let what = format!(
            "`{environment}` takes what is good on {}, and {} is not there.",
            list(&missing, "and"),
            commit(sha)
        );
        let next = format!("`/deploy {first} --sha {sha}` first; when it is good there, comment again.");
        return Err(Denied::new(ReasonCode::RequiresMissing, what, next));
    }
    let soak = i64::from(policy.soak.as_seconds());
    let latest = policy.requires.iter().filter_map(|name| Some((since(name)?, name))).max();
    match latest {
        // GitHub's clock may run ahead of ours: nobody waits where no time is asked for.
        Some((good, name)) if soak > 0 && now.as_second() < good.as_second() + soak => {
            let left = super::words::length(good.as_second() + soak - now.as_second());
            let what = format!(
                "{} has been good on `{name}` for {}; `{environment}` asks for {}.",
                commit(sha),
                between(good, now),
                policy.soak
            );
            Err(Denied::new(ReasonCode::Soaking, what, format!("Comment again in {left}.")))
        }
        _ => Ok(()),
    }
}
