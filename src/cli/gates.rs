//! The gates of an environment that a run in a workflow holds by itself: freeze windows, and the
//! environments that must hold the release first.
//!
//! What those hold is read from the GitHub Deployments that Shipline made, so it needs a token and a
//! known commit; without them nobody can say, and that refuses. A rollback passes no gate.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::ledger;
use super::recorder::Recorder;
use crate::config::spec::{Approval, EnvironmentSpec, Policy};
use crate::engine::clock;
use crate::github::{Client, Deployment, DeploymentState};
use crate::problem::{Problem, Problems};
use crate::report::{between, length, moment};
use crate::rollout::{Brought, Frozen, frozen, held_since};
use crate::types::{CommitSha, EnvironmentName, ServiceName, Timestamp};

/// How many of an environment's newest deployments are looked at.
const RECENT: u8 = 20;

/// What a closed gate means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    /// The run ends.
    Hold,
    /// It is told: nothing is about to change.
    Tell,
}

impl Gates {
    /// Passes, refuses or tells.
    pub(super) fn pass(self, gate: Result<(), Problems>, recorder: &Recorder) -> Result<(), Problems> {
        let Err(problems) = gate else { return Ok(()) };
        match self {
            Self::Hold => Err(problems),
            Self::Tell => {
                for problem in problems.all() {
                    recorder.notice(&format!("a deploy would be refused now: {} {}", problem.what, problem.next));
                }
                Ok(())
            }
        }
    }
}

/// Whether a step of the rollout waits for a person: nobody can answer a run in a workflow.
pub(super) fn person(name: &EnvironmentName, spec: &EnvironmentSpec) -> Result<(), Problems> {
    if spec.steering.strategy.asks() == Approval::NotAsked {
        return Ok(());
    }
    let what = format!(
        "a {} rollout of {name} asks a person in its middle, and a run in a workflow cannot be answered",
        spec.steering.strategy.word()
    );
    let next = "Deploy it with the bot (`/deploy`), or remove `approval` there: a GitHub environment with required reviewers \
                asks before the run, and `analysis` decides about the steps.";
    Err(Problem::refused("needs-a-person", what, next).into())
}

/// Whether the freeze windows let a deployment begin now.
pub(super) fn freeze(name: &EnvironmentName, spec: &EnvironmentSpec) -> Result<(), Problems> {
    let now = clock::now();
    let refused = |what: String, next: &str| Err(Problem::refused("frozen", what, next).into());
    match frozen(&spec.policy.freeze, now) {
        Frozen::No => Ok(()),
        Frozen::Until(end, zone) => refused(
            format!("{name} is frozen until {}, {} from now", moment(end, &zone), between(now, end)),
            "Run again then. Going back is always possible: `shipline rollback`.",
        ),
        Frozen::Always => refused(
            format!("{name} is frozen all week: its windows leave no gap"),
            "Change `freeze` in the configuration.",
        ),
        Frozen::UnknownZone(zone) => refused(
            format!("{name} has a freeze window in the time zone `{zone}`, which is not known here"),
            "Write the zone as the IANA database has it, for example `Europe/Berlin`; the machine needs its tzdata.",
        ),
    }
}

/// Whether the environments that come before hold this commit for all of these services, long enough.
pub(super) async fn order(
    name: &EnvironmentName,
    policy: &Policy,
    services: &[ServiceName],
    commit: Option<CommitSha>,
    github: Option<&Client>,
) -> Result<(), Problems> {
    if policy.requires.is_empty() {
        return Ok(());
    }
    let Some(github) = github else {
        let what = format!("{name} takes what is good on {}, and nobody can be asked what is there", all(policy));
        let next = "Give a GitHub token with `deployments: read` (`github-token`; `SHIPLINE_GITHUB_TOKEN` on the command line) and the repository in GITHUB_REPOSITORY.";
        return Err(Problem::refused("requires-unknown", what, next).into());
    };
    let Some(commit) = commit else {
        let what = format!("{name} takes what is good on {}, and the commit of these images is not known", all(policy));
        let next = "Deploy images whose label `org.opencontainers.image.revision` names their commit, or give `--sha`.";
        return Err(Problem::refused("requires-unknown", what, next).into());
    };
    let asked = policy.requires.iter().map(async |required| {
        let seen = github.deployments(required, None, RECENT).await?;
        Ok::<_, Problem>((required, holds(&seen, required, services, commit)))
    });
    let answers: Result<BTreeMap<_, _>, Problem> = join_all(asked).await.into_iter().collect();
    kept(name, policy, commit, &answers?, clock::now()).map_err(Problems::from)
}

fn all(policy: &Policy) -> String {
    policy.requires.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// Since when an environment holds the commit, by its GitHub Deployments (newest first).
fn holds(
    seen: &[Deployment],
    environment: &EnvironmentName,
    services: &[ServiceName],
    commit: CommitSha,
) -> Option<Timestamp> {
    let ours = seen.iter().filter(|one| !one.is_foreign() && one.environment == environment.as_str());
    let mut ours = ours.filter(|one| one.status.is_some()).peekable();
    // After one that was left broken nobody can say what serves there.
    if ours.peek().is_some_and(|newest| left_broken(newest)) {
        return None;
    }
    let brought: Vec<Brought> = ours.filter_map(brought).collect();
    held_since(&brought, services, commit)
}

fn left_broken(deployment: &Deployment) -> bool {
    let told = deployment.status.as_ref().and_then(|status| status.description.as_deref());
    told.is_some_and(|told| ledger::LEFT_BROKEN.contains(&told))
}

fn brought(seen: &Deployment) -> Option<Brought> {
    let noted = seen.shipline.as_ref()?.get("services")?.as_object()?;
    let status = seen.status.as_ref().filter(|status| status.state == DeploymentState::Success)?;
    let services = noted.keys().filter_map(|name| name.parse().ok()).collect();
    Some(Brought { commit: Some(seen.sha), services, since: status.at })
}

/// Whether what is known of the environments before is enough.
fn kept(
    name: &EnvironmentName,
    policy: &Policy,
    commit: CommitSha,
    since: &BTreeMap<&EnvironmentName, Option<Timestamp>>,
    now: Timestamp,
) -> Result<(), Problem> {
    let of = |required: &EnvironmentName| since.get(required).copied().flatten();
    if let Some(missing) = policy.requires.iter().find(|required| of(required).is_none()) {
        let what =
            format!("{name} takes what is good on {}, and {} is not on `{missing}`", all(policy), commit.short());
        let next = format!("`shipline deploy {missing} --sha {commit}` first; when it is good there, run again.");
        return Err(Problem::refused("requires-missing", what, next)
            .because("what is there is read from the GitHub Deployments of Shipline"));
    }
    let soak = i64::from(policy.soak.as_seconds());
    match policy.requires.iter().filter_map(|required| Some((of(required)?, required))).max() {
        // GitHub's clock may run ahead of ours: nobody waits where no time is asked for.
        Some((good, last)) if soak > 0 && now.as_second() < good.as_second() + soak => {
            let left = length(good.as_second() + soak - now.as_second());
            let good = between(good, now);
            let what =
                format!("{} has been good on `{last}` for {good}; {name} asks for {}", commit.short(), policy.soak);
            Err(Problem::refused("soaking", what, format!("Run again in {left}.")))
        }
        _ => Ok(()),
    }
}
