//! Deployments already on their way to the environment: ours, and those of others that GitHub shows.
//!
//! Ours are queued behind or refused when they are handed in, by the store, in one transaction; what
//! is said here is what a plan shows beforehand. Those of others cannot be queued behind, since nobody
//! tells us of their end: they refuse, a rollback too. A GitHub Deployment without a status is not
//! counted: tools leave such behind. Nor is one whose status is older than any run can be.

use shipline::config::spec::Queue;
use shipline::types::{EnvironmentName, Timestamp};

use super::words::{between, commit, name};
use super::{Denied, ReasonCode, SeenDeployment};
use crate::store::Deployment;

/// No job on GitHub's runners lasts longer: after that somebody else's "in progress" is a leftover.
const FOREIGN: i64 = 6 * 3600;

/// A rollout of ours does not last longer; one of the action that was killed is a leftover then.
const OURS: i64 = 2 * 3600;

/// A deployment that GitHub shows as under way and that is none of the bot's own, newest first.
fn foreign<'a>(
    environment: &EnvironmentName,
    seen: &'a [SeenDeployment],
    own: &[u64],
    now: Timestamp,
) -> Option<&'a SeenDeployment> {
    seen.iter().find(|deployment| {
        let open = deployment.state.as_deref().is_some_and(|s| matches!(s, "queued" | "in_progress" | "pending"));
        let age = now.as_second() - deployment.since.unwrap_or(deployment.created).as_second();
        let most = if deployment.shipline.is_some() { OURS } else { FOREIGN };
        open && age < most && deployment.environment == environment.as_str() && !own.contains(&deployment.id)
    })
}

/// Whether somebody else's deployment is in progress there. `own` are the GitHub Deployments that the
/// bot made.
pub(super) fn clear(
    environment: &EnvironmentName,
    seen: &[SeenDeployment],
    own: &[u64],
    now: Timestamp,
) -> Result<(), Denied> {
    let Some(found) = foreign(environment, seen, own, now) else { return Ok(()) };
    let who = match &found.creator {
        Some(login) => format!("of {}", name(login)),
        None => "of somebody else".to_owned(),
    };
    let state = found.state.as_deref().unwrap_or_default().replace('_', " ");
    let since = between(found.since.unwrap_or(found.created), now);
    let what = format!("A GitHub Deployment {who} is in progress on `{environment}`.");
    let next = "Wait for its end or cancel its workflow run, then comment again. If nothing runs any more, set its status to `inactive`.";
    Err(Denied::new(ReasonCode::ForeignDeployment, what, next).because(format!(
        "It brings {} and has been {state} for {since} (GitHub Deployment `{}`).",
        commit(found.sha),
        found.id
    )))
}

/// Whether one of ours is open and the policy says no to a second.
pub(super) fn free(
    environment: &EnvironmentName,
    open: &[Deployment],
    queue: Queue,
    now: Timestamp,
) -> Result<(), Denied> {
    match (queue, open.first()) {
        (Queue::Refuse, Some(running)) => Err(busy(environment, running, now)),
        (Queue::One, _) | (Queue::Refuse, None) => Ok(()),
    }
}

/// Another deployment is open and the policy says no to a second.
pub fn busy(environment: &EnvironmentName, running: &Deployment, now: Timestamp) -> Denied {
    under_way(environment, running, now).because("The policy says `queue: refuse`.".to_owned())
}

/// Another deployment is open.
pub(super) fn under_way(environment: &EnvironmentName, running: &Deployment, now: Timestamp) -> Denied {
    let what = format!(
        "A deployment that {} asked for {} ago is on its way to `{environment}`.",
        name(&running.asked.actor.login),
        between(running.created, now)
    );
    let next = format!("Comment again when it is over, or stop it with `/cancel {environment}`.");
    Denied::new(ReasonCode::Busy, what, next)
}
