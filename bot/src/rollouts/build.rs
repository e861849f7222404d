//! The build workflow for images that are missing: started once, followed without holding anything.
//!
//! The bot never builds: it starts the workflow that the policy names, on the default branch, and
//! looks for the images afterwards. Between two looks nobody holds the deployment. Invariant:
//! [`Stage::Building`] is written before the start, so that a start whose answer was lost is looked
//! for (by the text `shipline <id>` in the run's title) before another is made.

use std::time::Duration;

use shipline::config::spec::BuildWorkflow;
use shipline::engine::clock;
use shipline::problem::ProblemKind;
use shipline::types::{CommitSha, ServiceName, Timestamp};
use tracing::info;

use super::halt::Halt;
use super::kept::Kept;
use crate::decision::{Denied, ReasonCode};
use crate::github::{Hub, RunState};
use crate::policy;
use crate::store::{Asked, Stage};
use crate::types::RunId;

/// How long a run that was just started may stay invisible in GitHub's list.
const APPEARS: Duration = Duration::from_secs(20);

/// How long starting is tried while GitHub fails.
const START: Duration = Duration::from_mins(3);

/// The shortest and the longest pause between two looks at a run.
const LOOKS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) conclusion: String,
    pub(super) url: String,
}

/// What the title of our run holds.
fn marker(kept: &Kept) -> String {
    format!("shipline {}", kept.id())
}

/// The pause before the next look: a quarter of what was waited so far.
fn pause(since: Timestamp, now: Timestamp) -> Duration {
    waited(since, now).div_f64(4.0).clamp(LOOKS.0, LOOKS.1)
}

fn waited(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// One look at the run: its end, or why to come back later.
pub(super) async fn look(hub: &Hub, within: Duration, run: RunId, since: Timestamp, url: &str) -> Result<Ended, Halt> {
    let now = clock::now();
    match hub.run(run).await {
        Ok(RunState::Ended { conclusion, url }) => Ok(Ended { conclusion, url }),
        Ok(RunState::Going) if waited(since, now) > within => {
            let denied = Denied::new(
                ReasonCode::BuildFailed,
                format!("The build workflow has not ended after {} minutes.", within.as_secs() / 60),
                "Look at the run; deploy again when it has ended, or give it more time (`build: { within: … }` in the policy).",
            );
            Err(Halt::Denied(denied.because(format!("run: {url}"))))
        }
        Ok(RunState::Going) => Err(Halt::Later(pause(since, now))),
        Err(problem) if waited(since, now) > within + START => {
            Err(Halt::Denied(policy::denied(&problem.into(), ReasonCode::ProviderFailed)))
        }
        Err(problem) => {
            info!(problem = %problem.what, "how the build stands is not known, asking again");
            Err(Halt::Later(pause(since, now)))
        }
    }
}

/// What a run is started for.
pub(super) struct Start<'a> {
    pub(super) workflow: &'a BuildWorkflow,
    pub(super) branch: &'a str,
    pub(super) commit: CommitSha,
    pub(super) services: &'a [ServiceName],
    pub(super) asked: &'a Asked,
}

/// Starts the run, unless it was started; returns it.
pub(super) async fn start(hub: &Hub, kept: &Kept, start: &Start<'_>) -> Result<RunId, Halt> {
    let stage = kept.state().await.stage;
    let (since, perhaps) = match stage {
        Stage::Building { run: Some(run), .. } => return Ok(run),
        Stage::Building { run: None, since } => (since, true),
        Stage::Waiting | Stage::Gating { .. } | Stage::Rolling { .. } | Stage::Over => (clock::now(), false),
    };
    let workflow = &start.workflow.workflow;
    if perhaps {
        let found = hub.find_run(workflow, &marker(kept), since).await.map_err(|problem| {
            info!(problem = %problem.what, "whether the build was started is not known, asking again");
            Halt::Later(LOOKS.0)
        })?;
        if let Some(run) = found {
            kept.change(|state| state.stage = Stage::Building { run: Some(run), since }).await?;
            return Ok(run);
        }
        if waited(since, clock::now()) < APPEARS {
            return Err(Halt::Later(LOOKS.0));
        }
    }
    kept.change(|state| state.stage = Stage::Building { run: None, since }).await?;
    let services: Vec<&str> = start.services.iter().map(ServiceName::as_str).collect();
    let inputs = [
        ("sha", start.commit.to_string()),
        ("environment", start.asked.key.environment.to_string()),
        ("services", services.join(",")),
        ("deployment", kept.id().to_string()),
    ];
    match hub.dispatch(workflow, start.branch, &inputs).await {
        Ok(run) => {
            kept.change(|state| {
                state.stage = Stage::Building { run: Some(run), since };
                state.before.push((clock::now(), format!("the build workflow {workflow} was started")));
            })
            .await?;
            Ok(run)
        }
        Err(problem) if problem.kind == ProblemKind::Provider && waited(since, clock::now()) < START => {
            info!(problem = %problem.what, "the build could not be started, trying again");
            Err(Halt::Later(LOOKS.0))
        }
        Err(problem) => {
            let mut denied = policy::denied(&problem.clone().into(), ReasonCode::BuildFailed);
            denied.code = ReasonCode::BuildFailed;
            denied.what = format!("The build workflow `{workflow}` could not be started: {}", problem.what);
            let needs = "It needs `workflow_dispatch` with the inputs `sha`, `environment`, `services` and `deployment` on the default branch (workflows/ has one to copy).";
            Err(Halt::Denied(denied.because(needs)))
        }
    }
}

/// The images are still missing after the run.
pub(super) fn brought_nothing(ended: &Ended, missing: &[ServiceName], commit: CommitSha) -> Denied {
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let (what, next) = if ended.conclusion == "success" {
        (
            format!(
                "The build workflow ended well, but there is no image of `{}` for {}.",
                commit.short(),
                names.join(", ")
            ),
            "Let it push each image with the full commit as its tag and in the label `org.opencontainers.image.revision`.",
        )
    } else {
        (
            format!(
                "The build workflow ended with `{}`; there is no image of `{}` for {}.",
                ended.conclusion,
                commit.short(),
                names.join(", ")
            ),
            "Mend the build, then deploy again.",
        )
    };
    Denied::new(ReasonCode::BuildFailed, what, next).because(format!("run: {}", ended.url))
}

/// There is no workflow to build them.
pub(super) fn nobody_builds(missing: &[ServiceName], commit: CommitSha) -> Denied {
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    Denied::new(
        ReasonCode::ImageMissing,
        format!("There is no image of `{}` for {}.", commit.short(), names.join(", ")),
        format!(
            "Push it with the tag `{commit}` and the label `org.opencontainers.image.revision`, or name a workflow that does in the policy: `build: {{ workflow: build.yml }}`."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_a_run_grow_from_five_seconds_to_a_minute() {
        let since = Timestamp::from_second(1_700_000_000).unwrap();
        let after = |seconds: i64| pause(since, Timestamp::from_second(1_700_000_000 + seconds).unwrap()).as_secs();
        assert_eq!([0, 20, 40, 100, 240, 3600, -5].map(after), [5, 5, 10, 25, 60, 60, 5]);
    }
}
